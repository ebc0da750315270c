"""Carry out a proposal's moves in one transaction, asked again under the locks; or leave everything where it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.errors import Conflict, Problem, RuleBroken
from clinic.models import User
from scheduling import booking, outbox, roster, wording
from scheduling.models import Appointment, Course, Move, Proposal, Session
from scheduling.models.proposals import UNDECIDED, ProposalState, stands
from scheduling.planner import facts
from scheduling.planner.rules import violations

from .examining import examine
from .judging import Bench, Chosen, changed_since, chosen, left_in, without_a_time
from .rows import booked_in, no_longer_open, planned_in

MAY_WAIT_UNTIL_APPLIED = ("resource_place_is_taken_once_at_a_time", "patient_is_in_one_place_at_a_time")


class ProposalOvertaken(Conflict):
    """Something in the proposal has changed since it was made."""

    code = "proposal_overtaken"
    title = "This proposal is out of date."


class NotInProposal(RuleBroken):
    """A session was chosen for which the proposal has no new time, and never will."""

    code = "not_in_proposal"
    title = "Something was chosen that this proposal does not move."


@act
def apply(
    proposal: Proposal, *, by: User | None, now: datetime, sessions: Collection[UUID] | None = None
) -> list[Appointment]:
    """Carry out a proposal's moves, all or those of the chosen sessions, in one transaction.

    Raise NotInProposal for chosen sessions that it gives no time to, ProposalOvertaken when visits were moved meanwhile
    (naming what else is wrong with the others too), or NotBookable with what is wrong with the new times: then nothing
    is moved. Visits may swap places: the exclusion
    constraints wait until every row is written. A proposal for a site stays open while something of it is left; of one
    for a course, what was left out is examined again: it may stand in the way of what was carried out. So is, of
    both, a visit that found no time; and a course that a proposal for a site moves though one of its own is open.
    """
    rights.require(by, proposal.site, *rights.FRONT_DESK)
    those = _chosen_in(proposal, sessions)
    roster.lock_courses(those.courses, now=now)
    roster.lock_resources(those.resources)
    proposal = Proposal.objects.select_for_update().get(pk=proposal.pk)
    if proposal.state != ProposalState.OPEN:
        raise ProposalOvertaken(no_longer_open(proposal))
    _refuse_what_is_not_in_it(proposal, sessions or ())
    those = _chosen_in(proposal, sessions)  # less what others have carried out before we had the locks
    if not those.courses:
        raise ProposalOvertaken(
            Problem(
                "nothing_to_apply", _("Nothing chosen is left to be carried out. Choose at least one visit that is.")
            )
        )
    leaving = [move.appointment for moves in those.moves.values() for move in moves if move.appointment is not None]
    booking.make_room(list(those.slots.values()), proposal.site, now=now, leaving=leaving)
    named = without_a_time(proposal)
    bench = Bench(those, named, now=now)
    _refuse_what_is_not_right_any_more(those, bench, proposal)
    moved = _move_all(those, bench, proposal, by=by, now=now)
    _ask_again_of_patients_with_several_courses(those, bench)
    Move.objects.filter(pk__in=[move.pk for moves in those.moves.values() for move in moves]).update(applied_at=now)
    if proposal.course_id is None:
        _examine_what_is_left_behind(those, named, reason=proposal.reason, by=by, now=now)
        _close_when_nothing_is_left(proposal, by=by, now=now)
        return moved
    left = proposal.moves.filter(applied_at=None).exists()
    Proposal.objects.filter(pk=proposal.pk).update(
        state=ProposalState.PARTLY if left else ProposalState.APPLIED, decided_at=now, decided_by=by
    )
    if left:
        unbooked = planned_in([proposal])
        for course in those.courses:
            after = bench.after(course, those.slots)
            examine(course, after, reason=proposal.reason, by=by, now=now, plan_unbooked=unbooked)
    return moved


@act
def discard(proposal: Proposal, *, by: User | None, now: datetime) -> Proposal:
    """Leave everything (that is not carried out yet) where it is, and say who decided so; a job that works it out ends.

    Raises ProposalOvertaken when it is decided already.
    """
    rights.require(by, proposal.site, *rights.FRONT_DESK)
    proposal = Proposal.objects.select_for_update().get(pk=proposal.pk)
    if proposal.state not in UNDECIDED:
        raise ProposalOvertaken(no_longer_open(proposal))
    is_begun = proposal.moves.exclude(applied_at=None).exists()
    proposal.state = ProposalState.PARTLY if is_begun else ProposalState.DISCARDED
    proposal.decided_at, proposal.decided_by, proposal.worker, proposal.lease_until = now, by, None, None
    proposal.save(update_fields=["state", "decided_at", "decided_by", "worker", "lease_until"])
    return proposal


def _refuse_what_is_not_in_it(proposal: Proposal, sessions: Collection[UUID]) -> None:
    moves = proposal.moves.annotate(has_nowhere_to_go=Q(to_slot__isnull=True))
    is_stuck = dict(moves.values_list("session__uid", "has_nowhere_to_go")) if sessions else {}
    strange = _("This session is not in the proposal. Load the proposal again, and choose among its visits.")
    stuck = _("No new time was found for this visit. Leave it out, and call the patient.")
    problems = [
        Problem("session_not_in_proposal", strange, str(session))
        if session not in is_stuck
        else Problem("session_without_new_time", stuck, str(session))
        for session in sessions
        if is_stuck.get(session, True)
    ]
    if problems:
        raise NotInProposal(*problems)


def _chosen_in(proposal: Proposal, sessions: Collection[UUID] | None) -> Chosen:
    return chosen(move for move in left_in(proposal) if sessions is None or move.session.uid in sessions)


def _refuse_what_is_not_right_any_more(those: Chosen, bench: Bench, proposal: Proposal) -> None:
    overtaken = changed_since([move for moves in those.moves.values() for move in moves])
    changed = {UUID(problem.where) for problem in overtaken}
    as_proposed = [moves for moves in those.moves.values() if not any(move.session.uid in changed for move in moves)]
    wrong = bench.problems({move.session.uid for moves in as_proposed for move in moves})
    if proposal.course_id is not None:  # what is left behind is examined again
        wrong = [problem for problem in wrong if UUID(problem.where) in those.slots]
    if overtaken:
        raise ProposalOvertaken(*overtaken, *wrong)
    if wrong:
        raise booking.NotBookable(*wrong)


def _move_all(those: Chosen, bench: Bench, proposal: Proposal, *, by: User | None, now: datetime) -> list[Appointment]:
    moved: list[Appointment] = []
    with connection.cursor() as cursor:
        cursor.execute(f"SET CONSTRAINTS {', '.join(MAY_WAIT_UNTIL_APPLIED)} DEFERRED")
    for course, moves in those.moves.items():
        moved += _move_course(course, moves, those, bench, reason=proposal.reason, by=by, now=now)
    with connection.cursor() as cursor:
        # A clash must surface here, where it can be answered, and not at the commit.
        cursor.execute(f"SET CONSTRAINTS {', '.join(MAY_WAIT_UNTIL_APPLIED)} IMMEDIATE")
    return moved


def _move_course(
    course: Course,
    moves: Collection[Move],
    those: Chosen,
    bench: Bench,
    *,
    reason: str,
    by: User | None,
    now: datetime,
) -> list[Appointment]:
    told, new = [], []
    for move in moves:
        slot = those.slots[move.session.uid]
        if move.appointment is None:
            new.append(slot)
            continue
        before = booking.when_as_data(move.appointment)
        appointment = booking.replace_time(move.appointment, slot, reason=reason, by=by, now=now)
        told.append((appointment, before))
    booked = booking.place(course, new, by=by, now=now) if new else []
    booking.refresh_windows(course, bench.after(course, those.slots))
    if told:
        outbox.announce_moves(course, told, now=now)
    if booked:
        outbox.confirm(booked, now=now)
    return [appointment for appointment, _before in told] + booked


def _ask_again_of_patients_with_several_courses(those: Chosen, bench: Bench) -> None:
    """Refuse what only shows once it is written: treatments of one patient, in two courses, too near to each other."""
    how_many = Counter(course.patient_id for course in those.courses)
    several = [course for course in those.courses if how_many[course.patient_id] > 1]
    if not several:
        return
    broken: list[facts.Violation] = []
    for course in several:
        now_booked = roster.course_facts(course)
        moved = [slot for slot in booked_in(now_booked) if slot.session in those.slots]
        broken += [one for one in violations(moved, now_booked, bench.times, bench.today) if one.code in TOO_NEAR]
    if broken:
        raise booking.NotBookable(*wording.problems(broken, roster.subjects()))


TOO_NEAR = frozenset({"too_near_other_treatment", "yearly_limit_reached", "review_due"})  # look at other courses


def _examine_what_is_left_behind(
    those: Chosen, named: Collection[UUID], *, reason: str, by: User | None, now: datetime
) -> None:
    """Look again at the courses with a visit that finds no time, and at those with a proposal of their own.

    Such a visit may stand worse now; and such a proposal, made since, is about visits that are elsewhere now.
    """
    without = Session.objects.filter(course__in=those.courses, uid__in=named).values_list("course", flat=True)
    own = Proposal.objects.filter(course__in=those.courses, state=ProposalState.OPEN)
    again = {*without, *own.values_list("course", flat=True)}
    for course in those.courses:
        if course.pk in again:
            examine(course, reason=reason, by=by, now=now)


def _close_when_nothing_is_left(proposal: Proposal, *, by: User | None, now: datetime) -> None:
    if not proposal.moves.filter(stands()).exists():
        is_whole = not proposal.moves.filter(applied_at=None).exists()
        Proposal.objects.filter(pk=proposal.pk).update(
            state=ProposalState.APPLIED if is_whole else ProposalState.PARTLY, decided_at=now, decided_by=by
        )
