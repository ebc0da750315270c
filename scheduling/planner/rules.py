"""Rules that a booked time must keep, one function per rule; those of spacing are asked again for mail and check-in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from . import ticks
from .facts import (
    CourseFacts,
    Day,
    GateAnswer,
    GateState,
    Moment,
    ResourceFacts,
    Roster,
    SessionFacts,
    SessionState,
    Slot,
    StepKind,
    Violation,
    Window,
)
from .gates import PRESCRIBER, gate_answers, is_overridden, refuses
from .shapes import patient_span, stretches_of, with_taken
from .windows import GONE, settled_window_of, window_of

LONGEST_DAY = 2 * 1440  # ticks; more than any day has, buffers included
MOST_PLACES = 1000  # of one resource; what a slot claims beyond is unknown anyway


@dataclass(frozen=True, slots=True)
class SessionOnDate:
    """What a rule of spacing may look at: a session on a date, and its window."""

    session: SessionFacts
    on: date
    window: Window
    course: CourseFacts


@dataclass(frozen=True, slots=True)
class SlotInCourse(SessionOnDate):
    """What a rule may look at: one slot, among the others of its course."""

    slot: Slot
    roster: Roster  # the course's other appointments and slots count as taken
    resources: dict[UUID, ResourceFacts]
    dates: dict[UUID, date]  # of every session of the course that has a slot or an appointment
    today: date

    @property
    def day(self) -> Day | None:
        return self.roster.days.get(self.slot.on)


Rule = Callable[[SlotInCourse], Iterable[Violation]]
SpacingRule = Callable[[SessionOnDate], Iterable[Violation]]


def session_not_open(asked: SlotInCourse) -> Iterator[Violation]:
    """Only an open session can be booked."""
    if asked.session.state is not SessionState.OPEN:
        yield _broken(asked, "session_not_open", asked.session.state)


def before_floor(asked: SessionOnDate) -> Iterator[Violation]:
    """Nobody books below the floor."""
    floor_on = asked.window.floor_on
    if floor_on is not None and asked.on < floor_on:
        yield _broken(asked, "before_floor", opens_on=floor_on)


def before_minimum(asked: SessionOnDate) -> Iterator[Violation]:
    """Before the earliest date only with a prescriber's override; the date itself is in time."""
    earliest_on = asked.window.earliest_on
    if earliest_on is None or asked.on >= earliest_on:
        return
    if not may_be_early(asked.session, asked.on, asked.course):
        yield _broken(asked, "before_minimum", opens_on=earliest_on, override=PRESCRIBER)


def after_lapse(asked: SessionOnDate) -> Iterator[Violation]:
    """From the lapse date on the course needs a new assessment first."""
    if asked.window.lapse_on is not None and asked.on >= asked.window.lapse_on:
        yield _broken(asked, "after_lapse")


def out_of_order(asked: SlotInCourse) -> Iterator[Violation]:
    """Sessions of a course follow each other by position, on dates of their own; an assessment may share its date."""
    for other in asked.course.sessions:
        if other.id == asked.session.id or other.state in GONE:
            continue
        if other.performed_on is not None:
            wrong = other.position < asked.session.position and not follows(asked.slot.on, other, other.performed_on)
        elif other.id not in asked.dates:
            continue
        elif other.position < asked.session.position:
            wrong = not follows(asked.slot.on, other, asked.dates[other.id])
        else:
            wrong = not follows(asked.dates[other.id], asked.session, asked.slot.on)
        if wrong:
            yield _broken(asked, "out_of_order", str(other.id))


def in_the_past(asked: SlotInCourse) -> Iterator[Violation]:
    """Nothing is booked before today, nor before the roster's first instant."""
    begins = asked.day and asked.day.instant(asked.slot.tick)
    not_before = asked.roster.not_before
    if asked.slot.on < asked.today or (begins and not_before and begins < not_before):
        yield _broken(asked, "in_the_past")


def beyond_horizon(asked: SlotInCourse) -> Iterator[Violation]:
    """A date that the roster does not hold cannot be judged."""
    if asked.day is None:
        yield _broken(asked, "beyond_horizon")


def site_closed(asked: SlotInCourse) -> Iterator[Violation]:
    """The whole site is closed: a holiday, a closure."""
    if asked.day is not None and asked.day.closed:
        yield _broken(asked, "site_closed", asked.day.closed)


