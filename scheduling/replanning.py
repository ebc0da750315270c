"""What must move when something happened: examine a course, propose the least change, apply or discard it.

The only writer of proposals. Appointments still inside their windows stay; moves are a proposal that a person applies.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.errors import Conflict, Problem, Refusal
from clinic.models import User

from . import booking, outbox, roster, wording
from .models import Appointment, Course, CourseState, Move, Proposal, Session
from .models.proposals import ProposalState
from .planner import explain, facts, search
from .planner.rules import violations
from .planner.shapes import with_taken

log = logging.getLogger("scheduling.replanning")

NOT_LOOKED_AT = Q(progress=0, course__isnull=False)
MAY_WAIT_UNTIL_APPLIED = ("resource_place_is_taken_once_at_a_time", "patient_is_in_one_place_at_a_time")


class ProposalOvertaken(Conflict):
    """Something in the proposal has changed since it was made."""

    code = "proposal_overtaken"
    title = "This proposal is out of date."


def examine(
    course: Course,
    as_it_stands: facts.CourseFacts | None = None,
    *,
    reason: str,
    by: User | None,
    now: datetime,
    plan_unbooked: bool = False,
) -> Proposal | None:
    """Look at the rest of a course after something happened; return a proposal if booked visits should move.

    Part of an act that holds the course's lock, and hands on the facts of the course as it leaves it, if it has them.
    An older open proposal for the course is overtaken by this look. A course on hold, or over, is left alone: lifting
    the hold looks again. With `plan_unbooked` the proposal also gives times to sessions that have none, as after a hold
    whose visits were freed.
    """
    withdraw(course, by=by, now=now)
    course.refresh_from_db(fields=["state"])
    as_it_stands = as_it_stands or roster.course_facts(course)
    unbooked = plan_unbooked and any(booking.is_to_plan(session) for session in as_it_stands.sessions)
    if course.state != CourseState.OPEN or as_it_stands.holds or not (_booked(as_it_stands) or unbooked):
        return None
    on = roster.today(course.site, now)
    booked_on = [slot.on for slot in _booked(as_it_stands)]
    if _may_stay(course, as_it_stands, on=on, now=now):
        return None
    horizon_on = on + timedelta(days=course.site.booking_horizon_days)
    times = roster.load(course, min([on, *booked_on]), max([horizon_on, *booked_on]), now=now)
    try:
        repair = search.repair(as_it_stands, times, booking.WEIGHTS, today=on)
    except explain.Unplannable as stuck:
        return _propose_nothing(course, as_it_stands, times, stuck, reason=reason, on=on, by=by, now=now)
    if not repair.moves or (not unbooked and all(move.old is None for move in repair.moves)):
        return None
    proposal = _open(course, reason=reason, cost=repair.plan.cost.total, by=by, now=now)
    broken = violations(_booked(as_it_stands), as_it_stands, times, on)
    _write_moves(proposal, course, repair.moves, _why(broken, times), repair.plan)
    return proposal


def withdraw(course: Course, *, by: User | None, now: datetime) -> None:
    """Let a course's open proposal be overtaken: what it proposes is not asked any more. The caller holds the lock."""
    Proposal.objects.filter(course=course, state=ProposalState.OPEN).update(
        state=ProposalState.STALE, decided_at=now, decided_by=by
    )


def examine_touched(visits: QuerySet[Appointment], *, reason: str, by: User | None, now: datetime) -> list[Proposal]:
    """Look at every course that has one of these visits, each in a transaction of its own, by patient and course.

    A course that cannot be looked at (somebody else is changing it) does not keep the others waiting: it is left to
    `look_again`. Courses are looked at one after the other, so two proposals may want the same time: the later to be
    applied is refused and looked at again.
    """
    touched = Course.objects.open().filter(sessions__appointments__in=visits).distinct().order_by("patient_id", "pk")
    found, left = [], []
    for course in touched:
        try:
            found.append(_examine_alone(course, reason=reason, by=by, now=now))
        except Refusal as refusal:
            log.warning("course %s could not be examined: %s", course.uid, refusal)
            left.append(course)
    for course in left:
        try:
            _leave_for_later(course, reason=reason, by=by, now=now)
        except Refusal as refusal:
            log.error("course %s is to be examined by hand: %s", course.uid, refusal)  # noqa: TRY400 (codes say it all)
    return [proposal for proposal in found if proposal is not None]


