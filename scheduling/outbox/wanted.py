"""Whether a promised message may still go: the table of product.md, asked against the live state. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

from clinic.wellformed import longest_text
from patients.models import MailState, Question
from scheduling import roster
from scheduling.models import (
    Appointment,
    CourseState,
    Hold,
    Message,
    MessageKind,
    Outcome,
    Reservation,
    Session,
    SessionState,
)
from scheduling.models.appointments import LIVE
from scheduling.planner import facts
from scheduling.planner.gates import refuses
from scheduling.planner.rules import known_ahead

from .promise import offer_key
from .render import Spoken

SPEAKS_OF_LIVE_VISITS = frozenset(
    {
        MessageKind.CONFIRMATION,
        MessageKind.PREPARATION,
        MessageKind.REMINDER,
        MessageKind.CHANGED,
        MessageKind.CALL_US,
    }
)
ASKS_GATES = frozenset({MessageKind.PREPARATION, MessageKind.REMINDER})
INVITES = frozenset({MessageKind.RECALL, MessageKind.OVERDUE, MessageKind.OFFER})
# Safety advice goes to those too who want no other mail.
SAFETY = frozenset({MessageKind.AFTERCARE})
LONGEST_REASON: Final = longest_text(Message, "state_reason")
GATE_CLOSED = "gate_closed:"  # prefix of a reason; the codes follow. The worklist finds its task by it

ADDRESS = {
    MailState.NONE: "no_address",
    MailState.BOUNCED: "address_bounced",
    MailState.SUPPRESSED: "address_suppressed",
}


@dataclass
class Situation:
    """What a batch is judged by: a few statements for all of it, and facts only of courses whose gates are asked."""

    messages: Sequence[Message]
    now: datetime
    _facts: dict[int, facts.CourseFacts] = field(default_factory=dict)

    @cached_property
    def courses(self) -> set[int]:
        return {message.course_id for message in self.messages if message.course_id is not None}

    @cached_property
    def held(self) -> set[int]:
        return set(Hold.objects.standing().filter(course__in=self.courses).values_list("course", flat=True))

    @cached_property
    def stopped(self) -> set[int]:
        stops = Outcome.objects.filter(session__course__in=self.courses, result=Outcome.Result.STOP)
        return set(stops.values_list("session__course", flat=True))

    @cached_property
    def going_on(self) -> set[int]:
        left = Session.objects.filter(course__in=self.courses, state=SessionState.OPEN)
        return set(left.values_list("course", flat=True))

    @cached_property
    def booked(self) -> set[int]:
        visits = Appointment.objects.live().filter(session__course__in=self.courses)
        return set(visits.values_list("session", flat=True))

    @cached_property
    def _kept(self) -> dict[str, Reservation]:
        offered = [message.session_id for message in self.messages if message.kind == MessageKind.OFFER]
        if not offered:
            return {}
        standing = Reservation.objects.filter(session__in=offered, released_at=None, expires_at__gt=self.now)
        return {offer_key(reservation): reservation for reservation in standing}

    def kept_for(self, message: Message) -> Reservation | None:
        """Return the time that an offer speaks of, while it is kept."""
        return self._kept.get(message.dedupe_key.partition("~")[0]) if message.kind == MessageKind.OFFER else None

    @cached_property
    def questions(self) -> dict[str, Question]:
        return {question.code: question for question in Question.objects.all()}

    def look_ahead(self) -> bool:
        """Read the facts of every course whose gates will be asked, in as many statements as for one."""
        courses = {m.course.pk: m.course for m in self.messages if m.kind in ASKS_GATES and m.course is not None}
        self._facts = roster.courses_facts(list(courses.values())) if courses else {}
        return True

    def answers(self, message: Message, visit: Appointment) -> list[facts.GateAnswer]:
        """Return every gate that is not open for a visit's session on its date, and spacing that is closed."""
        course = message.course
        if course is None:
            return []
        if course.pk not in self._facts:
            self._facts[course.pk] = roster.course_facts(course)
        as_it_stands = self._facts[course.pk]
        session = next(one for one in as_it_stands.sessions if one.id == visit.session.uid)
        return known_ahead(session, visit.on, as_it_stands, roster.today(visit.site, self.now))


