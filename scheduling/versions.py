"""A running course and another version of its protocol: what would change, and the move."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID, uuid5

from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.errors import Conflict, Problem, RuleBroken
from clinic.models import User

from . import booking, outbox, replanning, roster, visits
from .models import (
    Appointment,
    CancelReason,
    Course,
    CourseState,
    Message,
    Proposal,
    ProtocolVersion,
    Session,
    SessionState,
    Step,
)
from .models.appointments import AskedBy
from .planner import facts
from .planner.evaluation import RESTARTED
from .planner.gates import gate_answers
from .planner.rules import violations
from .planner.windows import GONE, windows_of


class NotMovable(Conflict):
    """The course cannot follow that version."""

    code = "course_not_movable"
    title = "This course cannot be moved to that version."


class PreviewStale(Conflict):
    """What was looked at is not what would happen now."""

    code = "preview_stale"
    title = "The course has changed since you looked."


class Fate(StrEnum):
    KEPT = "kept"
    ADDED = "added"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class SessionDifference:
    """One session before and after; `session` is None for one that is to be added."""

    session: UUID | None
    position: int
    step: str
    name: str
    fate: Fate
    state: facts.SessionState
    old: facts.Window | None = None  # of open sessions only
    new: facts.Window | None = None
    asked_on: date | None = None  # the date for which the gates were asked
    closing: tuple[facts.GateAnswer, ...] = ()  # not open under the new version, and not so under the old
    opening: tuple[facts.GateAnswer, ...] = ()  # the other way round
    visit_on: date | None = None
    broken: tuple[facts.Violation, ...] = ()  # why its visit may not stay as it is; empty: it stays

    @property
    def is_different(self) -> bool:
        is_same = self.old == self.new and not (self.closing or self.opening or self.broken)
        return self.fate is not Fate.KEPT or not is_same


@dataclass(frozen=True, slots=True)
class MessageDifference:
    kind: str
    days: int
    position: int | None  # of its session
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Preview:
    """All that a move would change. `stamp` names exactly this: a move under another one is refused."""

    course: UUID
    version: UUID
    sessions: tuple[SessionDifference, ...]  # by the position they will have
    promised: tuple[MessageDifference, ...]
    withdrawn: tuple[MessageDifference, ...]
    stamp: str = ""

    @property
    def falling_out(self) -> tuple[SessionDifference, ...]:
        """Return the sessions whose visits cannot stay: moved by a proposal, or cancelled with a dropped session."""
        return tuple(one for one in self.sessions if one.broken or (one.visit_on and one.fate is Fate.DROPPED))


@dataclass(frozen=True, slots=True)
class _Change:
    """What the move does to the rows of sessions."""

    kept: Mapping[int, Step]  # open sessions by primary key, with their new steps
    dropped: tuple[Session, ...]
    added: tuple[Step, ...]  # in the order of the protocol, one for each session


def others(course: Course, now: datetime) -> list[ProtocolVersion]:
    """Return the versions to which a course may be moved today, newest first."""
    usable = ProtocolVersion.objects.usable_on(roster.today(course.site, now)).filter(
        protocol=course.version.protocol_id
    )
    return list(usable.exclude(pk=course.version_id).select_related("protocol").order_by("-number"))


def preview(course: Course, version: ProtocolVersion, *, now: datetime) -> Preview:
    """Return what moving the course to a version would change, session by session; raise NotMovable. Writes nothing."""
    if problems := _against_moving(course, version, now):
        raise NotMovable(*problems)
    rows = list(course.sessions.select_related("step").order_by("position"))
    change = _change(rows, course.version, version)
    old = roster.course_facts(course)
    moved = copy(course)
    moved.version = version
    areas = frozenset(course.areas.values_list("code", flat=True))
    new = _as_moved(roster.course_facts(moved), rows, change, areas)
    today = roster.today(course.site, now)
    broken = _broken(moved, new, today=today, now=now)
    windows = windows_of(old), windows_of(new)
    differences = [
        _difference(session, old, new, windows, broken.get(session.id, ()), today) for session in new.sessions
    ]
    promised, withdrawn = outbox.foreseen(course, version, without=change.dropped, now=now)
    positions = {row.pk: row.position for row in rows}
    found = Preview(
        course=course.uid,
        version=version.uid,
        sessions=tuple(differences),
        promised=_messages(promised, positions),
        withdrawn=_messages(withdrawn, positions),
    )
    return replace(found, stamp=hashlib.sha256(f"{course.revision} {found!r}".encode()).hexdigest()[:32])


@act
def move(
    course: Course, version: ProtocolVersion, *, stamp: str, reason: str, by: User | None, now: datetime
) -> tuple[Course, Proposal | None]:
    """Let a running course follow another version, as it was previewed; return it with a proposal for its visits.

    Open sessions follow by their step's key; what was performed keeps the step by which it was done. Visits of steps
    that the version does not have are cancelled; those that are lawful no longer become a proposal. Raise PreviewStale
    when anything would come out otherwise than it was shown under that stamp.
    """
    rights.require(by, course.site, *rights.PRESCRIBING, *rights.MANAGING)
    if not reason.strip():
        raise RuleBroken(Problem("reason_missing", _("Say why the course is moved."), "reason"))
    course = roster.lock(course, now=now)
    if preview(course, version, now=now).stamp != stamp:
        raise PreviewStale(
            Problem("preview_stale", _("The course has changed since. Look at the differences again."), "stamp")
        )
    reason = reason.strip()
    rows = list(course.sessions.select_related("course", "step").order_by("position"))
    change = _change(rows, course.version, version)
    freed = list(
        Appointment.objects.live().filter(session__in=change.dropped).select_related("session__course", "site")
    )
    dropped = [session.pk for session in change.dropped]
    booking.release_reservations_and_visits(dropped, visits_from=booking.EVER, now=now)
    for session in change.dropped:
        booking.change_session(session, SessionState.DROPPED, reason="not_in_version", by=by, now=now)
    course = booking.follow_version(course, version, change.kept, reason=reason, by=by, now=now)
    areas = list(course.areas.all())
    for step in change.added:
        position = booking.position_of_another(course, step)
        booking.open_session(course, step, position, areas=areas, reason="in_version", by=by, now=now)
    for visit in freed:
        visits.cancel(visit, reason=CancelReason.REPLANNED, asked_by=AskedBy.CLINIC, by=by, now=now)
    if visits.is_done(course):
        course = booking.close_course(course, reason="", by=by, now=now, completed=True)
    booking.refresh_windows(course)
    outbox.reconcile(course, now=now)
    return course, replanning.examine(course, reason="version_moved", by=by, now=now)


def _against_moving(course: Course, version: ProtocolVersion, now: datetime) -> list[Problem]:
    problems = []
    if course.state != CourseState.OPEN:
        problems.append(Problem("course_over", _("This course is over. Start a new one."), str(course.uid)))
    if version.protocol_id != course.version.protocol_id:
        problems.append(Problem("other_protocol", _("This is a version of another treatment."), "version"))
    elif version.pk == course.version_id:
        problems.append(Problem("same_version", _("The course follows this version already."), "version"))
    elif version not in others(course, now):
        problems.append(
            Problem("protocol_not_usable", _("This protocol version is not approved, or not in force."), "version")
        )
    return problems


def _change(rows: Sequence[Session], old: ProtocolVersion, new: ProtocolVersion) -> _Change:
    """Return what becomes of the sessions: kept by their step's key, dropped, added.

    Where the versions plan a different number of a step, the difference is added, or dropped from the end; sessions
    that a clinician added or gave up stay so. A step's cap is kept.
    """
    before = {step.key: step for step in old.steps.all()}
    kept: dict[int, Step] = {}
    added: list[Step] = []
    left = {row.pk: row for row in rows if row.state == SessionState.OPEN}
    for step in new.steps.order_by("position"):
        of_step = [row for row in rows if row.step_key == step.key and _is_of_series(row)]
        open_ones = [row for row in of_step if row.pk in left]
        more = step.sessions - (before[step.key].sessions if step.key in before else 0)
        room = len(of_step) + more if step.max_sessions is None else step.max_sessions
        more = min(more, room - len(of_step))
        kept |= dict.fromkeys((row.pk for row in open_ones[: max(len(open_ones) + min(more, 0), 0)]), step)
        added += [step] * more
    return _Change(kept, tuple(row for pk, row in left.items() if pk not in kept), tuple(added))


def _is_of_series(row: Session) -> bool:
    """Whether a session is one of those that a step's cap counts: not given up, and not set aside by a restart."""
    return row.state not in booking.GONE and row.counts_reason != RESTARTED