def look_again(now: datetime) -> int:
    """Look at the courses that could not be looked at when something happened, and say how many of them now were."""
    looked_at = 0
    for left in Proposal.objects.open().filter(NOT_LOOKED_AT).select_related("course", "made_by").order_by("pk"):
        course = left.course
        assert course is not None  # noqa: S101  (NOT_LOOKED_AT)
        try:
            _examine_alone(course, reason=left.reason, by=left.made_by, now=now)
        except Refusal as refusal:
            log.warning("course %s could not be examined: %s", course.uid, refusal)
        else:
            looked_at += 1
    return looked_at


@act
def _leave_for_later(course: Course, *, reason: str, by: User | None, now: datetime) -> None:
    """Write down that a course is still to be looked at: an open proposal that nobody has worked on.

    Not under the course's lock, which was not to be had. The next look that succeeds overtakes it, as any proposal.
    """
    withdraw(course, by=by, now=now)
    _open(course, reason=reason, cost=0, by=by, now=now, progress=0)


@act
def _examine_alone(course: Course, *, reason: str, by: User | None, now: datetime) -> Proposal | None:
    return examine(roster.lock(course, now=now), reason=reason, by=by, now=now)


@act
def apply(
    proposal: Proposal, *, by: User | None, now: datetime, sessions: Collection[UUID] | None = None
) -> list[Appointment]:
    """Carry out a proposal's moves, all or those of the chosen sessions, in one transaction.

    Raise ProposalOvertaken when a visit was moved meanwhile, or NotBookable with what is wrong with the new times:
    then nothing is moved. Visits may swap places: the exclusion constraints wait until every row is written. A course
    of which only some moves were carried out is examined again: the others may stand in the way of these.
    """
    rights.require(by, proposal.site, *rights.FRONT_DESK)
    moves = [move for move in _moves_of(proposal) if sessions is None or move.session.uid in sessions]
    per_course = _by_course(moves)
    slots = {
        course: booking.slots_from([move.to_slot for move in moves], course) for course, moves in per_course.items()
    }
    for course in sorted(per_course, key=lambda course: (course.patient_id, course.pk)):
        roster.lock(course, now=now)
    resources = booking.resources_of(slot for chosen in slots.values() for slot in chosen)
    roster.lock_resources(resources)
    proposal = Proposal.objects.select_for_update().get(pk=proposal.pk)
    if problems := _overtaken(proposal, moves):
        raise ProposalOvertaken(*problems)
    booking.release_expired_reservations(now=now, resources=resources)
    stand = roster.courses_facts(list(slots))
    after = {course: booking.with_booked(stand[course.pk], chosen) for course, chosen in slots.items()}
    if problems := _whats_wrong(slots, stand, after, now=now):
        raise booking.NotBookable(*problems)
    moved = _move_all(per_course, slots, after, proposal, by=by, now=now)
    Move.objects.filter(pk__in=[move.pk for move in moves]).update(applied_at=now)
    left = set(proposal.moves.filter(applied_at=None).values_list("session__course", flat=True))
    Proposal.objects.filter(pk=proposal.pk).update(
        state=ProposalState.PARTLY if left else ProposalState.APPLIED, decided_at=now, decided_by=by
    )
    for course in per_course:
        if course.pk in left:
            examine(course, after[course], reason=proposal.reason, by=by, now=now)
    return moved


@act
def discard(proposal: Proposal, *, by: User | None, now: datetime) -> Proposal:
    """Leave everything where it is, and say who decided so."""
    rights.require(by, proposal.site, *rights.FRONT_DESK)
    if (
        not Proposal.objects.open()
        .filter(pk=proposal.pk)
        .update(state=ProposalState.DISCARDED, decided_at=now, decided_by=by)
    ):
        raise ProposalOvertaken(_no_longer_open(proposal))
    proposal.refresh_from_db()
    return proposal


