"""Whether moves may still be carried out, asked for all their courses at once: a constant number of statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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

Place = tuple[date, UUID | int, int]  # a date, and a place of a resource (by uid) or a patient (by primary key)


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


def without_a_time(proposal: Proposal) -> frozenset[UUID]:
    """Return the sessions that a proposal names as finding no time."""
    return frozenset(proposal.moves.filter(to_slot__isnull=True).values_list("session__uid", flat=True))


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


class Diary:
    """Where the visits of courses are, to be found by those who would meet them, so that not all are looked at."""

    def __init__(self) -> None:
        self._at: dict[Place, dict[tuple[UUID, int], tuple[Course, facts.Slot, int]]] = defaultdict(dict)

    def write(self, course: Course, slots: Iterable[facts.Slot]) -> None:
        for slot in slots:
            for place, first, until in _times_in(course, slot):
                self._at[place][slot.session, first] = (course, slot, until)

    def strike(self, course: Course, slots: Iterable[facts.Slot]) -> None:
        for slot in slots:
            for place, first, _until in _times_in(course, slot):
                del self._at[place][slot.session, first]

    def met(self, course: Course, slots: Iterable[facts.Slot]) -> list[tuple[Course, facts.Slot]]:
        """Return the visits of other courses that are where, or with whom, these of a course are at the same time."""
        found: dict[UUID, tuple[Course, facts.Slot]] = {}
        for slot in slots:
            for place, first, until in _times_in(course, slot):
                for (session, begins), (other, visit, ends) in self._at[place].items():
                    if begins < until and first < ends and other != course:
                        found[session] = (other, visit)
        return list(found.values())


def _times_in(course: Course, slot: facts.Slot) -> Iterator[tuple[Place, int, int]]:
    """Return each place that a visit takes, and its patient, with the ticks between which."""
    for use in slot.uses:
        yield (slot.on, use.resource, use.place), use.from_tick, use.until_tick
    yield (slot.on, course.patient_id, 0), slot.tick, slot.tick + slot.minutes


class Bench:
    """Courses as they stand and the time of their site, read once: the moves of some or all of them are judged by it.

    Each course is asked as if the others' visits were where the moves put them, or stood where they stand. Visits that
    are named already as finding no time keep no others from theirs.
    """

    def __init__(self, moves: Chosen, named: frozenset[UUID], *, now: datetime) -> None:
        self.moves, self.named = moves, named
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
        return self.asked(self.moves.courses, carried_out, self.diary(carried_out))

    def diary(self, carried_out: Collection[UUID]) -> Diary:
        """Return where all visits are when the moves of these sessions are carried out."""
        diary = Diary()
        for course in self.moves.courses:
            diary.write(course, booked_in(self.after(course, carried_out)))
        return diary

    def asked(self, courses: Iterable[Course], carried_out: Collection[UUID], diary: Diary) -> list[Problem]:
        """Return what `problems` says of some courses, when the visits of all are where a diary has them."""
        broken: list[facts.Violation] = []
        for course in courses:
            slots = [slot for slot in self.moves.slots_of(course) if slot.session in carried_out]
            if slots:
                times = beside(self.times, course, diary.met(course, slots), self.patients_busy[course.uid])
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
        stay = [slot for slot in booked_in(stand) if slot.session not in moved | self.named]
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
    The moves of a course belong together: when one is not possible any more, none of the course's are offered. Who was
    to have a time that such a course was to leave is asked again, for it stays taken: each course as often as one that
    it meets falls out, so the work grows with the courses. What becomes wrong with a visit that stays stands against
    the first move of its course.
    """
    moves = left_in(proposal)
    problems: dict[UUID, list[Problem]] = defaultdict(list)
    for problem in changed_since(moves):
        problems[UUID(problem.where)].append(problem)
    if not moves:
        return Judged(frozenset(), {})
    those = chosen(moves)
    bench = Bench(those, without_a_time(proposal), now=now)
    wanted = {
        course: [slot.session for slot in those.slots_of(course) if among is None or slot.session in among]
        for course in those.courses
        if not any(slot.session in problems for slot in those.slots_of(course))
    }
    good = {session for sessions in wanted.values() for session in sessions}
    course_of = {session.id: course for course in wanted for session in bench.stand[course.pk].sessions}
    diary, asked = bench.diary(good), list(wanted)
    while asked and (found := bench.asked(asked, good, diary)):
        fallen: dict[Course, None] = {}
        for problem in found:
            course, session = course_of[UUID(problem.where)], UUID(problem.where)
            problems[session if session in those.slots else wanted[course][0]].append(problem)
            fallen[course] = None
        asked = []
        for course in fallen:
            stays = booked_in(bench.stand[course.pk])
            diary.strike(course, booked_in(bench.after(course, good)))
            diary.write(course, stays)
            good.difference_update(wanted.pop(course))
            asked += [other for other, _slot in diary.met(course, stays)]
        asked = [course for course in dict.fromkeys(asked) if course in wanted]
    return Judged(frozenset(good), dict(problems))