def _as_moved(
    course: facts.CourseFacts, rows: Sequence[Session], change: _Change, areas: frozenset[str]
) -> facts.CourseFacts:
    """Return the facts as the move would leave them; a session that is added has an id of its own, always the same, and
    is for all areas of the course.
    """
    steps = {step.key: step for step in course.protocol.steps}
    order = {step.key: place for place, step in enumerate(course.protocol.steps, start=1)}
    follows = {row.uid for row in rows if row.pk in change.kept}
    dropped = {row.uid for row in change.dropped}
    sessions = [
        replace(
            session,
            step=steps[session.step.key] if session.id in follows else session.step,
            state=facts.SessionState.DROPPED if session.id in dropped else session.state,
        )
        for session in course.sessions
    ]
    for number, step in enumerate(change.added):
        position = booking.place_of_another(
            order[step.key],
            [(s.position, order.get(s.step.key), s.state) for s in sessions if s.state not in GONE],
        )
        sessions = [replace(s, position=s.position + (s.position >= position)) for s in sessions]
        new = facts.SessionFacts(uuid5(course.id, f"added {number}"), position, steps[step.key], areas=areas)
        sessions = sorted([*sessions, new], key=lambda s: s.position)
    return replace(course, sessions=tuple(sessions))


def _broken(
    course: Course, as_moved: facts.CourseFacts, *, today: date, now: datetime
) -> dict[UUID, tuple[facts.Violation, ...]]:
    """Return what would be wrong with each visit that is booked for a day to come."""
    booked = [
        session.booked
        for session in as_moved.sessions
        if session.state is facts.SessionState.OPEN and session.booked and session.booked.on >= today
    ]
    if not booked:
        return {}
    times = roster.load(course, min(slot.on for slot in booked), max(slot.on for slot in booked), now=now)
    found: dict[UUID, tuple[facts.Violation, ...]] = {}
    for violation in violations(booked, as_moved, times, today):
        found[violation.session] = (*found.get(violation.session, ()), violation)
    return found


