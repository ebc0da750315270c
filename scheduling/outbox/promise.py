"""Promise messages: rows written inside the transaction of what they tell about, so neither exists without the other.

The callers hold the course's lock, inside an act that fails as a whole: hence no savepoints. Promising twice is
harmless: `dedupe_key` is unique and a second promise is skipped. Every function takes the same number of statements
for one visit and for a whole course.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Prefetch, Q

from clinic import localtime
from clinic.models import Site
from patients.models import Patient
from scheduling import roster
from scheduling.models import (
    Appointment,
    AppointmentState,
    Course,
    FollowUp,
    Hold,
    Message,
    MessageKind,
    MessageState,
    MessageVisit,
    ProtocolVersion,
    Reservation,
    Session,
    SessionState,
    Step,
)
from scheduling.models.appointments import LIVE
from scheduling.planner.amounts import Amount
from scheduling.planner.facts import CourseFacts
from scheduling.planner.windows import window_of

from .moments import BY_THE_CLOCK, GRACE, Quiet, mail_moment, next_mail_moment
from .policy import Policy, Rule, policy_of

NEAR = timedelta(days=7)  # a kept visit of a held course is near: the patient is asked to call
AFTERCARE_DAYS = 3  # advice for the days after is of no use later
TOO_LATE_DAYS = 7  # a recall this long after its moment is skipped: after an import, say
CHECK_EXPIRES = timedelta(days=7)
LONGEST_LEAD_DAYS = 30
OF_COURSE = ("site", "patient", "lead", "wish_practitioner", "version__protocol")
CALLS_AT_ONCE = 200  # courses that one sweep reconciles; the next one goes on
AT_LEAST = timedelta(hours=1)  # tries for news that would otherwise expire with a visit about to begin

Before = Mapping[str, Any]

# What is dropped when a course ends or is dropped: the rest speaks of what happened, or is asked again when it is sent.
COURSE_KINDS = (
    MessageKind.PREPARATION,
    MessageKind.REMINDER,
    MessageKind.CALL_US,
    MessageKind.RECALL,
    MessageKind.OVERDUE,
    MessageKind.OFFER,
)
RULED_KINDS = (MessageKind.PREPARATION, MessageKind.REMINDER)  # on the days that the version says
VISIT_KINDS = (*RULED_KINDS, MessageKind.CALL_US)
WAITING = (MessageState.PENDING, MessageState.PARKED)


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that is to be promised, with the visits that it speaks of."""

    message: Message
    visits: tuple[tuple[Appointment, Before], ...] = ()


# --- visits -----------------------------------------------------------------------------------------------------------


@transaction.atomic(savepoint=False)
def confirm(appointments: Sequence[Appointment], *, now: datetime) -> None:
    """Promise one confirmation for visits just booked (a file for each), and their reminders."""
    rows = _fresh(appointments)
    for course, visits in _by_course(rows).items():
        if policy_of(course.version).of(MessageKind.CONFIRMATION):
            coming = [visit for visit in visits if visit.during.lower > now]
            about = f"{coming[0].uid}:{coming[0].revision}" if len(coming) == 1 else f"{course.uid}:{_digest(coming)}"
            if coming:
                _insert(
                    [_news(MessageKind.CONFIRMATION, about, course, [(v, {}) for v in coming], due_at=now, now=now)]
                )
        reconcile(course, now=now)


@transaction.atomic(savepoint=False)
def reconcile(course: Course, *, now: datetime) -> None:
    """Make the waiting visit messages equal to what the live state asks for: insert, correct, revive, drop.

    A moment that has passed is skipped. Holds and gates are asked when a message is about to leave, not here: they may
    open until then.
    """
    visits = list(
        Appointment.objects.filter(session__course=course, state=AppointmentState.BOOKED)
        .select_related("site", "session")
        .order_by("pk")
    )
    wanted = {draft.message.dedupe_key: draft for draft in _visit_messages(course, visits, now)}
    known = {m.dedupe_key: m for m in Message.objects.filter(course=course, kind__in=VISIT_KINDS)}
    _drop_unwanted([m for key, m in known.items() if m.state in WAITING and key not in wanted], visits)
    later = {key: draft for key, draft in wanted.items() if draft.message.due_at > now}
    _insert([draft for key, draft in later.items() if key not in known])
    changed = []
    for key, draft in later.items():
        message = known.get(key)
        if message is None or message.dotted_at is not None:
            continue
        is_back = message.state == MessageState.DROPPED
        is_shifted = message.state in WAITING and _moment(message) != _moment(draft.message)
        if is_back or (is_shifted and message.kind != MessageKind.CALL_US):
            message.state = MessageState.PENDING if is_back else message.state
            message.state_reason, message.next_try_at, message.content, message.attempts = "", None, None, 0
            message.due_at, message.expires_at = _moment(draft.message)
            changed.append(message)
    if changed:
        fields = ("state", "state_reason", "next_try_at", "content", "attempts", "due_at", "expires_at")
        Message.objects.bulk_update(changed, fields)


