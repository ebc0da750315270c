"""What happens to patients: each story yields the moment at which it goes on, and is told when that has come.

Stories of all patients are told together, in the order of time (`scheduling.demo.telling`), and end where the present
begins: whatever they had still to tell has not happened yet. That is how courses come to be in every state.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime, timedelta

from clinic import localtime
from patients import records
from patients.models import Patient
from scheduling import dossier, holds, intake, replanning, visits
from scheduling.models import Appointment, AppointmentState, CancelReason, Consent, Course, Outcome
from scheduling.models.appointments import AskedBy
from scheduling.planner import facts

from .desk import Desk, sessions_left, visits_left, with_all
from .place import VACCINE, VEINS

Story = Generator[datetime, datetime, None]
Teller = Callable[[Desk, Patient], Story]

FIVE_MINUTES = timedelta(minutes=5)


def _admit(desk: Desk, patient: Patient, key: str, now: datetime, wishes: facts.Wishes | None = None) -> Course:
    """Assess, consent, ask everything: a course that can be booked ten minutes later."""
    site = desk.site_for(patient, key)
    desk.assess(patient, key, site, now)
    desk.ask(patient, key, site, now)
    course = desk.start(patient, key, site, now + FIVE_MINUTES, wishes)
    if key != VACCINE:  # vaccinations are consented to at the visit
        desk.consent(course, now + FIVE_MINUTES)
    return course


def _booked(
    desk: Desk, patient: Patient, key: str, days: int, first_in: int, wishes: facts.Wishes | None = None
) -> Generator[datetime, datetime, Course]:
    """A course that was booked whole, its first visit on an open day so many days from today."""
    now = yield desk.moment(desk.site_for(patient, key), days)
    course = _admit(desk, patient, key, now, wishes)
    desk.book(course, desk.place.open_day(course.site, first_in), now + 2 * FIVE_MINUTES)
    return course


def _attend(desk: Desk, course: Course) -> Story:
    """Come to every visit that is booked, on time."""
    while left := visits_left(course):
        visit = left[0]
        now = yield visit.during.upper + FIVE_MINUTES
        if visit.session.position == 1 and not Consent.objects.filter(course=course).exists():
            desk.consent(course, now)
        desk.perform(visit.session, now, on=visit.on)


# --- courses that go as they should ---------------------------------------------------------------------------------


def started(desk: Desk, patient: Patient, *, key: str, days: int) -> Story:
    """Started, and nobody has assessed the patient yet."""
    site = desk.site_for(patient, key)
    now = yield desk.moment(site, days)
    desk.start(patient, key, site, now)


def assessed(desk: Desk, patient: Patient, *, key: str, days: int, reflux: str = "none_found") -> Story:
    """Assessed; the consent is at home with the patient."""
    site = desk.site_for(patient, key)
    now = yield desk.moment(site, days)
    desk.assess(patient, key, site, now, reflux=reflux)
    course = desk.start(patient, key, site, now + FIVE_MINUTES)
    if days % 2:
        desk.consent(course, now + FIVE_MINUTES, signed=False)


def waits_for_answers(desk: Desk, patient: Patient, *, key: str, days: int) -> Story:
    """Assessed and consented; the health questions have not come back."""
    site = desk.site_for(patient, key)
    now = yield desk.moment(site, days)
    desk.assess(patient, key, site, now)
    course = desk.start(patient, key, site, now + FIVE_MINUTES)
    desk.consent(course, now + FIVE_MINUTES)


def life(desk: Desk, patient: Patient, *, key: str, days: int, first_in: int) -> Story:
    """A course from beginning to end; how far it has come depends on when it began."""
    course = yield from _booked(desk, patient, key, days, first_in)
    yield from _attend(desk, course)
    for last in sessions_left(course):  # a final review, where the protocol has one
        now = yield desk.moment(course.site, first_in + 140)
        desk.perform(last, now, result=None)


def today(desk: Desk, patient: Patient, *, key: str, who: str, from_hour: int = 0) -> Story:
    """Booked a few days ago for today, with a practitioner of whom the patient has heard."""
    site = desk.site_for(patient, key)
    is_there = desk.place.is_at_work(who, site, desk.place.open_day(site, 0))
    wishes = facts.Wishes(
        from_minute=from_hour * 60 if is_there else 0,
        practitioner=desk.place.practitioners[who].uid if is_there else None,
    )
    yield from _booked(desk, patient, key, -3, 0, wishes)


def history(desk: Desk, patient: Patient, *, key: str, days: tuple[int, ...]) -> Story:
    """Sessions that took place, without appointments: what a clinic brings along from its last system."""
    site = desk.site_for(patient, key)
    now = yield desk.moment(site, days[0])
    desk.assess(patient, key, site, now)
    course = desk.start(patient, key, site, now + FIVE_MINUTES)
    for session, at in zip(sessions_left(course), days[1:], strict=False):
        now = yield max(desk.moment(site, at), now + 2 * FIVE_MINUTES)
        desk.perform(session, now, result=None if session.step_key == "final_review" else "ok")


def override(desk: Desk, patient: Patient, *, key: str, days: int, first_in: int) -> Story:
    """A relative contraindication that the prescriber has weighed and silenced."""
    site = desk.site_for(patient, key)
    now = yield desk.moment(site, days)
    desk.assess(patient, key, site, now)
    desk.ask(patient, key, site, now, contraceptive_pill="yes")
    course = desk.start(patient, key, site, now + FIVE_MINUTES)
    desk.consent(course, now + FIVE_MINUTES)
    intake.override(
        course,
        session=None,
        rule="risk_relative",
        subject="contraceptive_pill",
        reason="Low-dose pill for years, no other risk factor, stockings agreed; risk explained.",
        expires_on=desk.place.today(site) + timedelta(days=200),
        by=desk.prescriber(site),
        now=now + FIVE_MINUTES,
    )
    desk.book(course, desk.place.open_day(site, first_in), now + 2 * FIVE_MINUTES)
    yield from _attend(desk, course)


def just_booked(desk: Desk, patient: Patient, *, key: str, first_in: int) -> Story:
    """Booked a minute ago: the confirmation is about to leave."""
    now = yield desk.place.now - timedelta(minutes=30)
    course = _admit(desk, patient, key, now)
    now = yield desk.place.now - timedelta(minutes=1)
    desk.book(course, desk.place.open_day(course.site, first_in), now)


# --- what gets in the way -------------------------------------------------------------------------------------------


def bad_answer(desk: Desk, patient: Patient, *, key: str, question: str, days: int, first_in: int) -> Story:
    """An answer speaks against the treatment: on hold, with visits booked."""
    course = yield from _booked(desk, patient, key, days, first_in)
    now = yield desk.moment(course.site, -1)
    desk.note(patient, {question: "yes"}, course.site, now)


def review(desk: Desk, patient: Patient, *, key: str, first_in: int, cleared_in: int | None = None) -> Story:
    """The first session was not all right: on hold until a clinician has looked."""
    course = yield from _booked(desk, patient, key, first_in - 6, first_in)
    visit = visits_left(course)[0]
    now = yield visit.during.upper + FIVE_MINUTES
    seen = ["blister" if key == VEINS else "spreading_redness"]
    done = desk.perform(visit.session, now, on=visit.on, result="review", complications=seen, notes="See again first.")
    if cleared_in is not None:
        now = yield desk.moment(course.site, cleared_in)
        outcome = Outcome.objects.select_related("session__course__site").get(session=done.session)
        visits.clear_review(outcome, note="Healed without a mark.", by=desk.clinician(course.site), now=now)
        yield from _attend(desk, course)


def stopped(desk: Desk, patient: Patient, *, key: str, first_in: int) -> Story:
    """The clinician stopped the course after the first session."""
    course = yield from _booked(desk, patient, key, first_in - 6, first_in)
    visit = visits_left(course)[0]
    now = yield visit.during.upper + FIVE_MINUTES
    desk.perform(visit.session, now, on=visit.on, result="stop", complications=["allergic_reaction"])


def paused(desk: Desk, patient: Patient, *, key: str, days: int, first_in: int, lifted_in: int | None) -> Story:
    """The front desk holds the course for a while."""
    course = yield from _booked(desk, patient, key, days, first_in)
    now = yield desk.moment(course.site, days + 5)
    hold = holds.place(course, code="patient_away", reason="Abroad; calls when back.", by=desk.receptionist, now=now)
    if lifted_in is not None:
        now = yield desk.moment(course.site, lifted_in)
        holds.lift(hold, reason="Back again.", by=desk.clinician(course.site), now=now)


def late(desk: Desk, patient: Patient, *, key: str, first_in: int, by_days: int, then: str = "") -> Story:
    """The first session took place days late, so that the next visits come too soon: a proposal."""
    course = yield from _booked(desk, patient, key, first_in - 12, first_in)
    visit = visits_left(course)[0]
    now = yield desk.moment(course.site, first_in + by_days)
    proposal = desk.perform(visit.session, now).proposal
    if proposal is not None and then:
        decide = replanning.apply if then == "apply" else replanning.discard
        decide(proposal, by=desk.receptionist, now=now + 2 * FIVE_MINUTES)
        yield from _attend(desk, course)


def missed(desk: Desk, patient: Patient, *, key: str, first_in: int) -> Story:
    """The patient did not come."""
    course = yield from _booked(desk, patient, key, first_in - 9, first_in)
    visit = visits_left(course)[0]
    now = yield visit.during.lower + timedelta(minutes=30)
    visits.miss(visit, by=desk.receptionist, now=now)


def cancelled(desk: Desk, patient: Patient, *, key: str, days: int, first_in: int, which: int) -> Story:
    """The patient cannot come to one of the visits, and has not chosen another time."""
    course = yield from _booked(desk, patient, key, days, first_in)
    now = yield desk.moment(course.site, -1)
    visit = visits_left(course)[which]
    reason = CancelReason.PATIENT_ILL if which == 0 else CancelReason.PATIENT_BUSY
    visits.cancel(visit, reason=reason, asked_by=AskedBy.PATIENT, by=desk.receptionist, now=now)


def moved(desk: Desk, patient: Patient, *, key: str, days: int, first_in: int) -> Story:
    """The patient asked for another time, and got it a moment ago."""
    course = yield from _booked(desk, patient, key, days, first_in)
    now = yield desk.place.now - timedelta(minutes=2)
    visit = visits_left(course)[0]
    times = visits.free_times(
        visit.session, first_on=visit.on + timedelta(days=1), last_on=visit.on + timedelta(days=9), now=now, limit=8
    )
    if times:
        visits.move(visit, times[-1].slot, reason="Asked for a later day.", by=desk.receptionist, now=now)


def unclosed(desk: Desk, patient: Patient, *, key: str, first_in: int) -> Story:
    """The visit is over, and nobody has said what became of it."""
    yield from _booked(desk, patient, key, first_in - 8, first_in)


def outcome_missing(desk: Desk, patient: Patient, *, key: str, first_in: int) -> Story:
    """The session took place; its outcome is still to be written down."""
    course = yield from _booked(desk, patient, key, first_in - 8, first_in)
    visit = visits_left(course)[0]
    now = yield visit.during.upper + FIVE_MINUTES
    desk.perform(visit.session, now, on=visit.on, result=None)


# --- how courses end ------------------------------------------------------------------------------------------------


def ended(desk: Desk, patient: Patient, *, key: str, days: int, first_in: int, ends_in: int, reason: str) -> Story:
    """The course ended before its time; its visits were cancelled."""
    course = yield from _booked(desk, patient, key, days, first_in)
    now = yield desk.moment(course.site, ends_in)
    visits.end_course(course, reason=reason, asked_by=AskedBy.PATIENT, by=desk.receptionist, now=now)


def gave_up(desk: Desk, patient: Patient, *, key: str, days: int, reason: str) -> Story:
    """Started, and ended weeks later before anything was booked."""
    site = desk.site_for(patient, key)
    now = yield desk.moment(site, days)
    course = desk.start(patient, key, site, now)
    now = yield desk.moment(site, days + 31)
    visits.end_course(course, reason=reason, asked_by=AskedBy.PATIENT, by=desk.receptionist, now=now)


def unsuitable(desk: Desk, patient: Patient, *, key: str, days: int) -> Story:
    """Assessed as not suitable: the course ended where it began."""
    site = desk.site_for(patient, key)
    now = yield desk.moment(site, days)
    desk.assess(patient, key, site, now, suitable=False)
    course = desk.start(patient, key, site, now + FIVE_MINUTES)
    visits.end_course(course, reason="Not suitable for this treatment.", by=desk.receptionist, now=now + FIVE_MINUTES)


def died(desk: Desk, patient: Patient, *, key: str, days: int, first_in: int, ends_in: int) -> Story:
    """The patient has died; nothing more is sent."""
    course = yield from _booked(desk, patient, key, days, first_in)
    now = yield desk.moment(course.site, ends_in)
    dossier.record_death(patient, desk.place.open_day(course.site, ends_in - 2), by=desk.receptionist, now=now)


def withdrawn(desk: Desk, patient: Patient, *, key: str, days: int, first_in: int) -> Story:
    """The patient takes the consent back: on hold."""
    course = yield from _booked(desk, patient, key, days, first_in)
    now = yield desk.moment(course.site, -1)
    consent = Consent.objects.select_related("course__site").get(course=course)
    intake.withdraw_consent(
        consent, on=desk.place.open_day(course.site, -1), cancel_visits=False, by=desk.receptionist, now=now
    )


# --- what becomes of mail -------------------------------------------------------------------------------------------


def bounced(desk: Desk, patient: Patient, *, key: str, days: int, first_in: int) -> Story:
    """The confirmation comes back: the address is marked, and nothing more is sent to it."""
    desk.address_has_gone(patient)
    course = yield from _booked(desk, patient, key, days, first_in)
    now = yield desk.moment(course.site, days + 4)
    desk.note_bounce(patient, now)


def opted_out(desk: Desk, patient: Patient, *, key: str, days: int, first_in: int) -> Story:
    """The patient wants no mail."""
    course = yield from _booked(desk, patient, key, days, first_in)
    now = yield desk.moment(course.site, days + 3)
    records.opt_out(patient, now=now)
    yield from _attend(desk, course)


# --- the day itself -------------------------------------------------------------------------------------------------


def open_the_day(desk: Desk) -> None:
    """Bring today's visits to where the clock is: what is over took place, somebody has arrived, others are awaited.

    Some of those who come next have said that they will.
    """
    for site in desk.place.sites.values():
        on = desk.place.today(site)
        now = max(desk.place.now - timedelta(minutes=4), localtime.first_instant(on, site.zone))
        booked = Appointment.objects.filter(site=site, on=on, state=AppointmentState.BOOKED)
        over, awaited = over_and_awaited(list(with_all(booked).order_by("during", "patient__search_name")), now)
        for visit in over:
            desk.perform(visit.session, now, on=visit.on)
        next((visit for visit in awaited if desk.check_in(visit, now)), None)
        coming = Appointment.objects.filter(site=site, on__gt=on, state=AppointmentState.BOOKED)
        for visit in with_all(coming).order_by("during", "patient__search_name")[:8:2]:
            visits.confirm(visit, by=desk.receptionist, now=now)


def over_and_awaited(visits_today: list[Appointment], now: datetime) -> tuple[list[Appointment], list[Appointment]]:
    """Part the day's visits, but for the last, which is left alone; the last two are never over.

    A long visit is still under way when a shorter one that began after it is over.
    """
    over = [visit for visit in visits_today[:-2] if visit.during.upper <= now]
    return over, [visit for visit in visits_today[:-1] if visit not in over]
