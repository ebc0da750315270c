"""What the demo's staff do, an act or a few at a time, at the moment of the story."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random

from django.db.models import QuerySet

from clinic import localtime
from clinic.models import Site, User
from patients import records
from patients.models import Area, MailState, Patient
from scheduling import booking, intake, protocols, roster, visits
from scheduling.models import Appointment, Consent, Course, ProtocolVersion, Session, SessionState
from scheduling.planner import facts, search

from .place import BERLIN, LASER, LONDON, VACCINE, VEINS, Place
from .post import Post

# How far a plan looks: enough for the protocol, and less to search than the site's whole booking horizon.
HORIZON_DAYS = {VEINS: 160, LASER: 330, VACCINE: 280}
PRODUCTS = {
    VEINS: ("sodium tetradecyl sulfate 0.2 %", "STS-24-{}", "mL"),
    LASER: ("", "", ""),
    VACCINE: ("hepatitis B vaccine 20 µg", "HBV-{}", "mL"),
}
EXPECTED = {
    VEINS: ("redness", "bruise", "darker_veins", "lump"),
    LASER: ("redness", "shedding"),
    VACCINE: ("sore_arm",),
}


class Desk:
    """The staff of both sites. Every method is told the moment, and calls the acts as an edge would."""

    def __init__(self, place: Place, post: Post, random: Random) -> None:
        self.place, self.post, self.random = place, post, random
        self._areas = {
            key: list(version.areas.exclude(region="leg") if key == LASER else version.areas.all())
            for key, version in place.versions.items()
        }
        self._consent_texts = {key: protocols.consent_texts_of(version)[0] for key, version in place.versions.items()}

    # --- who ----------------------------------------------------------------------------------------------------------

    @property
    def receptionist(self) -> User:
        return self.place.users["reception"]

    def clinician(self, site: Site) -> User:
        return self.place.users["clinician" if site == self.place.site(LONDON) else "ayse"]

    def prescriber(self, site: Site) -> User:
        return self.place.users["prescriber" if site == self.place.site(LONDON) else "jonas"]

    def site_for(self, patient: Patient, key: str) -> Site:
        """Return where the patient is treated: the laser stands in London, the rest is done at both sites."""
        if key == LASER or patient.site is None:
            return self.place.site(LONDON)
        return self.place.site(BERLIN) if patient.site == self.place.site(BERLIN) else self.place.site(LONDON)

    def moment(self, site: Site, days: int) -> datetime:
        """Return some time within the hours of the open day that lies so many days from today."""
        at_time = time(self.random.randint(9, 15), self.random.randrange(0, 60, 5))
        return localtime.instant(self.place.open_day(site, days), at_time, site.zone)

    # --- before a course ----------------------------------------------------------------------------------------------

    def start(
        self, patient: Patient, key: str, site: Site, now: datetime, wishes: facts.Wishes | None = None
    ) -> Course:
        return booking.start_course(
            patient,
            self.version(key),
            site,
            areas=self._some_areas(key),
            wishes=wishes or facts.Wishes(),
            by=self.receptionist,
            now=now,
        )

    def version(self, key: str) -> ProtocolVersion:
        return self.place.versions[key]

    def _some_areas(self, key: str) -> list[Area]:
        areas = self._areas[key]
        return self.random.sample(areas, self.random.randint(1, 3)) if areas else []

    def assess(
        self,
        patient: Patient,
        key: str,
        site: Site,
        now: datetime,
        *,
        suitable: bool = True,
        reflux: str = "none_found",
    ) -> None:
        """Record an assessment, for protocols that ask for one."""
        if key == VACCINE:
            return
        found = intake.AssessmentInput(
            roster.today(site, now), suitable, reflux, risks_explained=True, expectations_discussed=True
        )
        protocol = self.version(key).protocol
        intake.assess(patient, protocol, found, site=site, by=self.prescriber(site), now=now)

    def consent(self, course: Course, now: datetime, *, signed: bool = True) -> Consent:
        on = roster.today(course.site, now)
        text = self._consent_texts[course.version.protocol.key]
        given = intake.ConsentInput(text=text, informed_on=on, signed_on=on if signed else None)
        return intake.record_consent(course, given, by=self.prescriber(course.site), now=now)

    def ask(self, patient: Patient, key: str, site: Site, now: datetime, **answers: str) -> None:
        """Ask the protocol's questions; all is well, but for the answers named."""
        rules = self.version(key).risk_rules.select_related("question").order_by("pk")
        well = {
            rule.question.code: next(one for one in rule.question.choices if one not in rule.refused_answers)
            for rule in rules
        }
        self.note(patient, well | answers, site, now)

    def note(self, patient: Patient, answers: Mapping[str, str], site: Site, now: datetime) -> None:
        on = min(roster.today(site, now), records.today_for(patient, now))
        intake.answer_all(patient, answers, given_on=on, by=self.receptionist, now=now)

    # --- visits -------------------------------------------------------------------------------------------------------

    def plan(self, course: Course, first_on: date, now: datetime) -> list[facts.Slot]:
        """Return the cheapest plan whose first visit is not before a date; raises Unplannable."""
        on = roster.today(course.site, now)
        first_on = max(on, first_on)
        horizon = min(
            HORIZON_DAYS[course.version.protocol.key], course.site.booking_horizon_days - (first_on - on).days
        )
        as_it_stands = booking.with_booked_pinned(roster.course_facts(course))
        times = roster.load(course, first_on, first_on + timedelta(days=horizon), now=now)
        plan = search.cheapest_plan(as_it_stands, times, booking.WEIGHTS, today=on)
        return [planned.slot for planned in plan.sessions if not planned.pinned]

    def book(self, course: Course, first_on: date, now: datetime) -> list[Appointment]:
        return visits.book_course(course, self.plan(course, first_on, now), by=self.receptionist, now=now)

    def perform(
        self,
        session: Session,
        now: datetime,
        *,
        on: date | None = None,
        result: str | None = "ok",
        complications: Sequence[str] = (),
        notes: str = "",
    ) -> visits.PerformResult:
        """Record that a session took place; the outcome comes with it, unless the result is None."""
        key, site = session.course.version.protocol.key, session.course.site
        outcome = None if result is None else self._outcome(key, result, complications, notes)
        what = visits.Performed(on or roster.today(site, now), outcome=outcome)
        return visits.perform(session, what, by=self.clinician(site), now=now)

    def _outcome(self, key: str, result: str, complications: Sequence[str], notes: str) -> visits.OutcomeInput:
        product, batch, unit = PRODUCTS[key]
        seen = tuple(complications)
        if not seen and self.random.random() < 0.35:
            seen = (self.random.choice(EXPECTED[key]),)
        amount = Decimal(self.random.randint(4, 24)) / 4 if key == VEINS else Decimal(1)
        return visits.OutcomeInput(
            result,
            complications=seen,
            product=product,
            batch=batch.format(self.random.randint(100, 999)),
            amount=amount if unit else None,
            amount_unit=unit,
            notes=notes,
        )

    def check_in(self, visit: Appointment, now: datetime) -> bool:
        """Ask what is still open for a visit, and check the patient in if that is enough."""
        course = visit.session.course
        gates = visits.gates_at_check_in(course, visit.session, visit.on)
        if any(gate.code.startswith("consent") for gate in gates):
            self.consent(course, now)
        if asked := {gate.subject: "no" for gate in gates if gate.code.startswith("answer")}:
            self.note(visit.patient, asked, visit.site, now)
        if visits.gates_at_check_in(course, visit.session, visit.on):
            return False
        visits.arrive(visit, by=self.receptionist, now=now)
        return True

    # --- mail ---------------------------------------------------------------------------------------------------------

    def address_has_gone(self, patient: Patient) -> None:
        """From now on the patient's mail comes back."""
        self.post.transport.gone.add(patient.email)

    def note_bounce(self, patient: Patient, now: datetime) -> None:
        records.set_mail_state(patient, MailState.BOUNCED, now=now, address=patient.email)


def visits_left(course: Course) -> list[Appointment]:
    """Return the course's live visits by time, read afresh."""
    return list(with_all(Appointment.objects.live().filter(session__course=course)).order_by("during"))


def sessions_left(course: Course) -> list[Session]:
    """Return the course's open sessions in their order, read afresh."""
    left = course.sessions.filter(state=SessionState.OPEN).order_by("position")
    return list(left.select_related("course__site", "course__version__protocol", "step"))


def with_all(appointments: QuerySet[Appointment]) -> QuerySet[Appointment]:
    """Fetch with appointments what acts and stories look at."""
    return appointments.select_related(
        "session__course__site", "session__course__version__protocol", "session__step", "site", "lead", "patient"
    )