def foreseen(
    course: Course, version: ProtocolVersion, *, without: Collection[Session] = (), now: datetime
) -> tuple[list[Message], list[Message]]:
    """Return which visit messages would be promised, and which withdrawn, if the course followed another version.

    Writes nothing. The sessions `without` would have no visit any more.
    """
    visits = (
        Appointment.objects.filter(session__course=course, state=AppointmentState.BOOKED)
        .exclude(session__in=without)
        .select_related("site", "session")
        .order_by("pk")
    )
    as_moved = copy(course)
    as_moved.version = version
    drafts = [draft.message for draft in _visit_messages(as_moved, list(visits), now)]
    wanted = {message.dedupe_key: message for message in drafts if message.kind in RULED_KINDS}
    rows = (
        Message.objects.filter(course=course, kind__in=RULED_KINDS).select_related("session").order_by("due_at", "pk")
    )
    known = {message.dedupe_key: message for message in rows}
    waiting = {key for key, message in known.items() if message.state in WAITING}
    again = {key for key, message in known.items() if message.state == MessageState.DROPPED}
    promised = [m for key, m in wanted.items() if m.due_at > now and (key not in known or key in again)]
    withdrawn = [known[key] for key in known if key in waiting and key not in wanted]
    return promised, withdrawn


@transaction.atomic(savepoint=False)
def announce_moves(course: Course, moves: Sequence[tuple[Appointment, Before]], *, now: datetime) -> None:
    """Promise one message about visits that moved, old to new, after a grace; it takes the place of an unsent one.

    Of a visit that moved twice it tells the first `before`; of one that came back to where it was, nothing.
    """
    _announce(MessageKind.CHANGED, course, moves, now)
    reconcile(course, now=now)


@transaction.atomic(savepoint=False)
def announce_cancellation(appointment: Appointment, *, now: datetime) -> None:
    """Promise a message that a visit will not take place, after a grace; visits cancelled together share one."""
    course = Course.objects.select_related("version", "site").get(sessions=appointment.session_id)
    _announce(MessageKind.CANCELLED, course, [(appointment, {})], now)
    reconcile(course, now=now)


@transaction.atomic
def drop_for_course(course: Course, reason: str, *, now: datetime) -> int:
    """Drop what waits to be said about the course's future, and say how many. Advice about the past still goes."""
    del now  # dropped rows carry no time of their own: the audit of the act that ends a course does
    return Message.objects.filter(course=course, kind__in=COURSE_KINDS, state__in=WAITING).update(
        state=MessageState.DROPPED, state_reason=reason[:80]
    )


@transaction.atomic
def drop_for_patient(patient: Patient, reason: str, *, now: datetime) -> int:
    """Drop everything that waits to be said to a patient, news and advice too, and say how much that was."""
    del now  # as for a course
    return Message.objects.filter(patient=patient, state__in=WAITING).update(
        state=MessageState.DROPPED, state_reason=reason[:80]
    )


def _visit_messages(course: Course, visits: Sequence[Appointment], now: datetime) -> Iterable[Draft]:
    policy = policy_of(course.version)
    for visit in visits:
        for kind in (MessageKind.PREPARATION, MessageKind.REMINDER):
            for rule in policy.of(kind):
                if draft := _before_visit(kind, rule, course, visit, now):
                    yield draft
    near = [visit for visit in visits if now < visit.during.lower <= now + NEAR]
    if near and policy.of(MessageKind.CALL_US):
        hold = Hold.objects.standing().filter(course=course).order_by("pk").first()
        if hold is not None:
            yield from (_call_us(course, visit, hold, now) for visit in near)