def _move_all(
    per_course: Mapping[Course, Sequence[Move]],
    slots: Mapping[Course, Sequence[facts.Slot]],
    after: Mapping[Course, facts.CourseFacts],
    proposal: Proposal,
    *,
    by: User | None,
    now: datetime,
) -> list[Appointment]:
    moved: list[Appointment] = []
    with connection.cursor() as cursor:
        cursor.execute(f"SET CONSTRAINTS {', '.join(MAY_WAIT_UNTIL_APPLIED)} DEFERRED")
    for course, moves in per_course.items():
        told = []
        for move, slot in zip(moves, slots[course], strict=True):
            if move.appointment is None:
                continue
            before = booking.when_as_data(move.appointment)
            appointment = booking.replace_time(move.appointment, slot, reason=proposal.reason, by=by, now=now)
            told.append((appointment, before))
        new = [slot for move, slot in zip(moves, slots[course], strict=True) if move.appointment is None]
        booked = booking.place(course, new, by=by, now=now) if new else []
        booking.refresh_windows(course, after[course])
        if told:
            outbox.announce_moves(course, told, now=now)
        if booked:
            outbox.confirm(booked, now=now)
        moved += [appointment for appointment, _before in told] + booked
    with connection.cursor() as cursor:
        # A clash must surface here, where it can be answered, and not at the commit.
        cursor.execute(f"SET CONSTRAINTS {', '.join(MAY_WAIT_UNTIL_APPLIED)} IMMEDIATE")
    return moved


def _whats_wrong(
    slots: Mapping[Course, Sequence[facts.Slot]],
    stand: Mapping[int, facts.CourseFacts],
    after: Mapping[Course, facts.CourseFacts],
    *,
    now: datetime,
) -> list[Problem]:
    """Ask the rules about every course's new times, as if those of the other courses were taken already."""
    problems: list[Problem] = []
    for course, chosen in slots.items():
        on = roster.today(course.site, now)
        horizon_on = on + timedelta(days=course.site.booking_horizon_days)
        dates = [min(max(slot.on, on), horizon_on) for slot in chosen]
        times = roster.load_to_check(
            course, chosen, min(dates), max(dates), now=now, moving=[other for other in slots if other != course]
        )
        others = [slot for other in slots if other != course for slot in _booked(after[other])]
        times = _with_others_taken(times, others)
        broken = violations(chosen, stand[course.pk], times, on)
        problems += wording.problems(broken, booking.names_in(times))
    return problems


def _with_others_taken(times: facts.Roster, others: Iterable[facts.Slot]) -> facts.Roster:
    """Their resources are taken; their patients are other people."""
    return facts.Roster(
        **{
            name: getattr(times if name == "patient_busy" else with_taken(times, others), name)
            for name in facts.Roster.__slots__
        }
    )


def _may_stay(course: Course, as_it_stands: facts.CourseFacts, *, on: date, now: datetime) -> bool:
    """Whether every visit to come breaks no rule where it is, and no session waits that could push one out.

    The common case, and cheap: a look at the days of the visits instead of a search through a year.
    """
    if any(booking.is_to_plan(session) for session in as_it_stands.sessions):
        return False
    booked = _booked(as_it_stands)
    times = roster.load(course, min(slot.on for slot in booked), max(slot.on for slot in booked), now=now)
    to_come = {slot.session for slot in booked if times.days[slot.on].instant(slot.tick) >= now}
    return not any(violation.session in to_come for violation in violations(booked, as_it_stands, times, on))


def _booked(course: facts.CourseFacts) -> list[facts.Slot]:
    return [
        session.booked
        for session in course.sessions
        if session.booked is not None and session.state is facts.SessionState.OPEN
    ]


def _open(course: Course, *, reason: str, cost: int, by: User | None, now: datetime, progress: int = 100) -> Proposal:
    return Proposal.objects.create(
        site=course.site,
        course=course,
        reason=reason,
        cost=cost,
        bound=cost,
        progress=progress,
        made_at=now,
        made_by=by,
    )


