"""Deliver what is due: claim under a lease, ask again, freeze, send, record. docs/messages.md says how each crash ends.

A claim is a short statement and never a lock that is held while talking to a mail server. Leases go by the database's
clock alone. Whether a message may go is asked against the `now` that the caller has read.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from clinic import localtime
from clinic.validators import validate_one_address
from scheduling.models import Message, MessageKind, MessageState, MessageVisit
from scheduling.models.appointments import LIVE
from scheduling.transport import (
    Envelope,
    LostAfterDot,
    NotTaken,
    PermanentRefusal,
    Transport,
    Unreachable,
    from_settings,
)

from . import promise, render, wanted
from .moments import BY_THE_CLOCK, Quiet
from .texts import Library

log = logging.getLogger("scheduling.outbox")

LEASE_SECONDS = 30
RENEWED_EVERY_SECONDS = 10.0
# How many are asked about and frozen at a time: what is frozen is sent within moments, and one flush serves them all.
AT_ONCE = 50
BACK_OFF = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=8), timedelta(minutes=30))
TRIES_OF_A_BAD_ROW = 5
OVERDUE_AFTER = timedelta(minutes=5)
BODY_KEPT_FOR = timedelta(days=30)


@dataclass
class Delivered:
    """What became of the messages that were claimed."""

    claimed: int = 0
    sent: int = 0
    dropped: int = 0
    retried: int = 0
    failed: int = 0
    postponed: int = 0


class LeaseLost(Exception):
    """Another sender may have the message by now, or what it says is no longer true: it must not leave from here."""


def deliver_due(now: datetime, *, transport: Transport | None = None, limit: int = 100) -> Delivered:
    """Claim up to `limit` due messages and send those that are still wanted. Call it again until nothing is claimed."""
    owner = uuid4()
    pks = _claim(now, owner, limit)
    done = Delivered(claimed=len(pks))
    if not pks:
        return done
    line = transport or from_settings()
    try:
        with Lease(owner):
            sender = Sender(owner, line, now, done)
            for first in range(0, len(pks), AT_ONCE):
                sender.deliver(_load(pks[first : first + AT_ONCE], owner))
    finally:
        if transport is None:
            line.close()
    return done


def overdue_count(now: datetime) -> int:
    """Return how many messages have been due for minutes and are not sent: more than none is an alarm."""
    return Message.objects.unsent().filter(due_at__lt=now - OVERDUE_AFTER).count()


class Lease:
    """Renews, from a thread of its own, the lease on what a living sender holds: a final dot may take ten minutes.

    It opens a connection of its own only if there is something to renew.
    """

    def __init__(self, owner: UUID) -> None:
        self.owner = owner
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="outbox-lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _renew(self) -> None:
        try:
            while not self._over.wait(RENEWED_EVERY_SECONDS):
                with connection.cursor() as cursor:
                    cursor.execute(
                        "UPDATE scheduling_message SET lease_until = clock_timestamp() + make_interval(secs => %s)"
                        " WHERE state = 'sending' AND lease_owner = %s",
                        [LEASE_SECONDS, self.owner],
                    )
        finally:
            connection.close()


@dataclass
class Sender:
    """One batch on its way out."""

    owner: UUID
    transport: Transport
    now: datetime
    done: Delivered
    unreachable: Unreachable | None = None

    def deliver(self, messages: Sequence[Message]) -> None:
        """Ask about each message, freeze those that may go, send them one by one, and record what came of each."""
        situation = wanted.Situation(messages, self.now)
        library = Library()
        _caught(situation.look_ahead)  # where one course's facts spoil it for all, each is asked for by itself
        ready = [message for message in messages if self._carefully(self._is_ready, message, situation, library)]
        ready = self._freeze(ready)
        with _without_waiting_for_the_disk():
            for message in ready:
                self._carefully(self._send, message)

    def _carefully(self, step: Callable[..., bool], message: Message, *more: object) -> bool:
        """Take one step with one message. A bad row must not stop the batch: it is tried again, and then failed."""
        answer, error = _caught(step, message, *more)
        if error:
            log.error("message %s could not be handled: %s", message.pk, error)
            if message.attempts >= TRIES_OF_A_BAD_ROW:
                self._give_up(message, "cannot_render" if step == self._is_ready else "unexpected")
            else:
                self._try_again(message, error)
        return answer

    # --- before it leaves ---------------------------------------------------------------------------------------------

    def _is_ready(self, message: Message, situation: wanted.Situation, library: Library) -> bool:
        """Decide about one message, and write its bytes where none are frozen. Of those ready nothing is stored yet."""
        if message.expires_at <= self.now:
            self._give_up(message, "expired")
            return False
        visits = wanted.spoken_visits(message)
        if reason := wanted.why_not(message, visits, situation):
            self._drop(message, reason)
            return False
        if self._is_quiet(message):
            self._postpone(message)
            return False
        try:
            validate_one_address(message.patient.email)
        except ValidationError:
            self._give_up(message, "address_unusable")
            return False
        is_stale = self._is_stale(message, visits)
        if is_stale and message.dotted_at is not None:
            # A copy may be out, and it is not true any more: what still is goes as a message of its own.
            self._drop(message, "superseded")
            promise.again(message, [(v.appointment, v.before) for v in visits], now=self.now)
            return False
        if message.content is None or is_stale:
            self._write(message, visits, situation, library)
        return True

    def _is_quiet(self, message: Message) -> bool:
        if message.kind not in BY_THE_CLOCK or message.dotted_at is not None:
            return False
        quiet = Quiet.of(message.site)
        return quiet.covers(self.now) and quiet.next_allowed(self.now) < message.expires_at

    @staticmethod
    def _is_stale(message: Message, visits: Sequence[render.Spoken]) -> bool:
        """Whether frozen bytes speak of a visit that has gone since, or go to an address that was corrected since."""
        if message.content is None:
            return False
        return len(visits) < len(message.visits.all()) or message.recipient != message.patient.email

    def _write(
        self, message: Message, visits: Sequence[render.Spoken], situation: wanted.Situation, library: Library
    ) -> None:
        """Resolve recipient, language, Message-ID, Date and bytes from the live state."""
        patient, site, course = message.patient, message.site, message.course
        protocol = course.version.protocol_id if course else None
        wording = library.wording(message.kind, protocol, (patient.language, site.language))
        questions: list[str] = []
        if message.kind == MessageKind.PREPARATION:
            answers = situation.answers(message, visits[0].appointment)
            questions = wanted.questions_to_ask(answers, situation, wording.language)
        content = render.content_of(
            wording,
            patient=patient,
            site=site,
            visits=visits,
            questions=questions,
            from_date=message.session.earliest_on if message.session else None,
            kept=situation.kept_for(message),
        )
        message.recipient = patient.email
        message.language = wording.language
        domain = site.sender_email.rpartition("@")[2].encode("idna").decode()
        message.message_id = message.message_id or f"<{message.uid}@{domain}>"
        message.dated_at = message.dated_at or self.now
        message.content = render.mail_of(message, content, language=wording.language, visits=visits)
        spoken = {visit.appointment.pk for visit in visits}
        gone = [told.pk for told in message.visits.all() if told.appointment_id not in spoken]
        if gone:
            MessageVisit.objects.filter(pk__in=gone).delete()

    def _freeze(self, messages: Sequence[Message]) -> list[Message]:
        """Commit what is about to leave, in one statement, and return the messages that are still ours."""
        if not messages:
            return []
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE scheduling_message m
                SET recipient = f.recipient, language = f.language, message_id = f.message_id, dated_at = f.dated_at,
                    content = f.content, lease_until = clock_timestamp() + make_interval(secs => %s)
                FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::bytea[])
                     AS f (id, recipient, language, message_id, dated_at, content)
                WHERE m.id = f.id AND m.state = 'sending' AND m.lease_owner = %s
                RETURNING m.id
                """,
                [
                    LEASE_SECONDS,
                    [m.pk for m in messages],
                    [m.recipient for m in messages],
                    [m.language for m in messages],
                    [m.message_id for m in messages],
                    [m.dated_at for m in messages],
                    [bytes(m.content or b"") for m in messages],
                    self.owner,
                ],
            )
            ours = {pk for (pk,) in cursor.fetchall()}
        return [message for message in messages if message.pk in ours]

    # --- leaving ------------------------------------------------------------------------------------------------------

    def _send(self, message: Message) -> bool:
        """Hand over one frozen message and record the answer."""
        if self.unreachable is not None:
            self._try_again(message, self.unreachable.reply)
            return False
        assert message.dated_at is not None  # noqa: S101  (frozen)
        envelope = Envelope(
            message.uid, message.site.sender_email, message.recipient, bytes(message.content or b""), message.dated_at
        )
        try:
            reply = self.transport.send(envelope, lambda: self._about_to_dot(message))
        except LeaseLost:
            self._let_go(message)
        except LostAfterDot as lost:
            self._try_again(message, lost.reply)
        except PermanentRefusal as refusal:
            self._give_up(message, "refused", refusal.reply)
        except NotTaken as refusal:
            if isinstance(refusal, Unreachable):
                self.unreachable = refusal
            self._try_again(message, refusal.reply, is_certain=True)
        else:
            self._record_sent(message, reply)
            return True
        return False

    def _about_to_dot(self, message: Message) -> None:
        """Commit that a repeat is possible from here on; raise LeaseLost where the message must not leave after all.

        The same statement looks a last time at the visits: one that was moved or called off since is not told of, nor a
        time that is not kept any more.
        """
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE scheduling_message m
                SET dotted_at = clock_timestamp(), lease_until = clock_timestamp() + make_interval(secs => %s)
                WHERE m.id = %s AND m.state = 'sending' AND m.lease_owner = %s AND m.lease_until > clock_timestamp()
                  AND (NOT m.kind = ANY(%s) OR NOT EXISTS (
                      SELECT 1 FROM scheduling_messagevisit v JOIN scheduling_appointment a ON a.id = v.appointment_id
                      WHERE v.message_id = m.id AND (a.revision <> v.revision OR NOT a.state = ANY(%s))))
                  AND (m.kind <> 'offer' OR EXISTS (
                      SELECT 1 FROM scheduling_reservation r
                      WHERE r.session_id = m.session_id AND r.released_at IS NULL
                        AND split_part(m.dedupe_key, '~', 1) = 'offer:' || r.uid))
                """,
                [LEASE_SECONDS, message.pk, self.owner, LIVE_KINDS, LIVE_STATES],
            )
            if not cursor.rowcount:
                raise LeaseLost

    # --- recording ----------------------------------------------------------------------------------------------------

    def _record_sent(self, message: Message, reply: str) -> None:
        """Write down the server's answer, whoever holds the lease by now: the mail is out."""
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE scheduling_message SET state = 'sent', state_reason = '', sent_at = %s, last_reply = %s,"
                " lease_owner = NULL, lease_until = NULL, next_try_at = NULL"
                " WHERE id = %s AND state IN ('sending', 'pending')",
                [self.now, reply, message.pk],
            )
        self.done.sent += 1

    def _try_again(self, message: Message, reply: str, *, is_certain: bool = False) -> None:
        """Wait 30 s, 2, 8, then 30 minutes, as long as the message is of use; `is_certain`: no copy has left."""
        delay = BACK_OFF[min(message.attempts, len(BACK_OFF)) - 1] * _jitter(message)
        if self.now + delay >= message.expires_at:
            self._give_up(message, "not_taken_in_time", reply)
            return
        fields = {"dotted_at": None} if is_certain and message.dotted_at is None else {}
        self.done.retried += self._write_state(
            message, MessageState.PENDING, next_try_at=self.now + delay, last_reply=reply[:300], **fields
        )

    def _give_up(self, message: Message, reason: str, reply: str = "") -> None:
        self.done.failed += self._write_state(message, MessageState.FAILED, state_reason=reason, last_reply=reply[:300])

    def _drop(self, message: Message, reason: str) -> None:
        self.done.dropped += self._write_state(message, MessageState.DROPPED, state_reason=reason[:80])

    def _postpone(self, message: Message) -> None:
        due_at = Quiet.of(message.site).next_allowed(self.now)
        self.done.postponed += self._write_state(
            message, MessageState.PENDING, due_at=due_at, next_try_at=None, attempts=message.attempts - 1
        )

    def _let_go(self, message: Message) -> None:
        """Give back a message that did not leave: the next claim, now or by another sender, asks again."""
        again_at = self.now + localtime.ONE_MINUTE / 60
        self.done.retried += self._write_state(message, MessageState.PENDING, next_try_at=again_at)

    def _write_state(self, message: Message, state: MessageState, **fields: object) -> int:
        """Move a message that is still ours out of `sending`."""
        return Message.objects.filter(pk=message.pk, state=MessageState.SENDING, lease_owner=self.owner).update(
            state=state, lease_owner=None, lease_until=None, **fields
        )