def spoken_visits(message: Message) -> list[Spoken]:
    """Return the visits that the message can truthfully speak of now, in their order."""
    speaks_of_live = message.kind in SPEAKS_OF_LIVE_VISITS
    found = [
        Spoken(told.appointment, told.before)
        for told in message.visits.all()
        if (
            told.appointment.state in LIVE and told.appointment.revision == told.revision
            if speaks_of_live
            else told.appointment.state not in LIVE
        )
    ]
    return sorted(found, key=lambda one: (one.appointment.on, one.appointment.at_time, one.appointment.pk))


def why_not(message: Message, visits: Sequence[Spoken], situation: Situation) -> str:
    """Return the reason for which the message must not go, or nothing."""
    return (
        _why_not_to_the_patient(message)
        or _why_not_about_visits(message, visits, situation)
        or _why_not_about_the_course(message, situation)
    )


def _why_not_to_the_patient(message: Message) -> str:
    patient = message.patient
    if patient.deceased_on is not None:
        return "patient_deceased"
    if patient.merged_into_id is not None:
        return "patient_merged"
    if patient.pseudonymised_at is not None:
        return "patient_pseudonymised"
    if patient.mail_opted_out_at is not None and message.kind not in SAFETY:
        return "opted_out"
    return ADDRESS.get(MailState(patient.mail_state), "")


def _why_not_about_visits(message: Message, visits: Sequence[Spoken], situation: Situation) -> str:
    if message.kind in SPEAKS_OF_LIVE_VISITS or message.kind == MessageKind.CANCELLED:
        if not visits:
            told = [told.appointment.state in LIVE for told in message.visits.all()]
            return "visit_moved" if any(told) else "visit_not_live"
        if all(visit.appointment.during.lower <= situation.now for visit in visits):
            return "visit_begun"
    if message.kind in ASKS_GATES:
        (visit,) = visits
        answers = situation.answers(message, visit.appointment)
        if closed := [answer for answer in answers if refuses(answer, facts.Moment.MESSAGE)]:
            return _gates_in_short(answer.code for answer in closed)
    return ""


def _gates_in_short(codes: Iterable[str]) -> str:
    """Return a reason that names as many codes as have room, each of them whole: people are told of them in words."""
    reason = GATE_CLOSED + ",".join(dict.fromkeys(codes))
    return reason if len(reason) <= LONGEST_REASON else reason[: LONGEST_REASON + 1].rpartition(",")[0]


def _why_not_about_the_course(message: Message, situation: Situation) -> str:
    course = message.course
    if course is None:
        return ""
    match message.kind:
        case MessageKind.CALL_US if course.pk not in situation.held:
            return "hold_lifted"
        case MessageKind.CHECK | MessageKind.FINISHED if course.pk in situation.stopped:
            return "course_stopped"
        case MessageKind.FINISHED if course.state == CourseState.OPEN or course.pk in situation.going_on:
            return "course_goes_on"
    if message.kind in INVITES:
        return _why_not_invited(message, situation)
    return ""


def _why_not_invited(message: Message, situation: Situation) -> str:
    course, session = message.course, message.session
    if course is None or course.state != CourseState.OPEN:
        return "course_over"
    if session is not None and session.state != SessionState.OPEN:
        return "session_not_open"
    if session is not None and session.pk in situation.booked and message.kind != MessageKind.OFFER:
        return "booked"
    if course.pk in situation.held:
        return "course_on_hold"
    if message.kind == MessageKind.OFFER and situation.kept_for(message) is None:
        return "reservation_expired"
    return ""


def questions_to_ask(answers: Iterable[facts.GateAnswer], situation: Situation, language: str) -> list[str]:
    """Return what the preparation mail asks: the questions whose answers fall due before the visit."""
    due = [answer.subject for answer in answers if answer.state is facts.GateState.PENDING and answer.subject]
    asked = [situation.questions[code] for code in dict.fromkeys(due) if code in situation.questions]
    return [question.text_in(language) for question in asked]