def off_grid(asked: SlotInCourse) -> Iterator[Violation]:
    """A session starts on the site's grid, by the clock on the wall."""
    if asked.day is not None and not ticks.grid_of(asked.day, asked.roster.grid_minutes) >> asked.slot.tick & 1:
        yield _broken(asked, "off_grid")


def wrong_shape(asked: SlotInCourse) -> Iterator[Violation]:
    """The slot takes what the step needs, no more and no less.

    Every need in its phase has one place at its time; a role keeps its resource through all phases; the lead fills the
    lead role; no place is taken twice at once.
    """
    slot, step, at = asked.slot, asked.session.step, asked.slot.tick
    needed = sorted((s.phase, s.role, at + s.from_minute, at + s.until_minute) for s in stretches_of(step))
    taken = sorted((use.phase, use.role, use.from_tick, use.until_tick) for use in slot.uses)
    by_role = {(use.role, use.resource) for use in slot.uses}
    is_right = (
        slot.minutes == step.minutes
        and needed == taken
        and len(by_role) == len({role for role, _ in by_role})
        and (step.lead_role, slot.lead) in by_role
        and not any(
            one.resource == other.resource
            and one.place == other.place
            and one.from_tick < other.until_tick
            and other.from_tick < one.until_tick
            for number, one in enumerate(slot.uses)
            for other in slot.uses[:number]
        )
    )
    if not is_right:
        yield _broken(asked, "wrong_shape")


def place_unknown(asked: SlotInCourse) -> Iterator[Violation]:
    """Each use names a resource of the site and one of its places."""
    for use in asked.slot.uses:
        resource = asked.resources.get(use.resource)
        if resource is None or not 0 <= use.place < resource.places:
            yield _broken(asked, "place_unknown", str(use.resource))


def lacks_capability(asked: SlotInCourse) -> Iterator[Violation]:
    """A resource can do, on that date, what it is used for."""
    needs = {(s.phase, s.role): s.capability for s in stretches_of(asked.session.step)}
    for use in asked.slot.uses:
        resource, capability = asked.resources.get(use.resource), needs.get((use.phase, use.role))
        if resource is not None and capability is not None and not resource.is_able(capability, asked.slot.on):
            yield _broken(asked, "lacks_capability", str(use.resource))


def off_duty(asked: SlotInCourse) -> Iterator[Violation]:
    """A resource is on duty for the whole time it is used, buffers included."""
    for use in asked.slot.uses:
        duty = asked.roster.on_duty.get((use.resource, asked.slot.on), 0)
        if use.from_tick < 0 or ticks.span(use.from_tick, use.until_tick) & ~duty:
            yield _broken(asked, "off_duty", str(use.resource))


def resource_busy(asked: SlotInCourse) -> Iterator[Violation]:
    """A place is not taken by anything else."""
    for use in asked.slot.uses:
        places = asked.roster.busy.get((use.resource, asked.slot.on), ())
        if 0 <= use.place < len(places) and places[use.place] & ticks.span(use.from_tick, use.until_tick):
            yield _broken(asked, "resource_busy", str(use.resource))


def patient_busy(asked: SlotInCourse) -> Iterator[Violation]:
    """The patient is nowhere else, and the visit ends before the day does."""
    time = patient_span(asked.slot)
    too_long = asked.day is not None and time >> asked.day.length_minutes
    if too_long or time & asked.roster.patient_busy.get(asked.slot.on, 0):
        yield _broken(asked, "patient_busy")


def gate_closed(asked: SlotInCourse) -> Iterator[Violation]:
    """Every gate lets the session be booked on its date; the violation bears the gate's own code."""
    for answer in gate_answers(asked.session, asked.slot.on, asked.course, asked.today, asked.dates):
        if refuses(answer, Moment.BOOK):
            yield _broken(asked, answer.code, answer.subject, opens_on=answer.opens_on, override=answer.override)


SPACING_RULES: tuple[SpacingRule, ...] = (before_floor, before_minimum, after_lapse)
RULES: tuple[Rule, ...] = (
    session_not_open,
    *SPACING_RULES,
    out_of_order,
    in_the_past,
    beyond_horizon,
    site_closed,
    off_grid,
    wrong_shape,
    place_unknown,
    lacks_capability,
    off_duty,
    resource_busy,
    patient_busy,
    gate_closed,
)