def _difference(
    session: facts.SessionFacts,
    old: facts.CourseFacts,
    new: facts.CourseFacts,
    windows: tuple[Mapping[UUID, facts.Window], Mapping[UUID, facts.Window]],
    broken: tuple[facts.Violation, ...],
    today: date,
) -> SessionDifference:
    before = next((one for one in old.sessions if one.id == session.id), None)
    was_open = before is not None and before.state is facts.SessionState.OPEN
    is_open = session.state is facts.SessionState.OPEN
    fate = Fate.ADDED if before is None else Fate.DROPPED if was_open and not is_open else Fate.KEPT
    window = windows[1].get(session.id)
    asked_on, then, now = None, [], []
    if is_open:
        wanted = window and (window.target_on or window.earliest_on)
        asked_on = session.booked.on if session.booked else max(today, wanted or today)
        now = gate_answers(session, asked_on, new, today)
        then = gate_answers(before, asked_on, old, today) if before is not None else []
    return SessionDifference(
        session=before.id if before else None,
        position=session.position,
        step=session.step.key,
        name=session.step.name,
        fate=fate,
        state=session.state,
        old=windows[0].get(session.id),
        new=window,
        asked_on=asked_on,
        closing=_without(now, then),
        opening=_without(then, now),
        visit_on=session.booked.on if session.booked and was_open else None,
        broken=broken,
    )


def _without(some: Iterable[facts.GateAnswer], others: Iterable[facts.GateAnswer]) -> tuple[facts.GateAnswer, ...]:
    known = {(answer.code, answer.subject, answer.state) for answer in others}
    return tuple(answer for answer in some if (answer.code, answer.subject, answer.state) not in known)


def _messages(messages: Iterable[Message], positions: Mapping[int, int]) -> tuple[MessageDifference, ...]:
    found = [
        MessageDifference(str(one.kind), one.days, positions.get(one.session_id or 0), one.due_at) for one in messages
    ]
    return tuple(sorted(found, key=lambda one: (one.due_at, one.kind, one.days)))
