"""Builders: say what matters, get defaults for the rest. Everything is written through the project's own acts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any

from clinic.models import Role, Site, SiteRole, User
from patients import records
from patients.models import Area, Complication, Patient, Question
from scheduling import booking, intake, outbox, protocols, visits
from scheduling.models import (
    Appointment,
    Capability,
    Course,
    Hours,
    MessageText,
    Move,
    Override,
    Proposal,
    Protocol,
    ProtocolVersion,
    Resource,
    ResourceCapability,
    Session,
)
from scheduling.planner import facts
from tests import shelf

PASSWORD = "correct horse battery staple"
MONDAY = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)  # 8 in the morning in London too
MORNING, AFTERNOON = (time(9), time(12, 30)), (time(13, 15), time(17))
# What microsclerotherapy needs: each capability, and the kind of resource that has it.
STAFF = {
    "sclerotherapy": "practitioner",
    "treatment_room": "room",
    "walking_supervision": "practitioner",
    "vein_assessment": "practitioner",
    "consulting_room": "room",
}
NUMBERS = itertools.count(1)
# By the ends of their capability codes; whatever else is needed is a person.
NOT_PEOPLE = {"room": ("_room", "_area", "_place", "_cubicle", "_chair"), "device": ("_laser", "_lamp", "_kit")}


def site(name: str = "", zone: str = "Europe/London", **fields: Any) -> Site:
    name = name or f"Harbour Street {next(NUMBERS)}"
    defaults = {
        "country": "GB",
        "sender_name": "Harbour Clinic",
        "sender_email": "front.desk@harbour.example",
        "phone": "+44 20 7946 0000",
        "address": "1 Harbour Street, London",
    }
    return Site.objects.create(name=name, zone=zone, **{**defaults, **fields})


def user(*roles: Role, at: Site | Iterable[Site] = (), **fields: Any) -> User:
    """A person who signs in with PASSWORD and has the roles at the site (or sites)."""
    number = next(NUMBERS)
    details = {"name": f"Person {number}", "email": f"person{number}@harbour.example", "is_staff": True} | fields
    made = User.objects.create_user(password=PASSWORD, **details)
    places = [at] if isinstance(at, Site) else list(at)
    SiteRole.objects.bulk_create([SiteRole(user=made, site=place, role=role) for place in places for role in roles])
    return made


def resource(*capabilities: str, at: Site, kind: str = "practitioner", name: str = "", **details: Any) -> Resource:
    """Someone or something on duty Monday to Friday, with lunch."""
    (made,) = resources((kind, name, capabilities), at=at, **details)
    return made


def resources(
    *wanted: tuple[str, str, Sequence[str]],
    at: Site,
    hours: Sequence[tuple[time, time]] = (MORNING, AFTERNOON),
    weekdays: Iterable[int] = range(5),
    **fields: Any,
) -> list[Resource]:
    """Several of them, each by its kind, name and capabilities, in as many statements as one."""
    made = Resource.objects.bulk_create(
        Resource(kind=kind, name=name or f"{kind.title()} {next(NUMBERS)}", **fields) for kind, name, _ in wanted
    )
    codes = dict.fromkeys(code for _, _, capabilities in wanted for code in capabilities)
    known = Capability.objects.in_bulk(list(codes), field_name="code")
    for new in Capability.objects.bulk_create(
        Capability(code=code, name=code.replace("_", " ")) for code in codes if code not in known
    ):
        known[new.code] = new
    ResourceCapability.objects.bulk_create(
        ResourceCapability(resource=one, capability=known[code])
        for one, (_, _, capabilities) in zip(made, wanted, strict=True)
        for code in capabilities
    )
    days = list(weekdays)
    Hours.objects.bulk_create(
        Hours(
            resource=one,
            site=at,
            weekday=weekday,
            from_time=from_time,
            until_time=until_time,
            valid_from=date(2020, 1, 1),
        )
        for one in made
        for weekday in days
        for from_time, until_time in hours
    )
    return made


def patient(name: str = "", **fields: Any) -> Patient:
    given, _, family = (name or f"Maria Sørensen {next(NUMBERS)}").rpartition(" ")
    details = {"born_on": date(1980, 5, 17), "email": "maria@example.org", "agrees_to_mail": True} | fields
    return records.register(
        records.PatientDetails(given_name=given, family_name=family, **details), by=None, now=MONDAY
    )


def shipped_protocol(key: str = "microsclerotherapy") -> ProtocolVersion:
    """Return a protocol that ships with the project, approved."""
    approved = ProtocolVersion.objects.filter(protocol__key=key, state="approved")
    found = approved.first()
    if found is None:
        tables = [model.objects.all() for model in (Protocol, Question, Area, Complication, Capability)]
        shelf.written_once(f"protocol {key}", lambda: _load_shipped(key), unless=tables)
        found = approved.get()
    return found


def _load_shipped(key: str) -> None:
    protocols.load_vocabulary_file()
    approver = user(is_superuser=True)
    protocols.load(protocols.shipped(key), by=None, now=MONDAY, approve_by=approver)


def message_texts() -> None:
    """Let the shipped texts be stored."""
    shelf.written_once(
        "texts", lambda: outbox.load_texts(now=MONDAY), unless=[MessageText.objects.filter(protocol=None)]
    )


def staff_for(version: ProtocolVersion, at: Site, *, leads: int = 2, others: int = 2) -> dict[str, list[Resource]]:
    """Return resources for everything a protocol needs, by role: `leads` for each lead role, `others` for the rest."""
    codes: dict[str, str] = {}  # by role
    wanted: dict[str, list[tuple[str, str, Sequence[str]]]] = {}
    for step in version.steps.prefetch_related("phases__needs__capability"):
        for phase in step.phases.all():
            for need in phase.needs.all():
                codes[need.role] = code = need.capability.code
                if code not in wanted:
                    kind = next((kind for kind, ends in NOT_PEOPLE.items() if code.endswith(ends)), "practitioner")
                    many = leads if need.role == step.lead_role else others
                    wanted[code] = [(kind, f"{code.replace('_', ' ')} {one + 1}", [code]) for one in range(many)]
    made = iter(resources(*itertools.chain(*wanted.values()), at=at))
    capable = {code: list(itertools.islice(made, len(some))) for code, some in wanted.items()}
    return {role: capable[code] for role, code in codes.items()}


@dataclass
class Clinic:
    """A site where the shipped microsclerotherapy can be booked, the people who work there, and what they do."""

    now: datetime = MONDAY
    key: str = "microsclerotherapy"
    zone: str = "Europe/London"
    leads: int = 2
    site: Site = field(init=False)
    version: ProtocolVersion = field(init=False)
    staff: dict[str, list[Resource]] = field(init=False)

    def __post_init__(self) -> None:
        # Enough for three sessions, and quicker; other protocols need the usual year.
        horizon = {"booking_horizon_days": 150} if self.key == Clinic.key else {}
        self.site = site(zone=self.zone, **horizon)
        self.version = shipped_protocol(self.key)
        self.staff = staff_for(self.version, self.site, leads=self.leads)

    @property
    def today(self) -> date:
        return self.now.date()

    @cached_property
    def receptionist(self) -> User:
        return user(Role.RECEPTION, at=self.site)

    @cached_property
    def clinician(self) -> User:
        return user(Role.CLINICIAN, at=self.site)

    @cached_property
    def prescriber(self) -> User:
        return user(Role.PRESCRIBER, at=self.site)

    @cached_property
    def manager(self) -> User:
        return user(Role.MANAGER, at=self.site)

    def wait(self, **length: float) -> Clinic:
        """Move this clinic's clock, which is handed to every act."""
        self.now += timedelta(**length)
        return self

    def areas(self) -> list[Area]:
        return list(self.version.areas.order_by("code")[:1])

    def course(self, patient_: Patient | None = None, **fields: Any) -> Course:
        """A course that is started, and nothing more."""
        details = {"areas": self.areas()} | fields
        return booking.start_course(
            patient_ or patient(), self.version, self.site, by=self.receptionist, now=self.now, **details
        )

    def cleared_course(self, patient_: Patient | None = None, **fields: Any) -> Course:
        """A course whose gates are open for booking: assessed, consented, every question answered well."""
        course = self.course(patient_, **fields)
        self.assess(course)
        self.consent(course)
        self.answer_all(course)
        return Course.objects.get(pk=course.pk)

    def booked_course(self, patient_: Patient | None = None, **fields: Any) -> Course:
        """A course with every session that is planned with it booked by the cheapest plan."""
        course = self.cleared_course(patient_, **fields)
        self.book(course)
        return course

    def assess(self, course: Course, **fields: Any) -> None:
        details = {"assessed_on": self.today, "is_suitable": True, "reflux": "none_found"} | fields
        intake.assess(
            course.patient,
            course.version.protocol,
            intake.AssessmentInput(**details),
            site=self.site,
            by=self.clinician,
            now=self.now,
        )

    def consent(self, course: Course, **fields: Any) -> None:
        text = next(text for text in protocols.consent_texts_of(course.version) if text.language == "en")
        details = {"informed_on": self.today, "signed_on": self.today} | fields
        intake.record_consent(course, intake.ConsentInput(text=text, **details), by=self.clinician, now=self.now)

    def answer_all(self, course: Course, **values: str) -> None:
        """Answer every risk question well, but for those named."""
        good = {
            rule.question.code: next(choice for choice in rule.question.choices if choice not in rule.refused_answers)
            for rule in course.version.risk_rules.select_related("question")
        }
        intake.answer_all(course.patient, good | values, given_on=self.today, by=self.receptionist, now=self.now)

    def override(self, course: Course, **changes: Any) -> Override:
        """A prescriber's override of the pill for the whole course, for three months, or of what is said."""
        details: dict[str, Any] = {
            "session": None,
            "rule": "risk_relative",
            "subject": "contraceptive_pill",
            "reason": "stopped the pill a month ago",
            "expires_on": self.today + timedelta(days=90),
            "by": self.prescriber,
            "now": self.now,
        } | changes
        return intake.override(course, **details)

    def propose(self, course: Course) -> facts.Plan:
        """The cheapest plan."""
        return booking.propose_course(course, now=self.now)[0].plan

    def book(self, course: Course) -> list[Appointment]:
        slots = [planned.slot for planned in self.propose(course).sessions if not planned.pinned]
        return visits.book_course(course, slots, by=self.receptionist, now=self.now)

    def move(self, visit: Appointment, **changes: str) -> tuple[Appointment, Proposal | None]:
        """Move a visit to its slot with these changes."""
        (new,) = booking.slots_from([slot(visit, **changes)], visit.session.course)
        return visits.move(visit, new, by=self.receptionist, now=self.now, reason="asked by phone")

    def perform(self, session: Session, **fields: Any) -> visits.PerformResult:
        details = {"performed_on": self.today, "outcome": visits.OutcomeInput("ok")} | fields
        return visits.perform(session, visits.Performed(**details), by=self.clinician, now=self.now)


def sessions_of(course: Course) -> list[Session]:
    """The sessions that are planned with the course, in order."""
    return list(course.sessions.filter(step__planned_with_course=True).order_by("position"))


def visits_of(course: Course) -> list[Appointment]:
    return list(Appointment.objects.live().filter(session__course=course).order_by("on"))


def slot(appointment: Appointment, **changes: Any) -> dict[str, Any]:
    """A live visit as the JSON that edges show and post back, with changes."""
    from scheduling import roster

    return booking.slot_as_data(roster.slot_of(appointment), appointment.site) | changes


__all__ = ["MONDAY", "PASSWORD", "Clinic", "facts"]


def move_to(proposal: Proposal, visit: Appointment, to_slot: dict[str, Any], **fields: Any) -> Move:
    """Propose another time for a visit as it stands."""
    return Move.objects.create(
        proposal=proposal,
        session=visit.session,
        appointment=visit,
        appointment_revision=visit.revision,
        to_slot=to_slot,
        **fields,
    )
