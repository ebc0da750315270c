"""The rows of proposals: open one for a course, fill it with moves, let it be overtaken."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from clinic.errors import Problem
from clinic.models import Site, User
from scheduling import booking, wording
from scheduling.models import Appointment, Course, Move, Proposal, Session
from scheduling.models.proposals import ProposalState
from scheduling.planner import facts

Why = dict[UUID, list[dict[str, Any]]]  # by session: codes and sentences
Rows = Mapping[UUID, tuple[Session, Appointment | None]]  # by session: its row, and its live visit


@dataclass
class Found:
    """What is to be proposed for one course or for many."""

    moves: list[facts.Move] = field(default_factory=list)
    costs: dict[UUID, int] = field(default_factory=dict)  # by session
    stuck: set[UUID] = field(default_factory=set)  # sessions whose visit cannot stay and has nowhere to go
    why: Why = field(default_factory=dict)
    cost: int = 0
    bound: int = 0  # nothing costs less

    def add(self, moves: Iterable[facts.Move], plan: facts.Plan, why: Why) -> None:
        self.moves.extend(moves)
        self.costs |= {planned.slot.session: planned.cost.total for planned in plan.sessions}
        self._say(why)

    def add_stuck(self, why: Why, problems: Iterable[Problem]) -> None:
        """Note the visits of a course that cannot stay (all that `why` names), with the reasons why there is no time.

        A reason that lies with a session which is not among them stands with each of them; what would help, once.
        """
        self.stuck |= why.keys()
        self._say(why)
        for problem in problems:
            where, said = UUID(problem.where), problem.as_dict()
            for session in [where] if where in why else why:
                self.why.setdefault(session, []).append(said)
                said = {**said, "relaxations": []}

    def _say(self, why: Why) -> None:
        for session, said in why.items():
            self.why.setdefault(session, []).extend(said)


def propose(course: Course, found: Found, *, reason: str, by: User | None, now: datetime) -> Proposal:
    """Open a proposal for a course, with what was found."""
    proposal = Proposal.objects.create(
        site=course.site,
        course=course,
        reason=reason,
        cost=found.cost,
        bound=found.bound,
        made_at=now,
        made_by=by,
    )
    write_moves(proposal, found, rows_of([course]), course.site)
    return proposal


def withdraw(*courses: Course, by: User | None, now: datetime) -> set[UUID]:
    """Let the courses' open proposals be overtaken: what they propose is not asked any more.

    Return the sessions without a visit to which they gave a time.
    """
    open_ones = Proposal.objects.filter(course__in=courses, state=ProposalState.OPEN)
    planned = planned_in(open_ones)
    open_ones.update(state=ProposalState.STALE, decided_at=now, decided_by=by)
    return planned


def planned_in(proposals: Iterable[Proposal]) -> set[UUID]:
    """Return the sessions without a visit to which proposals give a time."""
    planned = Move.objects.filter(proposal__in=proposals, appointment=None, applied_at=None)
    return set(planned.values_list("session__uid", flat=True))


def rows_of(courses: Collection[Course]) -> Rows:
    """Return every session of the courses with its live visit, in two statements."""
    live = {
        appointment.session_id: appointment
        for appointment in Appointment.objects.live().filter(session__course__in=courses).select_related("lead")
    }
    sessions = Session.objects.filter(course__in=courses).order_by("course_id", "position")
    return {session.uid: (session, live.get(session.pk)) for session in sessions}


def write_moves(proposal: Proposal, found: Found, rows: Rows, site: Site) -> None:
    """Write the moves that were found, by course and position."""
    to = {move.session: move.new for move in found.moves}
    Move.objects.bulk_create(
        Move(
            proposal=proposal,
            session=session,
            appointment=appointment,
            appointment_revision=appointment.revision if appointment else None,
            from_slot=booking.when_as_data(appointment) if appointment else None,
            to_slot=booking.slot_as_data(to[uid], site) if uid in to else None,
            why=found.why.get(uid, []),
            cost=found.costs.get(uid, 0) if uid in to else 0,
        )
        for uid, (session, appointment) in rows.items()
        if uid in to or (uid in found.stuck and appointment is not None)
    )


def booked_in(course: facts.CourseFacts) -> list[facts.Slot]:
    """Return the live visits of the sessions left."""
    return [
        session.booked
        for session in course.sessions
        if session.booked is not None and session.state is facts.SessionState.OPEN
    ]


def to_plan(course: facts.CourseFacts, sessions: Collection[UUID]) -> set[UUID]:
    """Return which of these sessions of a course have no visit, and need one."""
    return {session.id for session in course.sessions if session.id in sessions and booking.is_to_plan(session)}


def in_words(broken: Sequence[facts.Violation], times: facts.Roster) -> Why:
    """Return what is wrong with each session's visit."""
    why: Why = {}
    for violation, problem in zip(broken, wording.problems(broken, booking.names_in(times, broken)), strict=True):
        why.setdefault(violation.session, []).append(problem.as_dict())
    return why


def no_longer_open(proposal: Proposal) -> Problem:
    proposal.refresh_from_db()
    sentences = {
        ProposalState.MAKING: _("This proposal is still being worked out. Wait, or stop that first."),
        ProposalState.FAILED: _("This proposal could not be worked out. Have it worked out again, or discard it."),
    }
    return Problem(
        f"proposal_is_{proposal.state}",
        sentences.get(ProposalState(proposal.state))
        or _("This proposal is %(state)s already.") % {"state": ProposalState(proposal.state).label},
        str(proposal.uid),
    )
