"""The planner's answers about one course: a plan, other plans, free times of one session, a repair."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Sequence
from dataclasses import fields, replace
from datetime import date
from itertools import islice
from uuid import UUID

from . import cost
from .asks import NOTHING
from .chains import Chain, Stuck
from .cost import Weights
from .explain import Unplannable, why_not_nearer
from .facts import (
    Alternative,
    Ask,
    Between,
    CostParts,
    CourseFacts,
    Difference,
    Move,
    Plan,
    PlannedSession,
    Repair,
    Roster,
    SessionFacts,
    SessionState,
    Slot,
    Terms,
    Violation,
    Window,
)
from .gates import gate_answers
from .plans import plan_of
from .rules import RULES, violations
from .windows import window_of
from .work import MOST_TRIED

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
OF_TIMES = frozenset(rule.__name__ for rule in RULES) - {"gate_closed"}  # what is no gate's code
MOVES_NOBODY = frozenset({"off_grid", "in_the_past"})
SOONEST_PER_DAY = 1_000_000  # more than all else in any plan
WISHES_FIRST = 100_000  # the same
WISHES = ("weekday", "time_of_day", "avoided_date", "practitioner", "language")
COUNTING = Weights(**{weight.name: int(weight.name in (*WISHES, "change")) for weight in fields(Weights)})


def cheapest_plan(course: CourseFacts, roster: Roster, weights: Weights, *, today: date, ask: Ask = NOTHING) -> Plan:
    """Return the plan of least cost for every session left, or raise Unplannable with the reasons per session.

    Planned are the open sessions whose step is planned with the course; pinned ones keep their appointment and are part
    of the plan. Exact: no other plan that breaks no rule, gives all that is asked and has a date of its own for each
    session costs less. (An assessment and the session after it may share a date, but only where both are booked.) Ties
    go to the earlier dates, then the earlier starts, then the lower practitioner ids; the other resources are the
    lowest ids that leave a way. Dates on which a gate is closed that opens or closes with the date (cooling-off,
    expiry) are not used; a gate that is closed on every date is reported with each session. The horizon is the roster's
    days. An ask that contradicts itself (`asks.contradictions`) has no plan.
    """
    return _plan(Chain(course, roster, weights, today=today, ask=ask))


def alternatives(
    course: CourseFacts,
    roster: Roster,
    weights: Weights,
    *,
    today: date,
    ask: Ask = NOTHING,
    explained: bool = False,
) -> list[Alternative]:
    """Return plans that differ in kind, the cheapest of all first, each priced by `weights`; or raise Unplannable.

    All give what is asked. Each is the cheapest of its kind:

    * `closest_to_target`: of all plans;
    * `soonest`: of those that end as early as the rules allow;
    * `same_practitioner`: of those that never change the lead (steps led in one role);
    * `wishes_first`: of those that miss the least of the patient's wishes, weighed as ever;
    * `other_weekdays`: of those that use no weekday on which the first gives a session a time;
    * `other_practitioner`: of those in which nobody leads who leads a session to which the first gives a time.

    A kind that is not possible, or whose plan a kind before it has shown, is left out. With `explained` the first says
    what stands between its sessions and their best dates (`explain.why_not_nearer`). Seven searches at most, and the
    trials of the explanation; fewer kinds where they have looked at MOST_TRIED dates.
    """
    chain = Chain(course, roster, weights, today=today, ask=ask)
    best = _plan(chain)
    found = [Alternative("closest_to_target", best)]
    chain.work.allow(MOST_TRIED)
    for kind, other in _others(chain, best):
        slots = other.outcome()
        if isinstance(slots, Stuck):
            continue
        plan = plan_of(slots, chain)
        if all(plan.sessions != known.plan.sessions for known in found):
            found.append(Alternative(kind, plan, difference(best, plan, chain)))
    if explained:
        found[0] = replace(found[0], nearer=why_not_nearer(best, chain))
    return found


def _others(chain: Chain, best: Plan) -> Iterator[tuple[str, Chain]]:
    """Yield the searches for plans of other kinds than the best one."""
    weights, ask = chain.weights, chain.ask
    new = [planned.slot for planned in best.sessions if not planned.pinned]
    yield "soonest", chain.again(weights=replace(weights, elapsed_per_day=SOONEST_PER_DAY))
    yield "same_practitioner", chain.again(keep_lead=True)
    if best.cost.wishes:
        yield "wishes_first", chain.again(weights=_wishes_first(weights))
    weekdays = frozenset(range(7)) - {slot.on.weekday() for slot in new}
    if new and weekdays:
        yield "other_weekdays", chain.again(ask=replace(ask, also=(*ask.also, Terms(weekdays=weekdays))))
    if new:
        leads = frozenset(slot.lead for slot in new)
        yield "other_practitioner", chain.again(ask=replace(ask, also=(*ask.also, Terms(not_with=leads))))


def _wishes_first(weights: Weights) -> Weights:
    """Return weights by which the wishes come before everything else, and are weighed among each other as before."""
    factor = min(WISHES_FIRST, cost.MOST // max(1, *(getattr(weights, name) for name in WISHES)))
    return replace(weights, **{name: getattr(weights, name) * factor for name in WISHES})


def difference(best: Plan, other: Plan, chain: Chain) -> Difference:
    """Return how a plan for the same sessions differs from the best one."""
    pairs = [(one.slot, two.slot) for one, two in zip(best.sessions, other.sessions, strict=True) if not one.pinned]
    (_, changes, missed), (_, other_changes, other_missed) = _counts(best, chain), _counts(other, chain)
    return Difference(
        starts_days=(pairs[0][1].on - pairs[0][0].on).days if pairs else 0,
        ends_days=(other.sessions[-1].slot.on - best.sessions[-1].slot.on).days if pairs else 0,
        changes=other_changes - changes,
        wishes_missed=other_missed - missed,
        cost=other.cost.total - best.cost.total,
        moved=sum(one.on != two.on for one, two in pairs),
        other_leads=sum(one.lead != two.lead for one, two in pairs),
    )


def _counts(plan: Plan, chain: Chain) -> tuple[int, int, int]:
    """Return how many sessions a plan has, how often it changes the practitioner, and how many wishes it misses."""
    slots = [planned.slot for planned in plan.sessions]
    parts = cost.total(cost.price(slots, chain.course, chain.roster, COUNTING, today=chain.today))
    return len(slots), parts.continuity, parts.wishes


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
    chain = Chain(_around(session, course), roster, weights, today=today, only=session.id)
    found: list[PlannedSession] = []
    window = window_of(session, chain.course)
    for on, _price in chain.open_dates(*between) if chain.sessions else ():
        found += _times_on(on, window, chain, limit - len(found))
        if len(found) == limit:
            break
    return found


def _times_on(on: date, window: Window, chain: Chain, limit: int) -> list[PlannedSession]:
    """Return what `plan_of` says of each slot of the chain's only session on a date, up to so many.

    Gates and what the date costs are those of all; what time of day and holes cost is known with each.
    """
    (session,), starts, weights = chain.sessions, chain.starts, chain.weights
    slots = list(islice(starts.slots_on(session, on), limit))
    if not slots:
        return []
    wished = starts.wished(on, session.step.minutes)
    gates = tuple(gate_answers(session, on, chain.course, chain.today, {session.id: on}))
    by_date = replace(weights, time_of_day=0, hole=0)
    (same,) = cost.price([slots[0][0]], chain.course, chain.roster, by_date, today=chain.today)
    costs: dict[tuple[UUID, int, int], CostParts] = {}
    found = []
    for slot, lead, price in slots:
        missed = 0 if wished >> slot.tick & 1 else weights.time_of_day
        key = lead.id, price, missed
        if key not in costs:
            costs[key] = replace(
                same,
                continuity=chain.lead_price(lead) - starts.lead_missed(session.step, lead),
                wishes=chain.wishes_missed(session.step, lead, on) + missed,
                holes=price - missed,
            )
        found.append(PlannedSession(slot, window, costs[key], gates=gates))
    return found


def repair(
    course: CourseFacts,
    roster: Roster,
    weights: Weights,
    *,
    today: date,
    whole: bool = False,
    plan_unbooked: Collection[UUID] = (),
    only_planned: bool = False,
) -> Repair:
    """Return the cheapest way on for the booked visits after something happened, or raise Unplannable.

    Every visit to come takes part, also of a session that a plan leaves to be booked by itself: a final review follows
    the last treatment. With `only_planned` those stay, wherever they are.

    An appointment that is still possible (people, places and patient are free and able) and inside its window under
    the plan's own dates stays where it is. The others are planned at least cost, where leaving a booked time costs
    `move` and more at short notice. Only when the course cannot go on otherwise may an appointment that could stay be
    moved; or, with `whole`, where that is cheaper. Visits before today, or begun, are pinned: they await their outcome.
    Sessions without an appointment take no part and are counted from where they would be, as in every other look at
    the course; what moves leaves them a time where it can (`with_room`). Those of `plan_unbooked` are planned
    too, unless no plan is found then. The roster's days must hold every appointment of the course.
    """
    fixed = as_repaired(course, roster, today, only_planned=only_planned)
    if plan_unbooked:
        others = [session for session in _unbooked(fixed) if session.id not in plan_unbooked]
        chain, slots = _way_on(_left_to_themselves(others, fixed), roster, weights, today, whole=whole)
        if not isinstance(slots, Stuck):
            return _repair_of(slots, chain)
    chain, slots = _way_on(with_visits_only(fixed), roster, weights, today, whole=whole)
    if isinstance(slots, Stuck):
        raise Unplannable(chain, slots)
    found = _repair_of(slots, chain)
    return with_room(found, course, roster, weights, today=today, whole=whole, only_planned=only_planned)


def with_room(
    found: Repair,
    course: CourseFacts,
    roster: Roster,
    weights: Weights,
    *,
    today: date,
    whole: bool = False,
    only_planned: bool = False,
) -> Repair:
    """Return a repair of the booked visits that leaves a time to each session not booked that has a visit after it.

    That is the one found, if it does. Else the visits of the cheapest plan with these sessions in it; and the one found
    when there is no such plan, when its visits may not be booked while those sessions are not, or when looking for it
    takes more than MOST_TRIED dates.
    """
    if not needs_room(course):
        return found
    fixed = as_repaired(course, roster, today, only_planned=only_planned)
    last = _last_booked(fixed)
    with_those_between = _left_to_themselves([s for s in _unbooked(fixed) if s.position > last], fixed)
    visits = [planned.slot for planned in found.plan.sessions]
    chain = _with_visits_at(visits, with_those_between, roster, weights, today)
    chain.work.allow(MOST_TRIED)
    kept = chain.outcome()
    if not isinstance(kept, Stuck) or not kept.is_proven:
        return found
    _, slots = _way_on(with_those_between, roster, weights, today, whole=whole, like=chain)
    if isinstance(slots, Stuck):
        return found
    moved = {slot.session for slot in visits}
    visits = [slot for slot in slots if slot.session in moved]
    alone = with_visits_only(fixed)
    if isinstance(_with_visits_at(visits, alone, roster, weights, today, like=chain).outcome(), Stuck):
        return found
    return _repair_of(visits, Chain(alone, roster, weights, today=today, stay={}))


def needs_room(course: CourseFacts) -> bool:
    """Whether a session without an appointment is to be planned before a booked one."""
    last = _last_booked(course)
    return any(session.position < last for session in _unbooked(course))


def _last_booked(course: CourseFacts) -> int:
    return max((session.position for session in course.sessions if session.booked is not None), default=0)


def _way_on(
    course: CourseFacts,
    roster: Roster,
    weights: Weights,
    today: date,
    *,
    whole: bool = False,
    like: Chain | None = None,
) -> tuple[Chain, list[Slot] | Stuck]:
    """Return the slots of a repair in which as much stays as can, and the search that found them, or found none."""
    stay = {} if whole else still_possible(course, roster, today)
    chain = Chain(course, roster, weights, today=today, stay=stay, like=like)
    slots = chain.outcome()
    if isinstance(slots, Stuck) and slots.is_proven and stay:
        chain = Chain(course, roster, weights, today=today, stay={}, like=chain)
        slots = chain.outcome()
    return chain, slots


def _repair_of(slots: Sequence[Slot], chain: Chain) -> Repair:
    return Repair(plan_of(slots, chain), moves_to(slots, chain.course))


def moves_to(slots: Sequence[Slot], course: CourseFacts) -> tuple[Move, ...]:
    """Return what of the course changes when its sessions have these slots."""
    booked = {s.id: s.booked for s in course.sessions}
    return tuple(Move(slot.session, booked[slot.session], slot) for slot in slots if slot != booked[slot.session])


def _with_visits_at(
    slots: Sequence[Slot],
    course: CourseFacts,
    roster: Roster,
    weights: Weights,
    today: date,
    *,
    like: Chain | None = None,
) -> Chain:
    """Return the search for a plan of the course with these visits where the slots are."""
    at = {slot.session: slot for slot in slots}
    sessions = (replace(s, booked=at[s.id], pinned=True) if s.id in at else s for s in course.sessions)
    return Chain(replace(course, sessions=tuple(sessions)), roster, weights, today=today, like=like)


def with_visits_only(course: CourseFacts) -> CourseFacts:
    """Return the course with its sessions that have no visit left to be booked by themselves."""
    return _left_to_themselves(_unbooked(course), course)


def _unbooked(course: CourseFacts) -> list[SessionFacts]:
    return [
        s for s in course.sessions if s.state is SessionState.OPEN and s.step.planned_with_course and s.booked is None
    ]


def _left_to_themselves(those: Sequence[SessionFacts], course: CourseFacts) -> CourseFacts:
    """Return the course with these sessions not planned: what is counted from them is so from where they would be."""
    ids = {session.id for session in those}
    sessions = (
        replace(s, step=replace(s.step, planned_with_course=False)) if s.id in ids else s for s in course.sessions
    )
    return replace(course, sessions=tuple(sessions)) if ids else course


def as_repaired(course: CourseFacts, roster: Roster, today: date, *, only_planned: bool = False) -> CourseFacts:
    """Return the course as a repair plans it: with every visit to come, whatever its step says (unless `only_planned`).

    Visits that lie before today or have begun are pinned: they await their outcome.
    """
    begun = {s.id for s in course.sessions if s.booked is not None and is_begun(s.booked, roster, today)}
    planned = set() if only_planned else {s.id for s in booked_by_themselves(course) if not s.pinned} - begun
    if not (begun or planned):
        return course
    sessions = (
        replace(s, pinned=True)
        if s.id in begun
        else replace(s, step=replace(s.step, planned_with_course=True))
        if s.id in planned
        else s
        for s in course.sessions
    )
    return replace(course, sessions=tuple(sessions))


def booked_by_themselves(course: CourseFacts) -> list[SessionFacts]:
    """Return the sessions left that have a visit and that no plan of the course holds: an assessment, a review."""
    return [
        s
        for s in course.sessions
        if s.state is SessionState.OPEN and s.booked is not None and not s.step.planned_with_course
    ]


def still_possible(course: CourseFacts, roster: Roster, today: date) -> dict[UUID, Slot]:
    """Return the booked times of the sessions left that people, places and patient still allow; pinned ones aside."""
    return {
        s.id: s.booked
        for s in course.sessions
        if s.state is SessionState.OPEN and s.booked is not None and not s.pinned
        if not any(v.code in TIME_IS_IMPOSSIBLE for v in violations([s.booked], course, roster, today))
    }


def still_wrong(
    course: CourseFacts, roster: Roster, today: date, moves: Sequence[Move] = (), *, gates_of: Container[UUID] = ()
) -> list[Violation]:
    """Return what makes visits to come impossible once these moves are carried out, however they were found.

    Not that a grid has changed: that moves nobody. A gate counts where it will open, but too late for the visit; one
    that opens on no date (an outcome is missing) has lists of its own, and counts for the sessions `gates_of` only.
    """
    new = {move.session: move.new for move in moves}
    after = replace(course, sessions=tuple(replace(s, booked=new.get(s.id, s.booked)) for s in course.sessions))
    booked = [s.booked for s in after.sessions if s.state is SessionState.OPEN and s.booked is not None]
    to_come = {slot.session for slot in booked if not is_begun(slot, roster, today)}
    return [
        one
        for one in violations(booked, after, roster, today)
        if one.session in to_come and one.code not in MOVES_NOBODY
        if one.code in OF_TIMES or one.opens_on is not None or one.session in gates_of
    ]


def _around(session: SessionFacts, course: CourseFacts) -> CourseFacts:
    """Return the course with this session free to move."""
    alone = replace(session, pinned=False)
    return replace(course, sessions=tuple(alone if s.id == session.id else s for s in course.sessions))


def _plan(chain: Chain) -> Plan:
    slots = chain.outcome()
    if isinstance(slots, Stuck):
        raise Unplannable(chain, slots)
    return plan_of(slots, chain)


def is_begun(slot: Slot, roster: Roster, today: date) -> bool:
    """Whether a visit lies before today or before the roster's first instant."""
    day = roster.days.get(slot.on)
    is_over = day is not None and roster.not_before is not None and day.instant(slot.tick) < roster.not_before
    return slot.on < today or is_over