def violations(slots: Sequence[Slot], course: CourseFacts, roster: Roster, today: date) -> list[Violation]:
    """Return everything that is wrong with booking these slots together, by slot and then in the order of RULES.

    Windows are counted under the slots' own dates; sessions without a slot keep their appointments, which the slots
    must not collide with. A slot for a session that is not the course's, or that has one already, is a violation too;
    one that lies outside any day is judged no further.
    """
    sessions = {session.id: session for session in course.sessions}
    resources = {resource.id: resource for resource in roster.resources}
    dates = {s.id: s.booked.on for s in course.sessions if s.state is SessionState.OPEN and s.booked is not None}
    dates |= {slot.session: slot.on for slot in slots}
    asked_for = {slot.session for slot in slots}
    staying = [
        s.booked
        for s in course.sessions
        if s.state is SessionState.OPEN and s.booked is not None and s.id not in asked_for
    ]
    broken: list[Violation] = []
    seen: set[UUID] = set()
    for slot in slots:
        session = sessions.get(slot.session)
        if session is None or slot.session in seen or not _is_of_a_day(slot):
            code = "session_unknown" if session is None else "session_twice" if slot.session in seen else "wrong_shape"
            broken.append(Violation(code, slot.session, slot.on))
            continue
        seen.add(slot.session)
        others = (other for other in (*staying, *slots) if other.session != slot.session and other.on == slot.on)
        same_day = [other for other in others if _is_of_a_day(other) and _has_places(other)]
        window = window_of(session, course, dates)
        taken = with_taken(roster, same_day)
        asked = SlotInCourse(session, slot.on, window, course, slot, taken, resources, dates, today)
        broken.extend(violation for rule in RULES for violation in rule(asked))
    return broken


def keeps_from_beginning(session: SessionFacts, on: date, course: CourseFacts, today: date) -> list[GateAnswer]:
    """Return what keeps a session from beginning on a date: its distance from those before it, then the gates.

    What was lawful when it was booked need not be by now: the session before it may have been performed later.
    """
    answers = _answers(session, on, course, today, window_of(session, course))
    return [answer for answer in answers if refuses(answer, Moment.CHECK_IN)]


def known_ahead(session: SessionFacts, on: date, course: CourseFacts, today: date) -> list[GateAnswer]:
    """Return what is known ahead of a session on a date: spacing that is closed, then every gate that is not open.

    Its distance is counted from what has happened only. A visit before it that still stands may yet move.
    """
    return _answers(session, on, course, today, settled_window_of(session, course))


def _answers(session: SessionFacts, on: date, course: CourseFacts, today: date, window: Window) -> list[GateAnswer]:
    asked = SessionOnDate(session, on, window, course)
    spacing = [
        GateAnswer(broken.code, GateState.CLOSED, opens_on=broken.opens_on, override=broken.override)
        for rule in SPACING_RULES
        for broken in rule(asked)
    ]
    return spacing + gate_answers(session, on, course, today)


def _is_of_a_day(slot: Slot) -> bool:
    used = [tick for use in slot.uses for tick in (use.from_tick, use.until_tick)]
    first, last = min([slot.tick, *used]), max([slot.tick + slot.minutes, *used])
    return slot.tick >= 0 and slot.minutes >= 0 and first > -LONGEST_DAY and last <= LONGEST_DAY


def _has_places(slot: Slot) -> bool:
    return all(0 <= use.place < MOST_PLACES for use in slot.uses)


def follows(on: date, before: SessionFacts, before_on: date) -> bool:
    """Whether a date may follow the date of an earlier session: later, or the same day as an assessment."""
    return on > before_on or (on == before_on and before.step.kind is StepKind.ASSESSMENT)


def may_be_early(session: SessionFacts, on: date, course: CourseFacts) -> bool:
    """Whether a prescriber has allowed the session below its minimum on that date."""
    return is_overridden("before_minimum", "", PRESCRIBER, session, on, course)


def _broken(
    asked: SessionOnDate, code: str, subject: str = "", *, opens_on: date | None = None, override: str = ""
) -> Violation:
    return Violation(code, asked.session.id, asked.on, subject, opens_on, override)