def _before_visit(kind: MessageKind, rule: Rule, course: Course, visit: Appointment, now: datetime) -> Draft | None:
    """Return the message some days before a visit, or None when the visit was booked too shortly before."""
    site = visit.site
    ahead = (visit.on - localtime.local_date(visit.booked_at, site.zone)).days
    if rule.booked_ahead_days is not None and ahead <= rule.booked_ahead_days:
        return None
    starts_at = visit.during.lower
    at = mail_moment(site, visit.on - timedelta(days=rule.days))
    due_at = Quiet.of(site).shifted(at, before=starts_at) if kind in BY_THE_CLOCK else at
    if due_at >= starts_at:
        return None
    key = f"{kind}:{visit.uid}:{visit.revision}:{rule.days}"
    message = _message(kind, key, course, site, due_at, starts_at, now, session=visit.session, days=rule.days)
    return Draft(message, ((visit, {}),))


def _call_us(course: Course, visit: Appointment, hold: Hold, now: datetime) -> Draft:
    kind, starts_at = MessageKind.CALL_US, visit.during.lower
    due_at = Quiet.of(visit.site).shifted(now + GRACE, before=starts_at)
    # Kept from the moment of promising to the visit; a visit within the grace is one for the telephone.
    due_at = min(max(due_at, now + localtime.ONE_MINUTE), starts_at - timedelta(seconds=1))
    key = f"{kind}:{visit.uid}:{visit.revision}:{hold.pk}"
    return Draft(_message(kind, key, course, visit.site, due_at, starts_at, now, session=visit.session), ((visit, {}),))


def _announce(kind: MessageKind, course: Course, visits: Sequence[tuple[Appointment, Before]], now: datetime) -> None:
    if not policy_of(course.version).of(kind):
        return
    unsent = list(
        # Locked, so that no sender takes it meanwhile: a sender skips locked rows, and we skip what a sender has.
        Message.objects.select_for_update(of=("self",))
        .filter(course=course, kind=kind, state__in=WAITING, dotted_at=None)
        .prefetch_related("visits")
        .order_by("pk")
    )
    befores: dict[int, Before] = {}
    for told in (visit for message in unsent for visit in message.visits.all()):
        befores.setdefault(told.appointment_id, told.before)
    for appointment, before in visits:
        befores.setdefault(appointment.pk, before)
    rows = Appointment.objects.filter(pk__in=befores, during__startswith__gt=now).select_related("site", "session")
    is_cancelled = kind == MessageKind.CANCELLED
    about = [
        (visit, befores[visit.pk])
        for visit in rows.order_by("on", "at_time", "pk")
        if (visit.state not in LIVE if is_cancelled else visit.state in LIVE and _has_moved(visit, befores[visit.pk]))
    ]
    if unsent:
        Message.objects.filter(pk__in=[message.pk for message in unsent]).update(
            state=MessageState.DROPPED, state_reason="superseded"
        )
    if about:
        key = f"{course.uid}:{_digest([visit for visit, _before in about])}"
        _insert([_news(kind, key, course, about, due_at=now + GRACE, now=now)])


def _news(
    kind: MessageKind,
    about: str,
    course: Course,
    visits: Sequence[tuple[Appointment, Before]],
    *,
    due_at: datetime,
    now: datetime,
) -> Draft:
    """Return a message about what was just done; it is of use until the last of its visits begins."""
    first, _before = visits[0]
    expires_at = max(due_at + AT_LEAST, *(visit.during.lower for visit, _before in visits))
    session = first.session if len(visits) == 1 else None
    message = _message(kind, f"{kind}:{about}", course, first.site, due_at, expires_at, now, session=session)
    return Draft(message, tuple(visits))


def _has_moved(visit: Appointment, before: Before) -> bool:
    return (before.get("on"), before.get("at")) != (visit.on.isoformat(), f"{visit.at_time:%H:%M}")


def _drop_unwanted(messages: Sequence[Message], live: Sequence[Appointment]) -> None:
    """Drop with the reason that a person will want to read: the visit has gone, has moved, or the rule has."""
    if not messages:
        return
    revisions = {str(visit.uid): str(visit.revision) for visit in live}
    by_reason = defaultdict(list)
    for message in messages:
        _kind, uid, revision, *_rest = message.dedupe_key.split(":")
        if uid not in revisions:
            reason = "visit_not_live"
        elif revisions[uid] != revision:
            reason = "visit_moved"
        else:
            reason = "not_asked_for"
        by_reason[reason].append(message.pk)
    for reason, pks in by_reason.items():
        Message.objects.filter(pk__in=pks, state__in=WAITING).update(state=MessageState.DROPPED, state_reason=reason)