LIVE_KINDS = [str(kind) for kind in wanted.SPEAKS_OF_LIVE_VISITS]
LIVE_STATES = [str(state) for state in LIVE]

CLAIM = """
    UPDATE scheduling_message
    SET state = 'sending', attempts = attempts + 1, lease_owner = %s,
        lease_until = clock_timestamp() + make_interval(secs => %s)
    WHERE id IN (
        SELECT id FROM scheduling_message
        WHERE state IN ('pending', 'sending') AND COALESCE(next_try_at, due_at) <= %s
          AND (state = 'pending' OR lease_until < clock_timestamp())
        ORDER BY COALESCE(next_try_at, due_at), id
        LIMIT %s
        FOR UPDATE SKIP LOCKED)
    RETURNING id, COALESCE(next_try_at, due_at)
"""


def _claim(now: datetime, owner: UUID, limit: int) -> list[int]:
    """Take due messages, the longest due first, and those whose sender has died."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [owner, LEASE_SECONDS, now, limit])
        return [pk for pk, _due in sorted(cursor.fetchall(), key=lambda row: (row[1], row[0]))]


def _load(pks: Sequence[int], owner: UUID) -> list[Message]:
    """Return what is still ours of a claim, with all that deciding and writing reads."""
    rows = (
        Message.objects.filter(pk__in=pks, state=MessageState.SENDING, lease_owner=owner)
        .select_related(
            "patient",
            "site",
            "session",
            "course__patient",
            "course__site",
            "course__lead",
            "course__wish_practitioner",
            "course__version__protocol",
        )
        .prefetch_related("visits__appointment__site", "visits__appointment__session")
    )
    by_pk = {message.pk: message for message in rows}
    return [by_pk[pk] for pk in pks if pk in by_pk]


def _caught(step: Callable[..., bool], *given: object) -> tuple[bool, str]:
    """Return what a step says, and the kind of error that it died of, if it did.

    The one place of the house that catches everything: what is logged of it is a row's id, and no text of an exception.
    """
    try:
        return step(*given), ""
    except Exception as error:  # noqa: BLE001
        return False, type(error).__name__


def _jitter(message: Message) -> float:
    """Return a factor between 0.8 and 1.2 that spreads messages of one moment, the same for the same row and try."""
    return 0.8 + 0.4 * ((message.pk * 7919 + message.attempts * 104_729) % 1000) / 1000


@contextmanager
def _without_waiting_for_the_disk() -> Iterator[None]:
    """Let the two marks of each mail be committed without a flush: they outlive any sender, and are flushed soon after.

    What is frozen has been flushed before. Only if the database server itself dies in that moment may it forget a mark,
    and then the same bytes go again.
    """
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit TO off")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET synchronous_commit")


# --- by hand ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def park(*, now: datetime) -> int:
    """Set aside everything that waits, and say how much: nothing of it leaves until it is unparked."""
    del now
    return Message.objects.waiting().update(state=MessageState.PARKED)


@transaction.atomic
def unpark(*, now: datetime) -> int:
    """Let what was parked wait again, and say how much. What has become untrue meanwhile is dropped when it is due."""
    del now
    return Message.objects.filter(state=MessageState.PARKED).update(state=MessageState.PENDING)


@transaction.atomic
def retry_failed(*, now: datetime) -> int:
    """Let messages that failed, and are still of use, be tried again, and say how many."""
    return Message.objects.filter(state=MessageState.FAILED, expires_at__gt=now).update(
        state=MessageState.PENDING, state_reason="", attempts=0, next_try_at=None
    )


@transaction.atomic
def purge(*, now: datetime) -> int:
    """Forget recipient and body of what was settled a month ago; kind, time and state stay."""
    settled = (MessageState.SENT, MessageState.DROPPED, MessageState.FAILED, MessageState.BOUNCED)
    old = Message.objects.filter(state__in=settled, due_at__lt=now - BODY_KEPT_FOR, purged_at=None)
    return old.update(recipient="", content=None, last_reply="", purged_at=now)