def _propose_nothing(
    course: Course,
    as_it_stands: facts.CourseFacts,
    times: facts.Roster,
    stuck: explain.Unplannable,
    *,
    reason: str,
    on: date,
    by: User | None,
    now: datetime,
) -> Proposal | None:
    """Name the visits that cannot stay and have nowhere to go, with the reasons; nothing when all may stay."""
    broken = violations(_booked(as_it_stands), as_it_stands, times, on)
    if not broken:
        return None
    why = _why(broken, times)
    for problem in wording.no_plan(stuck, course.site):
        why.setdefault(UUID(problem.where), []).append(problem.as_dict())
    proposal = _open(course, reason=reason, cost=0, by=by, now=now)
    rows = _rows(course, {violation.session for violation in broken})
    Move.objects.bulk_create(
        [
            Move(
                proposal=proposal,
                session=session,
                appointment=appointment,
                appointment_revision=appointment.revision,
                from_slot=booking.when_as_data(appointment),
                why=why.get(session.uid, []),
            )
            for session, appointment in rows.values()
            if appointment is not None
        ]
    )
    return proposal


def _why(broken: Sequence[facts.Violation], times: facts.Roster) -> dict[UUID, list[dict[str, Any]]]:
    why: dict[UUID, list[dict[str, Any]]] = {}
    for violation, problem in zip(broken, wording.problems(broken, booking.names_in(times, broken)), strict=True):
        why.setdefault(violation.session, []).append(problem.as_dict())
    return why


def _write_moves(
    proposal: Proposal,
    course: Course,
    moves: Sequence[facts.Move],
    why: Mapping[UUID, list[dict[str, Any]]],
    plan: facts.Plan,
) -> None:
    rows = _rows(course, {move.session for move in moves})
    costs = {planned.slot.session: planned.cost.total for planned in plan.sessions}
    written = []
    for move in moves:
        session, appointment = rows[move.session]
        written.append(
            Move(
                proposal=proposal,
                session=session,
                appointment=appointment,
                appointment_revision=appointment.revision if appointment else None,
                from_slot=booking.when_as_data(appointment) if appointment else None,
                to_slot=booking.slot_as_data(move.new, course.site),
                why=why.get(move.session, []),
                cost=costs.get(move.session, 0),
            )
        )
    Move.objects.bulk_create(written)


def _rows(course: Course, uids: Collection[UUID]) -> dict[UUID, tuple[Session, Appointment | None]]:
    live = {
        appointment.session_id: appointment
        for appointment in Appointment.objects.live().filter(session__course=course).select_related("lead")
    }
    return {session.uid: (session, live.get(session.pk)) for session in course.sessions.filter(uid__in=uids)}


def _moves_of(proposal: Proposal) -> list[Move]:
    return list(
        proposal.moves.exclude(to_slot=None)
        .filter(applied_at=None)
        .select_related(
            "session__course__site",
            "session__course__patient",
            "session__course__version__protocol",
            "session__course__lead",
            "session__course__wish_practitioner",
            "appointment__session__course",
            "appointment__site",
            "appointment__lead",
        )
        .order_by("session__course_id", "session__position")
    )


def _by_course(moves: Sequence[Move]) -> dict[Course, list[Move]]:
    grouped: dict[Course, list[Move]] = {}
    for move in moves:
        grouped.setdefault(move.session.course, []).append(move)
    return grouped


def _overtaken(proposal: Proposal, moves: Sequence[Move]) -> list[Problem]:
    if proposal.state != ProposalState.OPEN:
        return [_no_longer_open(proposal)]
    if not moves:
        return [Problem("nothing_to_apply", _("None of the chosen sessions has a new time in this proposal."))]
    live = dict(
        Appointment.objects.live()
        .filter(session__in=[move.session for move in moves])
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


def _no_longer_open(proposal: Proposal) -> Problem:
    proposal.refresh_from_db()
    return Problem(
        f"proposal_is_{proposal.state}",
        _("This proposal is %(state)s already.") % {"state": ProposalState(proposal.state).label},
        str(proposal.uid),
    )