# --- sessions ---------------------------------------------------------------------------------------------------------


@transaction.atomic(savepoint=False)
def promise_aftercare(session: Session, *, now: datetime) -> None:
    """Promise what follows a performed session: advice at once, the check some days later, and the farewell.

    Asked again after the session's date was corrected, it moves what still waits to its new day.
    """
    course, performed_on = session.course, session.performed_on
    if performed_on is None:
        return
    policy = policy_of(course.version)
    left = set(Session.objects.filter(course=course, state=SessionState.OPEN).values_list("step", flat=True))
    drafts = []
    if session.step.kind == Step.Kind.TREATMENT and policy.of(MessageKind.AFTERCARE):
        expires_at = localtime.first_instant(performed_on + timedelta(days=AFTERCARE_DAYS), course.site.zone)
        key = f"aftercare:{session.uid}"
        if now < expires_at:
            drafts.append(_draft(MessageKind.AFTERCARE, key, course, session, now, expires_at, now))
    for key, on in _checks(course, session, performed_on, policy, is_last=session.step_id not in left):
        due_at = _on_a_day(course.site, on)
        if due_at > now:
            drafts.append(_draft(MessageKind.CHECK, key, course, session, due_at, due_at + CHECK_EXPIRES, now))
    if not left and policy.of(MessageKind.FINISHED):
        (rule, *_rest) = policy.of(MessageKind.FINISHED)
        if farewell := _farewell(course, session, performed_on, rule, now):
            drafts.append(farewell)
    if len(drafts) != _insert(drafts):
        _shift({draft.message.dedupe_key: draft.message for draft in drafts})


def _checks(
    course: Course, session: Session, performed_on: date, policy: Policy, *, is_last: bool
) -> Iterable[tuple[str, date]]:
    """Yield key and date of each check that the version's follow-ups ask for; without any, its message rules decide.

    The last session is that of its step, as for calls: a review that is still to come is no reason to be silent.
    """
    if MessageKind.CHECK in policy.off:
        return
    follow_ups = [
        follow_up
        for follow_up in course.version.follow_ups.all()
        if follow_up.step_id == session.step_id and follow_up.kind == FollowUp.Kind.MESSAGE
    ]
    for follow_up in follow_ups:
        if is_last or not follow_up.last_session_only:
            yield f"check:{session.uid}:{follow_up.key}", Amount.parse(follow_up.after).after(performed_on)
    if not follow_ups and session.step.kind == Step.Kind.TREATMENT:
        for rule in policy.of(MessageKind.CHECK):
            yield f"check:{session.uid}:{-rule.days}", performed_on + timedelta(days=-rule.days)


@transaction.atomic(savepoint=False)
def offer(reservation: Reservation, *, now: datetime) -> None:
    """Promise a mail that a time is kept. It never fails for coming too late: then it is dropped (`offer_key`)."""
    session = reservation.session
    course = session.course
    if policy_of(course.version).of(MessageKind.OFFER):
        key = offer_key(reservation)
        _insert([_draft(MessageKind.OFFER, key, course, session, now, reservation.expires_at + CHECK_EXPIRES, now)])


def offer_key(reservation: Reservation) -> str:
    return f"{MessageKind.OFFER}:{reservation.uid}"


@transaction.atomic(savepoint=False)
def promise_farewell(course: Course, on: date, *, now: datetime) -> None:
    """Promise the farewell of a course that is completed without a last visit; with nothing performed there is none."""
    last = Session.objects.filter(course=course, state=SessionState.PERFORMED, step__kind=Step.Kind.TREATMENT).order_by(
        "-performed_on", "-position"
    )
    session, policy = last.first(), policy_of(course.version)
    if session is None or not policy.of(MessageKind.FINISHED):
        return
    (rule, *_rest) = policy.of(MessageKind.FINISHED)
    _insert([draft for draft in [_farewell(course, session, on, rule, now)] if draft is not None])


def _farewell(course: Course, session: Session, on: date, rule: Rule, now: datetime) -> Draft | None:
    """Return the farewell of a course whose last session was done with on that day; None if its moment has passed."""
    due_at = _on_a_day(course.site, on + timedelta(days=max(-rule.days, 1)))
    if due_at <= now:
        return None
    key = f"finished:{course.uid}"
    return _draft(MessageKind.FINISHED, key, course, session, due_at, due_at + CHECK_EXPIRES, now)


