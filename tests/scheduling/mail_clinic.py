"""Rows for the tests of messages: a small clinic whose courses and visits are simply there."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from email.message import EmailMessage
from typing import Any

from clinic import localtime
from clinic.models import Site
from patients.models import Answer, Patient, Question
from scheduling.models import (
    Appointment,
    Course,
    FollowUp,
    Hold,
    Message,
    MessagePolicy,
    Protocol,
    ProtocolVersion,
    Resource,
    RiskRule,
    Session,
    Spacing,
    Step,
    StepGate,
)

NOW = datetime(2027, 1, 4, 10, 0, tzinfo=UTC)  # a Monday
NUMBERS = itertools.count(1)
USUAL_RULES = (
    ("preparation", 7, 14),
    ("reminder", 3, None),
    ("reminder", 1, None),
    ("recall", 0, None),
    ("overdue", 0, None),
    ("finished", 0, None),
)


@dataclass
class MailClinic:
    """One site, one approved version of three treatments, one practitioner."""

    zone: str = "Europe/London"
    rules: tuple[tuple[str, int, int | None], ...] = USUAL_RULES
    site_fields: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        number = next(NUMBERS)
        defaults = {
            "sender_name": "Harbour Clinic",
            "sender_email": "desk@harbour.example",
            "phone": "+44 20 7946 0000",
            "address": "1 Harbour Street\nLondon",
        }
        self.site = Site.objects.create(
            name=f"Harbour Street {number}", zone=self.zone, country="GB", **defaults | self.site_fields
        )
        self.site.refresh_from_db()
        self.protocol = Protocol.objects.create(key=f"veins-{number}", name="Microsclerotherapy of spider veins")
        self.version = ProtocolVersion.objects.create(
            protocol=self.protocol, number=1, state="approved", consent_at="", created_at=NOW
        )
        self.step = Step.objects.create(
            version=self.version, position=1, key="treatment", name="Injection", kind="treatment", sessions=3,
            lead_role="injector",
        )  # fmt: skip
        Spacing.objects.create(
            step=self.step, reference="previous", minimum="4 weeks", target="1 month", overdue="12 weeks"
        )
        StepGate.objects.create(step=self.step, name="answers")
        self.question, _ = Question.objects.get_or_create(
            code="pregnancy",
            defaults={"text": "Are you pregnant?", "texts": {"de": "Sind Sie schwanger?"}, "choices": ["no", "yes"]},
        )
        self.risk = RiskRule.objects.create(
            version=self.version, question=self.question, severity="absolute", valid_days=365, refused_answers=["yes"]
        )
        for kind, days, ahead in self.rules:
            MessagePolicy.objects.create(version=self.version, kind=kind, days=days, booked_ahead_days=ahead)
        self.lead = Resource.objects.create(kind="practitioner", name=f"Nurse {number}")

    def patient(self, given: str = "Zoë", family: str = "Müller", **fields: Any) -> Patient:
        details = {"email": f"patient{next(NUMBERS)}@example.org", "mail_state": "ok", "registered_at": NOW} | fields
        patient = Patient.objects.create(
            given_name=given, family_name=family, search_name=f"{given} {family}".lower(), **details
        )
        self.answer(patient, "no")
        return patient

    def answer(self, patient: Patient, value: str, *, given_on: date = date(2027, 1, 4)) -> Answer:
        return Answer.objects.create(
            patient=patient, question=self.question, value=value, given_on=given_on, recorded_at=NOW
        )

    def course(self, patient: Patient | None = None, *, sessions: int = 3, **fields: Any) -> Course:
        details = {"started_at": NOW, "started_on": date(2027, 1, 4)} | fields
        course = Course.objects.create(
            patient=patient or self.patient(), version=self.version, site=self.site, **details
        )
        Session.objects.bulk_create(
            [
                Session(course=course, position=position, step_key="treatment", step=self.step)
                for position in range(1, sessions + 1)
            ]
        )
        return course

    def visit(
        self,
        session: Session,
        on: str | date,
        at: str = "10:30",
        *,
        minutes: int = 45,
        booked_at: datetime = NOW,
        fold: int = 0,
        **fields: Any,
    ) -> Appointment:
        on = date.fromisoformat(on) if isinstance(on, str) else on
        starts_at = localtime.instant(on, time.fromisoformat(at), self.zone, fold=fold)
        visit = Appointment.objects.create(
            session=session,
            patient=session.course.patient,
            site=self.site,
            lead=self.lead,
            on=on,
            at_time=time.fromisoformat(at),
            fold=fold,
            zone=self.zone,
            minutes=minutes,
            during=(starts_at, starts_at + timedelta(minutes=minutes)),
            calendar_uid=f"visit-{next(NUMBERS)}@harbour.example",
            booked_at=booked_at,
            **fields,
        )
        visit.refresh_from_db()
        return visit

    def booked(self, *days: str, patient: Patient | None = None, booked_at: datetime = NOW) -> list[Appointment]:
        """A course with a visit on each of the days."""
        course = self.course(patient, sessions=max(len(days), 1))
        return [
            self.visit(session, on, booked_at=booked_at)
            for session, on in zip(course.sessions.order_by("position"), days, strict=True)
        ]


def moved(visit: Appointment, on: str, at: str) -> tuple[Appointment, dict[str, Any]]:
    """Move a visit as booking does, and return it with where it was."""
    before = {"on": visit.on.isoformat(), "at": f"{visit.at_time:%H:%M}", "zone": visit.zone}
    visit.on, visit.at_time = date.fromisoformat(on), time.fromisoformat(at)
    starts_at = localtime.instant(visit.on, visit.at_time, visit.zone)
    visit.during = (starts_at, starts_at + timedelta(minutes=visit.minutes))
    visit.revision += 1
    visit.calendar_sequence += 1
    visit.save(update_fields=["on", "at_time", "during", "revision", "calendar_sequence"])
    visit.refresh_from_db()
    return visit, before


def cancelled(visit: Appointment, now: datetime = NOW) -> Appointment:
    """Cancel a visit as booking does."""
    Appointment.objects.filter(pk=visit.pk).update(
        state="cancelled", cancelled_at=now, cancel_reason="patient_busy", cancel_asked_by="patient",
        revision=visit.revision + 1,
    )  # fmt: skip
    visit.refresh_from_db()
    return visit


def performed(session: Session, on: str) -> Session:
    """Perform a session as booking does."""
    Appointment.objects.live().filter(session=session).update(state="performed")
    Session.objects.filter(pk=session.pk).update(state="performed", performed_on=on)
    return Session.objects.get(pk=session.pk)


def due_for_recall(clinic: MailClinic) -> Course:
    """The first of three sessions performed on 4 January: the window opens on 1 February, overdue on 29 March."""
    course = clinic.course()
    first, second, _third = course.sessions.order_by("position")
    performed(first, "2027-01-04")
    Session.objects.filter(pk=second.pk).update(earliest_on="2027-02-01", overdue_on="2027-03-29")
    return course


def hold(course: Course, code: str = "clinician") -> Hold:
    return Hold.objects.create(course=course, code=code, reason="to be looked at", placed_at=NOW)


def follow_up(clinic: MailClinic, after: str = "2 weeks", **fields: Any) -> FollowUp:
    details = {"key": "trapped_blood", "kind": "message", "name": "Is everything fine?"} | fields
    return FollowUp.objects.create(version=clinic.version, step=clinic.step, after=after, **details)


def words_of(mail: EmailMessage) -> str:
    """Return the text of a mail."""
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def content_of(message: Message) -> bytes:
    """Return the frozen bytes of a message."""
    assert message.content is not None
    return bytes(message.content)


def outbox_rows(**which: Any) -> list[tuple[str, str, str]]:
    """Kind, state (with reason) and local due time of messages, in the order in which they are due."""
    return [
        (
            message.kind,
            f"{message.state}: {message.state_reason}" if message.state_reason else message.state,
            f"{localtime.wall(message.due_at, message.site.zone):%Y-%m-%d %H:%M}",
        )
        for message in Message.objects.filter(**which).select_related("site").order_by("due_at", "id")
    ]
