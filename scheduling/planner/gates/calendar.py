"""Gates by count, calendar and distance: how many treatments, when in the year, how near each other, how late."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from uuid import UUID

from scheduling.planner.amounts import Amount, DayOfYear
from scheduling.planner.facts import (
    CourseFacts,
    Gate,
    GateAnswer,
    LateAction,
    SessionFacts,
    SessionState,
    Step,
    StepKind,
)
from scheduling.planner.windows import GONE, NO_DATES, is_as_strict, late_band_of, late_references

from .kinds import CLOSED, PENDING, PRESCRIBER, Code, DatedSession, Takes, closed, gate, typed

# --- yearly_limit ---------------------------------------------------------------------------------------------------


def _new_years(asked: DatedSession, until: date) -> Iterable[date]:
    return (date(year, 1, 1) for year in range(asked.on.year + 1, until.year + 1))


@gate(
    Code("yearly_limit_reached"),
    takes={"at_most": Takes.COUNT},
    for_treatments=True,
    turns=_new_years,
)
def yearly_limit(asked: DatedSession) -> list[GateAnswer]:
    """The patient has had, or has booked, fewer treatments of the protocol than a calendar year may have."""
    if yearly_room(asked.session, asked.on.year, asked.course, asked.count("at_most"), asked.dates, asked.on) > 0:
        return []
    return [closed("yearly_limit_reached", opens_on=date(asked.on.year + 1, 1, 1))]


def most_in_a_year(step: Step) -> int | None:
    """Return how many treatments a calendar year may have by the gates of a step; None: any number."""
    limits = (gate.parameters["at_most"] for gate in step.gates if gate.name == yearly_limit.name)
    return min((limit for limit in limits if isinstance(limit, int)), default=None)


def yearly_room(
    session: SessionFacts,
    year: int,
    course: CourseFacts,
    at_most: int,
    dates: Mapping[UUID, date] = NO_DATES,
    on: date = date.min,
) -> int:
    """Return how many treatments of the protocol a calendar year still has room for, without this session.

    Taken is what is performed or booked, in the patient's other courses too. A visit that is booked `on` that date
    already stands before those that are booked for later.
    """
    is_booked = session.booked is not None and session.booked.on == on
    others = [
        (s.performed_on or dates.get(s.id) or (s.booked.on if s.booked else None), s.performed_on is not None)
        for s in course.sessions
        if s.id != session.id and _is_treatment(s)
    ] + [(t.on, t.performed) for t in course.elsewhere if t.protocol == course.protocol.key]
    return at_most - sum(
        other is not None and other.year == year and (performed or not is_booked or other <= on)
        for other, performed in others
    )


def _is_treatment(session: SessionFacts) -> bool:
    return session.step.kind is StepKind.TREATMENT and session.state not in GONE


# --- review_due -----------------------------------------------------------------------------------------------------


@gate(Code("review_due", (CLOSED, PENDING)), takes={"every": Takes.COUNT}, for_treatments=True)
def review_due(asked: DatedSession) -> list[GateAnswer]:
    """A clinician has assessed the patient anew before more than so many treatments followed the last assessment.

    A treatment on the day of the assessment counts as one that followed it. What is still to be performed before this
    session makes it pending: it will be known when the last treatment that is allowed has taken place.
    """
    course, every = asked.course, asked.count("every")
    since = course.assessment.assessed_on if course.assessment else date.min
    treatments = [s for s in course.sessions if _is_treatment(s) and s.position < asked.session.position]
    performed = sum(s.performed_on is not None and s.performed_on >= since for s in treatments)
    performed += sum(t.performed and t.on >= since for t in course.elsewhere if t.protocol == course.protocol.key)
    if performed >= every:
        return [closed("review_due")]
    awaited = [s for s in treatments if s.state is SessionState.OPEN]
    if performed + len(awaited) < every:
        return []
    last = awaited[every - performed - 1]
    return [GateAnswer("review_due", PENDING, changes_on=(last.booked.on,) if last.booked else ())]


# --- season ---------------------------------------------------------------------------------------------------------


def _season_turns(asked: DatedSession, until: date) -> Iterable[date]:
    for year in range(asked.on.year, until.year + 1):
        yield asked.day_of_year("from").first_on_or_after(date(year, 1, 1))
        yield _after_season(asked.day_of_year("until"), date(year, 1, 1))


@gate(
    Code("season_closed"),
    takes={"from": Takes.DAY_OF_YEAR, "until": Takes.DAY_OF_YEAR},
    repeats=True,
    turns=_season_turns,
)
def season(asked: DatedSession) -> list[GateAnswer]:
    """The date lies outside a pause that comes every year, both days inclusive; it may lead over New Year."""
    begins, ends, on = asked.day_of_year("from"), asked.day_of_year("until"), DayOfYear.of(asked.on)
    is_inside = begins <= on <= ends if begins <= ends else on >= begins or on <= ends
    return [closed("season_closed", opens_on=_after_season(ends, asked.on))] if is_inside else []


def _after_season(ends: DayOfYear, on: date) -> date:
    """Return the first day after the next end of a season, from a date on."""
    last = ends.first_on_or_after(on)
    return last + timedelta(days=1) if DayOfYear.of(last) == ends else last


# --- apart ----------------------------------------------------------------------------------------------------------


def _is_treated_elsewhere(step: Step, course: CourseFacts) -> bool:
    return step.kind is StepKind.TREATMENT and bool(course.elsewhere)


def _apart_turns(asked: DatedSession, until: date) -> Iterable[date]:
    for _protocol, begins, ends in _too_near(asked):
        yield from (begins, ends)


@gate(
    Code("too_near_other_treatment", override=PRESCRIBER),
    takes={"protocol": Takes.PROTOCOL, "at_least": Takes.AMOUNT},
    may_take={"areas": Takes.AREAS},
    both_ways=True,
    for_treatments=True,
    repeats=True,
    concerns=_is_treated_elsewhere,
    turns=_apart_turns,
)
def apart(asked: DatedSession) -> list[GateAnswer]:
    """No treatment of another protocol is, or was, too near, before the session or after it.

    It is enough that one of the two protocols asks for the distance: a session that may not stand near a treatment, and
    a treatment that may not stand near a session, are the same two visits. Hence it is asked whatever the step lists.
    """
    taken: dict[str, list[tuple[date, date]]] = defaultdict(list)
    for protocol, begins, ends in _too_near(asked):
        taken[protocol].append((begins, ends))
    answers = []
    for protocol, spans in sorted(taken.items()):
        opens_on = asked.on
        for begins, ends in sorted(spans):
            if begins <= opens_on < ends:
                opens_on = ends
        if opens_on != asked.on:
            answers.append(closed("too_near_other_treatment", protocol, opens_on=opens_on, override=PRESCRIBER))
    return answers


def _too_near(asked: DatedSession) -> Iterator[tuple[str, date, date]]:
    """Yield the dates [begins, ends) that are too near a treatment elsewhere, with its protocol, for each who says so.

    Only treatments are kept apart from each other, so an assessment is not asked.
    """
    if asked.session.step.kind is not StepKind.TREATMENT:
        return
    ours = [gate for gate in asked.session.step.gates if gate.name == "apart"]
    for other in asked.course.elsewhere:
        for gates, kept_from in ((ours, other.protocol), (other.apart, asked.course.protocol.key)):
            for one in gates:
                if one.parameters["protocol"] == kept_from and _are_both_in(one, asked.session.areas, other.areas):
                    at_least = typed(one.parameters["at_least"], Amount)
                    yield other.protocol, _first_too_near(at_least, other.on), at_least.after(other.on)


def _are_both_in(gate: Gate, here: frozenset[str], there: frozenset[str]) -> bool:
    """Whether both treat one of the gate's areas, as far as it is known; a gate without areas is for all."""
    return not gate.areas or all(not areas or bool(areas & gate.areas) for areas in (here, there))


