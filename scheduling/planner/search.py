"""The planner's answers about one course: a plan, other plans, free times of one session, a repair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from uuid import UUID

from . import cost
from .chains import Chain, Stuck
from .cost import Weights
from .explain import why_not
from .facts import (
    Alternative,
    CourseFacts,
    Move,
    Plan,
    PlannedSession,
    Repair,
    ResourceFacts,
    Roster,
    SessionFacts,
    SessionState,
    Slot,
)
from .gates import gate_answers
from .rules import violations
from .windows import window_of

# What makes a booked time impossible whatever the other sessions' dates are. A grid that changed later does not.
TIME_IS_IMPOSSIBLE = frozenset(
    {
        "site_closed",
        "wrong_shape",
        "place_unknown",
        "lacks_capability",
        "off_duty",
        "resource_busy",
        "patient_busy",
    }
)
SOONEST_PER_DAY = 1_000_000  # more than all else in any plan

Between = tuple[date, date]  # first and last date, inclusive


def cheapest_plan(course: CourseFacts, roster: Roster, weights: Weights, *, today: date) -> Plan:
    """Return the plan of least cost for every session left, or raise Unplannable with the reasons per session.

    Planned are the open sessions whose step is planned with the course; pinned ones keep their appointment and are part
    of the plan. Exact: no other plan that breaks no rule costs less. Ties go to the earlier dates, then the earlier
    starts, then the lower practitioner ids; the other resources are the lowest ids that leave a way. Dates on which a
    gate is closed that opens or closes with the date (cooling-off, expiry) are not used; a gate that is closed on every
    date is reported with each session. The horizon is the roster's days.
    """
    return _plan(Chain(course, roster, weights, today=today))


def alternatives(course: CourseFacts, roster: Roster, weights: Weights, *, today: date) -> list[Alternative]:
    """Return plans that differ in kind, the cheapest first, each priced by `weights`; or raise Unplannable.

    `closest_to_target` is the cheapest plan; `soonest` ends as early as the rules allow, then is cheapest;
    `same_practitioner` never changes the lead (steps led in one role), when that is possible. A plan that a kind before
    it has shown already is left out.
    """
    found = [Alternative("closest_to_target", _plan(Chain(course, roster, weights, today=today)))]
    hurried = replace(weights, elapsed_per_day=SOONEST_PER_DAY)
    for kind, other in (
        ("soonest", Chain(course, roster, hurried, today=today)),
        ("same_practitioner", Chain(course, roster, weights, today=today, keep_lead=True)),
    ):
        slots = other.outcome()
        if isinstance(slots, Stuck):
            continue
        plan = _shown(slots, other, weights)
        if all(plan.sessions != known.plan.sessions for known in found):
            found.append(Alternative(kind, plan))
    return found


def free_times(
    session: SessionFacts,
    course: CourseFacts,
    roster: Roster,
    weights: Weights,
    *,
    today: date,
    between: Between,
    limit: int,
) -> list[PlannedSession]:
    """Return the first `limit` times at which one session could be booked as things stand, by time and then lead id.

    Every (date, start, lead) between two dates, inclusive, that breaks no rule while the course's other appointments
    stay; each with its lowest other resources. The session's own appointment counts as free. Strict wishes forbid. A
    gate that is closed whatever the date is does not hide times: each carries its gates.
    """
    return _times(
        session, Chain(_around(session, course), roster, weights, today=today, only=session.id), between, limit
    )


def best_times(
    session: SessionFacts,
    course: CourseFacts,
    roster: Roster,
    weights: Weights,
    *,
    today: date,
    between: Between,
    limit: int,
) -> list[PlannedSession]:
    """Return the `limit` cheapest of `free_times`, then by time: what to offer first when a session moves."""
    chain = Chain(_around(session, course), roster, weights, today=today, only=session.id)
    return _times(session, chain, between, limit, cheapest_first=True)


def repair(course: CourseFacts, roster: Roster, weights: Weights, *, today: date) -> Repair:
    """Return the cheapest way on after something happened, or raise Unplannable.

    An appointment that is still possible (people, places and patient are free and able) and inside its window under
    the plan's own dates stays where it is. The others, and sessions without an appointment, are planned at least cost,
    where leaving a booked time costs `move` and more at short notice. Only when the course cannot go on otherwise may
    an appointment that could stay be moved. Visits before today, or begun, are pinned: they await their outcome.
    The roster's days must hold every appointment of the course.
    """
    begun = [s for s in course.sessions if s.booked is not None and _is_begun(s.booked, roster, today)]
    fixed = replace(course, sessions=tuple(replace(s, pinned=True) if s in begun else s for s in course.sessions))
    stay = {
        s.id: s.booked
        for s in fixed.sessions
        if s.state is SessionState.OPEN and s.booked is not None and not s.pinned
        if not any(v.code in TIME_IS_IMPOSSIBLE for v in violations([s.booked], fixed, roster, today))
    }
    chain = Chain(fixed, roster, weights, today=today, stay=stay)
    slots = chain.outcome()
    if isinstance(slots, Stuck):
        chain = Chain(fixed, roster, weights, today=today, stay={})
        slots = chain.outcome()
    if isinstance(slots, Stuck):
        raise why_not(chain, slots)
    booked = {s.id: s.booked for s in course.sessions}
    moves = tuple(Move(slot.session, booked[slot.session], slot) for slot in slots if slot != booked[slot.session])
    return Repair(_shown(slots, chain), moves)


def _around(session: SessionFacts, course: CourseFacts) -> CourseFacts:
    """Return the course with this session free to move."""
    alone = replace(session, pinned=False)
    return replace(course, sessions=tuple(alone if s.id == session.id else s for s in course.sessions))


def _times(
    session: SessionFacts, chain: Chain, between: Between, limit: int, *, cheapest_first: bool = False
) -> list[PlannedSession]:
    found: list[tuple[tuple[int, date, int, UUID], ResourceFacts]] = []
    for on, date_price in chain.open_dates(*between) if chain.sessions else ():
        for lead in chain.starts.leads(session.step, on):
            price = date_price + chain.lead_price(lead)
            for time_price, tick in chain.starts.by_cost(session.step, on, lead):
                found.append(((price + time_price if cheapest_first else 0, on, tick, lead.id), lead))
        if not cheapest_first and len(found) >= limit:
            break
    found.sort(key=lambda one: one[0])
    slots = [chain.starts.slot(session, on, lead, tick) for (_, on, tick, _), lead in found[:limit]]
    return [planned for slot in slots for planned in _shown([slot], chain).sessions]


def _plan(chain: Chain) -> Plan:
    slots = chain.outcome()
    if isinstance(slots, Stuck):
        raise why_not(chain, slots)
    return _shown(slots, chain)


def _shown(slots: Sequence[Slot], chain: Chain, weights: Weights | None = None) -> Plan:
    """Return the plan that these slots make, with its windows, gates and cost (by other weights, if given)."""
    course, today, weights = chain.course, chain.today, weights or chain.weights
    sessions = {session.id: session for session in course.sessions}
    dates = {slot.session: slot.on for slot in slots}
    parts = cost.price(slots, course, chain.roster, weights, today=today, moves=chain.moves)
    planned = tuple(
        PlannedSession(
            slot=slot,
            window=window_of(session, course, dates),
            cost=part,
            pinned=session.pinned,
            gates=tuple(gate_answers(session, slot.on, course, today, dates)),
        )
        for slot, part in zip(slots, parts, strict=True)
        for session in (sessions[slot.session],)
    )
    return Plan(planned, cost.total(parts))


def _is_begun(slot: Slot, roster: Roster, today: date) -> bool:
    day = roster.days.get(slot.on)
    is_over = day is not None and roster.not_before is not None and day.instant(slot.tick) < roster.not_before
    return slot.on < today or is_over
