"""Whether moves may still be carried out, asked for all their courses at once: a constant number of statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from uuid import UUID

from django.utils.translation import gettext as _

from clinic.errors import Problem
from scheduling import booking, roster, wording
from scheduling.models import Appointment, Course, Move, Proposal
from scheduling.planner import facts
from scheduling.planner.rules import violations
from scheduling.planner.shapes import patient_span, with_taken

from .rows import booked_in


@dataclass(frozen=True)
class Chosen:
    """Moves with the slots they lead to, by course; each course has what facts are made of at hand."""

    moves: Mapping[Course, Sequence[Move]]
    slots: Mapping[UUID, facts.Slot]  # by session

    @property
    def courses(self) -> list[Course]:
        return list(self.moves)

    @property
    def resources(self) -> set[UUID]:
        return booking.resources_of(self.slots.values())

    def slots_of(self, course: Course) -> list[facts.Slot]:
        return [self.slots[move.session.uid] for move in self.moves[course]]


def chosen(moves: Iterable[Move]) -> Chosen:
    """Read the slots of moves, by patient and course."""
    grouped: dict[int, list[Move]] = defaultdict(list)
    for move in moves:
        grouped[move.session.course_id].append(move)
    rows = Course.objects.for_facts().filter(pk__in=grouped).prefetch_related("sessions")
    by_course = {course: grouped[course.pk] for course in rows.order_by("patient_id", "pk")}
    slots = [
        slot
        for course, those in by_course.items()
        for slot in booking.slots_from([move.to_slot for move in those], course)
    ]
    return Chosen(by_course, {slot.session: slot for slot in slots})


def left_in(proposal: Proposal) -> list[Move]:
    """Return the moves that have a new time and are not carried out, with all that carrying them out asks."""
    return list(
        proposal.moves.filter(to_slot__isnull=False, applied_at=None)
        .select_related("session__course", "appointment__session__course", "appointment__site", "appointment__lead")
        .order_by("session__course__patient_id", "session__course_id", "session__position")
    )


def changed_since(moves: Collection[Move]) -> list[Problem]:
    """Return which visits are not any more what they were when their moves were proposed, in one statement."""
    live = dict(
        Appointment.objects.live()
        .filter(session__in=[move.session_id for move in moves])
        .values_list("session", "revision")
    )
    return [
        Problem(
            "visit_changed_since",
            _("This visit has changed since the proposal was made. Look at the course again."),
            str(move.session.uid),
        )
        for move in moves
        if live.get(move.session_id) != move.appointment_revision
    ]


class Bench:
    """Courses as they stand and the time of their site, read once: the moves of some or all of them are judged by it.

    Each course is asked as if the others' visits were where the moves put them, or stood where they stand.
    """

    def __init__(self, moves: Chosen, *, now: datetime) -> None:
        self.moves = moves
        site = moves.courses[0].site
        self.today = roster.today(site, now)
        self.stand = roster.courses_facts(moves.courses)
        horizon_on = self.today + timedelta(days=site.booking_horizon_days)
        dates = [min(max(slot.on, self.today), horizon_on) for slot in moves.slots.values()]
        self.times = roster.load_together(
            moves.courses, site, min(dates), max(dates), now=now, check=list(moves.slots.values())
        )
        self.patients_busy = roster.patients_busy(moves.courses, self.times.days)

    def after(self, course: Course, carried_out: Collection[UUID]) -> facts.CourseFacts:
        """Return a course as it is when the moves of these sessions are carried out."""
        slots = [slot for slot in self.moves.slots_of(course) if slot.session in carried_out]
        return booking.with_booked(self.stand[course.pk], slots)

    def problems(self, carried_out: Collection[UUID]) -> list[Problem]:
        """Return every rule that carrying out the moves of these sessions, and no others, would break.

        Visits of a course that stay are asked too: what moves may leave them too near, or too far.
        """
        taken: dict[date, list[tuple[Course, facts.Slot]]] = defaultdict(list)
        for course in self.moves.courses:
            for slot in booked_in(self.after(course, carried_out)):
                taken[slot.on].append((course, slot))
        broken: list[facts.Violation] = []
        for course in self.moves.courses:
            slots = [slot for slot in self.moves.slots_of(course) if slot.session in carried_out]
            if slots:
                others = [one for on in {slot.on for slot in slots} for one in taken[on] if one[0] != course]
                times = beside(self.times, course, others, self.patients_busy[course.uid])
                broken += violations(slots, self.stand[course.pk], times, self.today)
                broken += self._left_behind(course, slots)
        if not broken:
            return []
        return wording.problems(broken, booking.names_in(self.times, broken) | self._subjects)

    @cached_property
    def _subjects(self) -> dict[str, str]:
        return roster.subjects()

    def _left_behind(self, course: Course, slots: Sequence[facts.Slot]) -> list[facts.Violation]:
        """Return what becomes wrong with the visits of a course that stay when these others of it move."""
        stand = self.stand[course.pk]
        moved = {slot.session for slot in slots}
        stay = [slot for slot in booked_in(stand) if slot.session not in moved]
        if not stay:
            return []
        was = {(one.code, one.session) for one in violations(stay, stand, self.times, self.today)}
        now = violations(stay, booking.with_booked(stand, slots), self.times, self.today)
        return [one for one in now if (one.code, one.session) not in was]


def beside(
    times: facts.Roster,
    course: Course,
    others: Sequence[tuple[Course, facts.Slot]],
    patient_busy: Mapping[date, int],
) -> facts.Roster:
    """Return the roster for one course when other courses' visits take their places, and its own patient's time."""
    busy = dict(patient_busy)
    for other, slot in others:
        if other.patient_id == course.patient_id:
            busy[slot.on] = busy.get(slot.on, 0) | patient_span(slot)
    return replace(with_taken(times, [slot for _other, slot in others]), patient_busy=busy)


@dataclass(frozen=True)
class Judged:
    """Which of a proposal's moves may be carried out together now, and what stands against each of the others."""

    good: frozenset[UUID]  # sessions
    problems: Mapping[UUID, Sequence[Problem]]


def judge(proposal: Proposal, *, now: datetime, among: Collection[UUID] | None = None) -> Judged:
    """Ask which parts of a proposal (`among` the moves of these sessions, all others staying) are still right.

    Nothing is locked, so applying asks again.
    The moves of a course belong together: when one is not possible any more, none of the course's are offered. What is
    left is asked again without them, for a time that a course was to leave stays taken.
    """
    moves = left_in(proposal)
    problems: dict[UUID, list[Problem]] = defaultdict(list)
    for problem in changed_since(moves):
        problems[UUID(problem.where)].append(problem)
    course_of = {move.session.uid: move.session.course_id for move in moves}
    bad = {course_of[session] for session in problems}
    good = {
        session for session, course in course_of.items() if course not in bad and (among is None or session in among)
    }
    bench = Bench(chosen(moves), now=now) if moves else None
    while bench and good and (found := bench.problems(good)):
        for problem in found:
            problems[UUID(problem.where)].append(problem)
        bad |= {course_of[UUID(problem.where)] for problem in found}
        good = {session for session in good if course_of[session] not in bad}
    return Judged(frozenset(good), dict(problems))