def _first_too_near(at_least: Amount, other_on: date) -> date:
    """Return the first date that is less than so long before another."""
    last = other_on.toordinal()
    days = range(max(1, last - 31 * at_least.months - abs(at_least.days)), last)
    near = bisect_right(days, other_on, key=lambda day: at_least.after(date.fromordinal(day)))
    return date.fromordinal(days[near]) if near < len(days) else other_on


# --- late -----------------------------------------------------------------------------------------------------------


def _has_late_bands(step: Step, course: CourseFacts) -> bool:
    return any(spacing.late_bands for spacing in step.spacings)


def _late_turns(asked: DatedSession, until: date) -> Iterable[date]:
    for spacing, anchor in late_references(asked.session, asked.course):
        for band in spacing.late_bands:
            yield band.begins.after(anchor)
            if band.ends is not None:
                yield band.ends.after(anchor)


@gate(
    Code("late_review", override=PRESCRIBER),
    Code("late_repeat_step", override=PRESCRIBER),
    Code("late_restart", override=PRESCRIBER),
    always=True,
    concerns=_has_late_bands,
    turns=_late_turns,
)
def late(asked: DatedSession) -> list[GateAnswer]:
    """What the step's late bands ask for on that date is done: a new assessment, or a clinician's decision.

    A decision that goes further than the band asks for is one, but for a review: that is a new assessment, whoever asks
    for it. Bands that only say how the session changes refuse nothing.
    """
    band, decided = late_band_of(asked.session, asked.on, asked.course), asked.session.late_action
    if band is None or band.action in (LateAction.BOOK_ANYWAY, LateAction.SHORTEN):
        return []
    if LateAction.REVIEW in (band.action, decided):
        done = asked.course.assessment
        is_done = done is not None and done.assessed_on >= band.first_on
        return [] if is_done else [closed("late_review", override=PRESCRIBER)]
    return [] if is_as_strict(decided, band.action) else [closed(f"late_{band.action}", override=PRESCRIBER)]