def promise_recalls(now: datetime) -> int:
    """Promise recalls for sessions whose window opens, and overdue notices, where nothing is booked; say how many.

    The cached windows only find the candidates: each is computed afresh before anything is promised.
    """
    drafts = [draft for session in _unbooked(now) for draft in _recalls(session, now)]
    keys = [draft.message.dedupe_key for draft in drafts]
    known = set(Message.objects.filter(dedupe_key__in=keys).values_list("dedupe_key", flat=True))
    new = [draft for draft in drafts if draft.message.dedupe_key not in known]
    courses = {draft.message.course_id: draft.message.course for draft in new}
    as_they_stand = roster.courses_facts([course for course in courses.values() if course is not None])
    return _insert([draft for draft in new if _is_still_so(draft.message, as_they_stand, now)])


def ask_for_calls(now: datetime) -> int:
    """Reconcile held courses with a visit that has come near, so that the patient is asked to call; say how many."""
    # One table a statement: joined, a database without statistics yet may compare every row with every other.
    held = set(Hold.objects.standing().values_list("course", flat=True))
    course_of = dict(Session.objects.filter(course__in=held, state=SessionState.OPEN).values_list("pk", "course"))
    booked = Appointment.objects.filter(session__in=course_of, state=AppointmentState.BOOKED)
    near = dict(
        booked.filter(during__startswith__gt=now, during__startswith__lte=now + NEAR).values_list("pk", "session")
    )
    calls = set(Message.objects.filter(course__in=held, kind=MessageKind.CALL_US).values_list("pk", flat=True))
    told = MessageVisit.objects.filter(appointment__in=near, message__in=calls)
    asked = set(told.values_list("appointment", flat=True))
    untold = sorted({course_of[session] for visit, session in near.items() if visit not in asked})[:CALLS_AT_ONCE]
    for course in Course.objects.filter(pk__in=untold).select_related("version", "site").order_by("pk"):
        reconcile(course, now=now)
    return len(untold)


def _unbooked(now: datetime) -> list[Session]:
    """Return each open course's first open session, where nothing is booked and its cached window opens about now."""
    today = now.date()
    from_on, to_on = today - timedelta(days=TOO_LATE_DAYS + 1), today + timedelta(days=LONGEST_LEAD_DAYS + 1)
    opening = Q(earliest_on__range=(from_on, to_on)) | Q(overdue_on__range=(from_on, to_on))
    course = Prefetch("course", Course.objects.prefetch_related(*OF_COURSE))  # not joined: see `ask_for_calls`
    return list(
        Session.objects.waiting(Course.objects.all())
        .filter(opening)
        .prefetch_related(course, Prefetch("appointments", Appointment.objects.only("session")))
        .order_by("pk")
    )


def _recalls(session: Session, now: datetime) -> Iterable[Draft]:
    """Yield the recall and the overdue notice whose moment is today, or was not long ago, by the cached window."""
    course, site = session.course, session.course.site
    today = localtime.local_date(now, site.zone)
    policy = policy_of(course.version)
    moments = ((MessageKind.RECALL, session.earliest_on), (MessageKind.OVERDUE, session.overdue_on))
    for kind, opens_on in moments:
        if opens_on is None:
            continue
        for rule in policy.of(kind):
            on = opens_on - timedelta(days=rule.days)
            if not on <= today <= on + timedelta(days=TOO_LATE_DAYS):
                continue
            if kind == MessageKind.RECALL and session.overdue_on is not None and session.overdue_on <= today:
                continue
            due_at = next_mail_moment(site, now)
            expires_at = due_at + timedelta(days=30)
            if kind == MessageKind.RECALL and session.overdue_on is not None:
                expires_at = min(expires_at, localtime.first_instant(session.overdue_on, site.zone))
            # A session that was booked and lost again may be recalled again.
            bookings = len(session.appointments.all())
            key = f"{kind}:{session.uid}:{bookings}:{rule.days}"
            if expires_at > due_at:
                yield _draft(kind, key, course, session, due_at, expires_at, now)


def _is_still_so(message: Message, as_they_stand: Mapping[int, CourseFacts], now: datetime) -> bool:
    """Whether the window, computed afresh, says the same as the cache by which the candidate was found."""
    course, session = message.course, message.session
    assert course is not None and session is not None  # noqa: S101, PT018  (recalls are about a session)
    as_it_stands = as_they_stand[course.pk]
    candidate = next(one for one in as_it_stands.sessions if one.id == session.uid)
    if candidate.booked is not None or as_it_stands.holds:
        return False
    today, window = roster.today(course.site, now), window_of(candidate, as_it_stands)
    opens_on = window.earliest_on if message.kind == MessageKind.RECALL else window.overdue_on
    lead = timedelta(days=int(message.dedupe_key.rsplit(":", 1)[1]))
    return opens_on is not None and opens_on - lead <= today


def _on_a_day(site: Site, on: date) -> datetime:
    return Quiet.of(site).next_allowed(mail_moment(site, on))


# --- rows -------------------------------------------------------------------------------------------------------------


def _message(
    kind: MessageKind,
    key: str,
    course: Course,
    site: Site,
    due_at: datetime,
    expires_at: datetime,
    now: datetime,
    *,
    session: Session | None = None,
    days: int = 0,
) -> Message:
    return Message(
        kind=kind,
        dedupe_key=key,
        patient_id=course.patient_id,
        site=site,
        course=course,
        session=session,
        days=days,
        promised_at=now,
        due_at=due_at,
        expires_at=expires_at,
    )


def _draft(
    kind: MessageKind,
    key: str,
    course: Course,
    session: Session,
    due_at: datetime,
    expires_at: datetime,
    now: datetime,
) -> Draft:
    return Draft(_message(kind, key, course, course.site, due_at, expires_at, now, session=session))


def _insert(drafts: Sequence[Draft]) -> int:
    """Write the rows whose key is new, with their visits, and say how many they were."""
    if not drafts:
        return 0
    Message.objects.bulk_create([draft.message for draft in drafts], ignore_conflicts=True)
    # Our own uid is in the row only if the row is ours: another promise of the same key has another one.
    uids = [draft.message.uid for draft in drafts]
    pks: dict[UUID, int] = dict(Message.objects.filter(uid__in=uids).values_list("uid", "pk"))
    MessageVisit.objects.bulk_create(
        MessageVisit(
            message_id=pks[draft.message.uid],
            appointment=appointment,
            revision=appointment.revision,
            before=dict(before),
        )
        for draft in drafts
        if draft.message.uid in pks
        for appointment, before in draft.visits
    )
    return len(pks)


def _shift(wanted: Mapping[str, Message]) -> None:
    """Give messages that wait already the day on which they are wanted now; advice that is due at once stays."""
    waiting = Message.objects.filter(dedupe_key__in=wanted, state__in=WAITING, dotted_at=None, content=None)
    for message in waiting.exclude(kind=MessageKind.AFTERCARE):
        fresh = wanted[message.dedupe_key]
        Message.objects.filter(pk=message.pk, state__in=WAITING, dotted_at=None, content=None).update(
            due_at=fresh.due_at, expires_at=fresh.expires_at
        )


def _fresh(appointments: Sequence[Appointment]) -> list[Appointment]:
    return list(
        Appointment.objects.filter(pk__in=[appointment.pk for appointment in appointments])
        .select_related("site", "session__course__version", "session__course__site")
        .order_by("on", "at_time", "pk")
    )


def _by_course(appointments: Sequence[Appointment]) -> dict[Course, list[Appointment]]:
    found = defaultdict(list)
    for appointment in appointments:
        found[appointment.session.course].append(appointment)
    return found


def _digest(visits: Iterable[Appointment]) -> str:
    names = sorted(f"{visit.uid}:{visit.revision}" for visit in visits)
    return hashlib.sha256(" ".join(names).encode()).hexdigest()[:32]


def _moment(message: Message) -> tuple[datetime, datetime]:
    return message.due_at, message.expires_at


@transaction.atomic
def again(message: Message, visits: Sequence[tuple[Appointment, Before]], *, now: datetime) -> None:
    """Promise what is still true of a message of which a copy may have left, under a key of its own."""
    course = message.course
    if course is None or message.expires_at <= now:
        return
    key = f"{message.dedupe_key[:150]}~{message.attempts}"
    kind = MessageKind(message.kind)
    anew = _message(kind, key, course, message.site, now, message.expires_at, now, session=message.session)
    anew.days = message.days
    _insert([Draft(anew, tuple(visits))])
