"""What needs a person, and why: read only, a constant number of statements, however many rows there are.

Lists read the windows that booking has stored on sessions; a refusal never does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import (
    Count,
    Exists,
    F,
    Min,
    Model,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Window,
)
from django.db.models.functions import Least
from django.utils.translation import gettext_lazy

from clinic import localtime
from clinic.errors import Problem
from clinic.models import Site
from patients.models import Patient

from . import holds, reexamination, roster, wording
from .models import (
    Appointment,
    AppointmentState,
    Course,
    CourseState,
    FollowUpTask,
    FreedTime,
    Hold,
    Message,
    MessageState,
    Move,
    Offer,
    Outcome,
    Proposal,
    Resource,
    Session,
    WaitingListEntry,
)
from .models.appointments import LIVE
from .models.outbox import MessageQuerySet
from .models.proposals import ProposalState
from .outbox import GATE_CLOSED
from .planner import facts
from .planner.rules import keeps_from_beginning
from .reexamination import NOT_COVERED

ROWS_SHOWN = 25
ROWS_AT_MOST = 500
DUE_AHEAD = timedelta(days=14)  # a session whose window opens this soon is worth a call now
VISIT_SOON = timedelta(days=7)
GIVEN_UP_REMEMBERED = timedelta(days=7)
DECIDED_REMEMBERED = timedelta(days=30)  # longer than a night leaves what was decided alone
STANDING_HOLDS = Prefetch("session__course__holds", Hold.objects.standing().order_by("placed_at"), to_attr="standing")

TITLES = {
    "overdue": (gettext_lazy("Overdue"), gettext_lazy("Later than the protocol wants, and nothing is booked.")),
    "due": (gettext_lazy("Due, not booked"), gettext_lazy("The window is open, or opens within two weeks.")),
    "unclosed": (gettext_lazy("Over, not recorded"), gettext_lazy("The visit is over: did it take place?")),
    "offers": (
        gettext_lazy("Times kept for the waiting list"),
        gettext_lazy("Call, and note the answer: after that the time goes to the next."),
    ),
    "not_offered": (
        gettext_lazy("Waiting list: not offered"),
        gettext_lazy("Every try to find somebody, or a time for them, has failed. Offer it by hand."),
    ),
    "uncovered": (
        gettext_lazy("Visits no longer covered"),
        gettext_lazy(
            "Somebody or something is not there any more: move each, or cancel it. A proposal may say where to."
        ),
    ),
    "proposals": (gettext_lazy("Proposed moves"), gettext_lazy("Visits that should move. Apply or discard.")),
    "not_ready": (
        gettext_lazy("Visit soon, something missing"),
        gettext_lazy("A visit within a week could not begin as things stand."),
    ),
    "held": (gettext_lazy("On hold"), gettext_lazy("Nothing is booked until the one who may lifts the hold.")),
    "reviews": (gettext_lazy("Review waiting"), gettext_lazy("A clinician decides whether the course goes on.")),
    "outcomes": (gettext_lazy("Outcome missing"), gettext_lazy("The next session waits for it.")),
    "calls": (gettext_lazy("Calls to make"), gettext_lazy("Check-ups after a session.")),
    "mail": (gettext_lazy("Mail not delivered"), gettext_lazy("The patient has not been told: call.")),
    "dropped": (
        gettext_lazy("Reminder not sent"),
        gettext_lazy("The visit could not begin as things stood, so no reminder went out."),
    ),
}


@dataclass(frozen=True)
class Warned:
    """A visit, and what would keep it from beginning: spacing and gates."""

    visit: Appointment
    gates: list[facts.GateAnswer]


@dataclass(frozen=True)
class NotProposed:
    """A visit to come that cannot take place where it stands, why, and who has discarded what was proposed for it."""

    visit: Appointment
    why: list[Problem]
    discarded_by: str  # empty: nobody, and nothing is proposed


@dataclass(frozen=True)
class Listing:
    """One kind of work: the first rows, and how many there are."""

    kind: str
    title: str
    about: str
    rows: Sequence[Any]
    count: int

    @property
    def more(self) -> int:
        return self.count - len(self.rows)


def worklist(sites: Sequence[Site], *, now: datetime, whole: str = "") -> list[Listing]:
    """Return everything at these sites that needs a person, the most pressing first; empty kinds are left out.

    Each kind shows its first rows, the kind named by `whole` all that a page can hold.
    """
    if not sites:
        return []
    open_and_unbooked = waiting(sites)
    found: list[tuple[str, QuerySet[Any] | list[Any]]] = [
        ("overdue", overdue(sites, now, among=open_and_unbooked)),
        ("offers", offers(sites, now)),
        ("not_offered", not_offered(sites, now)),
        ("unclosed", unclosed(sites, now)),
        ("uncovered", uncovered(sites, now)),
        ("proposals", proposals(sites)),
        ("not_ready", not_ready(sites, now)),
        ("due", due(sites, now, among=open_and_unbooked)),
        ("reviews", reviews(sites)),
        ("outcomes", outcomes(sites, now)),
        ("held", held(sites)),
        ("calls", calls(sites, now)),
        ("mail", mail_undelivered(sites, now)),
        ("dropped", mail_dropped(sites, now)),
    ]
    besides = {"uncovered": not_proposed(sites, now)}
    listings = [
        _listing(kind, rows, ROWS_AT_MOST if kind == whole else ROWS_SHOWN, besides.get(kind, ()))
        for kind, rows in found
    ]
    for listing in listings:
        if listing.kind == "held":
            _say_which_are_settled(listing.rows)
    # What waits for many patients at once comes before all else.
    listings.sort(key=lambda listing: not any(isinstance(row, Proposal) and not row.course_id for row in listing.rows))
    return [listing for listing in listings if listing.count]


def _listing(kind: str, found: QuerySet[Any] | list[Any], most: int, besides: Sequence[NotProposed] = ()) -> Listing:
    title, about = TITLES[kind]
    if isinstance(found, list):
        return Listing(kind, str(title), str(about), found[:most], len(found))
    rows: list[Any] = list(found.annotate(how_many=Window(Count("pk")))[:most])
    count = (rows[0].how_many if rows else 0) + len(besides)
    if besides:
        rows = sorted([*rows, *besides], key=_begins_at)[:most]
    return Listing(kind, str(title), str(about), rows, count)


def _begins_at(row: Any) -> datetime:
    visit = row.visit if isinstance(row, NotProposed) else row.appointment
    begins_at: datetime = visit.during.lower
    return begins_at


# --- kinds ------------------------------------------------------------------------------------------------------------


def _today_at(sites: Iterable[Site], now: datetime) -> dict[Site, date]:
    return {site: localtime.local_date(now, site.zone) for site in sites}


def _by_local_date(sites: Sequence[Site], now: datetime, field: str, ahead: timedelta = timedelta(0)) -> Q:
    """Return the rows whose date has come at their own site, or will within `ahead`."""
    asked = Q(pk__in=[])
    for site, today in _today_at(sites, now).items():
        asked |= Q(course__site=site, **{f"{field}__lte": today + ahead})
    return asked


def waiting(sites: Sequence[Site]) -> QuerySet[Session]:
    """The next open session of each open course that has no visit and is not held."""
    return Session.objects.waiting(Course.objects.filter(site__in=sites)).select_related(
        "step", "course__patient", "course__site", "course__version__protocol"
    )


def overdue(sites: Sequence[Site], now: datetime, *, among: QuerySet[Session] | None = None) -> QuerySet[Session]:
    """Sessions that are late, or too late, and not booked, the latest first; `among` those that wait, where known."""
    rows = waiting(sites) if among is None else among
    return rows.filter(_late(sites, now)).order_by(Least("overdue_on", "lapse_on"), "pk")


def _late(sites: Sequence[Site], now: datetime) -> Q:
    """Return the sessions whose overdue day has come, or whose lapse: a protocol may name only the one."""
    return _by_local_date(sites, now, "overdue_on") | _by_local_date(sites, now, "lapse_on")


def due(sites: Sequence[Site], now: datetime, *, among: QuerySet[Session] | None = None) -> QuerySet[Session]:
    """Sessions whose window is open, or opens soon, and that are not booked; `among` as for `overdue`."""
    rows = waiting(sites) if among is None else among
    late = _late(sites, now)
    opens = _by_local_date(sites, now, "earliest_on", DUE_AHEAD) | Q(earliest_on=None)
    return rows.filter(opens).exclude(late).order_by(F("target_on").asc(nulls_first=True), "pk")


def unclosed(sites: Sequence[Site], now: datetime) -> QuerySet[Appointment]:
    """Visits that are over and of which nobody has said what became."""
    return _visits(sites).filter(state__in=LIVE, during__endswith__lte=now).order_by("during", "pk")


def _visits(sites: Sequence[Site]) -> QuerySet[Appointment]:
    return Appointment.objects.filter(site__in=sites).select_related(
        "patient", "site", "lead", "session__step", "session__course__version__protocol"
    )


def proposals(sites: Sequence[Site]) -> QuerySet[Proposal]:
    """Proposals that nobody has applied or discarded, with what is left of them; first those for several patients."""
    left = Q(moves__applied_at=None)
    return (
        Proposal.objects.undecided()
        .filter(site__in=sites)
        .select_related("site", "course__patient", "course__version__protocol")
        .annotate(
            visits_moved=Count("moves", filter=left),
            visits_stuck=Count("moves", filter=left & Q(moves__to_slot__isnull=True)),
            patients=Count("moves__session__course__patient", filter=left, distinct=True),
            is_together=Q(course=None),
        )
        .order_by("-is_together", "-made_at", "-pk")
    )


def offers(sites: Sequence[Site], now: datetime) -> QuerySet[Offer]:
    """Offers of a freed time that stand, those that end first at the top."""
    return (
        Offer.objects.standing(now)
        .filter(entry__session__course__site__in=sites)
        .select_related(
            "patient", "reservation", "entry__session__step", "entry__session__course__site",
            "entry__session__course__patient", "entry__session__course__version__protocol",
        )
        .prefetch_related("patient__phones")
        .order_by("reservation__expires_at", "pk")
    )  # fmt: skip


def not_offered(sites: Sequence[Site], now: datetime) -> list[WaitingListEntry | FreedTime]:
    """Return who waits and is offered nothing any more, and what fell free and could not be offered to anybody."""
    entries = (
        WaitingListEntry.objects.set_aside()
        .filter(session__course__site__in=sites)
        .select_related(
            "session__step", "session__course__patient", "session__course__site",
            "session__course__version__protocol",
        )
        .order_by("since", "pk")
    )  # fmt: skip
    to_come = Q(pk__in=())
    for site, today in _today_at(sites, now).items():
        to_come |= Q(site=site, last_on__gte=today)
    given_up = FreedTime.objects.filter(
        to_come, tries__gte=FreedTime.GIVEN_UP_AT_TRY, closed_at__gt=now - GIVEN_UP_REMEMBERED
    )
    return [*entries, *given_up.select_related("site", "resource").order_by("first_on", "pk")]


def uncovered(sites: Sequence[Site], now: datetime) -> QuerySet[Move]:
    """Visits to come for which somebody or something is not there any more, as the newest open proposal names each."""
    named = _moves_from_where_nobody_is(Proposal.objects.open().filter(site__in=sites), now)
    newest = named.order_by("appointment_id", "-pk").distinct("appointment_id")
    return (
        Move.objects.filter(pk__in=newest.values("pk"))
        .select_related(
            "proposal__course", "proposal__site", "appointment__lead", "session__step",
            "session__course__patient", "session__course__site", "session__course__version__protocol",
        )
        .order_by("appointment__during", "pk")
    )  # fmt: skip


def _moves_from_where_nobody_is(proposals: QuerySet[Proposal], now: datetime) -> QuerySet[Move]:
    """Return what proposals say of visits to come that cannot take place where they were, and still are, booked."""
    why = Q(pk__in=())
    for code in NOT_COVERED:
        why |= Q(why__contains=[{"code": code}])
    return Move.objects.filter(
        why,
        proposal__in=proposals,
        applied_at=None,
        appointment__state__in=LIVE,
        appointment__revision=F("appointment_revision"),
        appointment__during__startswith__gt=now,
    )


def not_proposed(sites: Sequence[Site], now: datetime) -> list[NotProposed]:
    """Return the visits to come that cannot take place where they are, and that no open proposal names.

    Whoever discards a proposal decides that it is not asked again for a while, not that the visit can take place: it
    stays until it is moved, cancelled or covered again. Looked at, as they stand now, are the visits of proposals that
    were decided or overtaken lately, or could not be worked out, and those of courses on hold, the nearest that a page
    can hold; for all others a night proposes something.
    """
    closed = Proposal.objects.filter(site__in=sites, decided_at__isnull=False)
    lately = closed.filter(decided_at__gt=now - DECIDED_REMEMBERED)
    failed = Proposal.objects.filter(site__in=sites, state=ProposalState.FAILED)
    on_hold = set(Hold.objects.standing().filter(course__site__in=sites).values_list("course", flat=True))
    booked = _visits(sites).filter(state__in=LIVE, during__startswith__gt=now)
    asked = set(_moves_from_where_nobody_is(lately, now).values_list("appointment", flat=True))
    asked |= set(booked.filter(session__course__touched_by__in=failed).values_list("pk", flat=True))
    asked |= set(booked.filter(session__course__in=on_hold).values_list("pk", flat=True))
    if not asked:
        return []
    proposed = uncovered(sites, now).values_list("appointment", flat=True)
    visits = list(booked.filter(pk__in=asked.difference(proposed)).order_by("during", "pk")[:ROWS_AT_MOST])
    broken = _not_covered(visits, now)
    taken = Resource.objects.filter(occupancies__appointment__in=broken).values_list("uid", "name")
    names = {str(uid): name for uid, name in taken}
    decided = _moves_from_where_nobody_is(closed, now).filter(appointment__in=broken).order_by("pk")
    people = {
        visit: who if state == ProposalState.DISCARDED else ""
        for visit, state, who in decided.values_list("appointment", "proposal__state", "proposal__decided_by__name")
    }
    return [
        NotProposed(visit, wording.problems(broken[visit.pk], names), people.get(visit.pk) or "")
        for visit in visits
        if visit.pk in broken
    ]


def _not_covered(visits: Sequence[Appointment], now: datetime) -> dict[int, list[facts.Violation]]:
    """Return, by a visit's primary key, why it cannot take place where it is; only those that cannot."""
    courses = list(Course.objects.for_facts().filter(sessions__appointments__in=visits).distinct())
    found = reexamination.uncovered(courses, roster.courses_facts(courses), now=now, with_held=True)
    broken = {
        visit.pk: [one for one in found.get(visit.session.uid, ()) if one.code in NOT_COVERED] for visit in visits
    }
    return {visit: of_visit for visit, of_visit in broken.items() if of_visit}


def not_ready(sites: Sequence[Site], now: datetime) -> list[Warned]:
    """Return the visits of the coming days that could not begin as things stand, with what each one's gates say."""
    soon = Q(pk__in=[])
    for site, today in _today_at(sites, now).items():
        soon |= Q(site=site, on__range=(today, today + VISIT_SOON))
    booked = _visits(sites).filter(soon, state=AppointmentState.BOOKED, during__endswith__gt=now)
    visits = list(booked.prefetch_related(STANDING_HOLDS).order_by("during", "pk"))
    found = gates_of(visits, now=now)
    return [Warned(visit, found[visit.pk]) for visit in visits if found[visit.pk]]


def held(sites: Sequence[Site]) -> list[Course]:
    """Return the courses on hold, with the holds that stand and the next visit; those with the nearest visit first."""
    standing = Hold.objects.standing().order_by("placed_at")
    courses = list(
        Course.objects.open()
        .filter(pk__in=set(standing.values_list("course", flat=True)), site__in=sites)
        .select_related("patient", "site", "version__protocol", "lead", "wish_practitioner")
        .prefetch_related(Prefetch("holds", standing, to_attr="standing"))
        .order_by("pk")
    )
    # Not in the statement above: for each course a look at its sessions' visits is what goes wrong without statistics.
    booked = Appointment.objects.live().filter(session__course__in=courses)
    nearest = dict(booked.values_list("session__course").annotate(Min("on")))
    for course in courses:
        course.next_visit_on = nearest.get(course.pk)  # type: ignore[attr-defined]  # shown beside it
    return sorted(courses, key=lambda course: (nearest.get(course.pk, date.max), course.pk))


def _say_which_are_settled(courses: Sequence[Course]) -> None:
    """Mark the holds whose reason is no longer so: they are offered for lifting to whom they name."""
    stand = roster.courses_facts(courses)
    for course in courses:
        for hold in getattr(course, "standing", []):
            hold.is_settled = holds.is_settled(hold.code, stand[course.pk])


def reviews(sites: Sequence[Site]) -> QuerySet[Outcome]:
    """Outcomes that a clinician must look at before the course goes on."""
    return (
        Outcome.objects.filter(
            result=Outcome.Result.REVIEW,
            cleared_at=None,
            session__course__site__in=sites,
            session__course__state=CourseState.OPEN,
        )
        .select_related(
            "session__step", "session__course__patient", "session__course__site", "session__course__version__protocol"
        )
        .order_by("recorded_at", "pk")
    )


def outcomes(sites: Sequence[Site], now: datetime) -> QuerySet[Session]:
    """Treatments that took place and have no outcome, from the end of their day on: until then it is still written."""
    over = Q(pk__in=[])
    for site, today in _today_at(sites, now).items():
        over |= Q(course__site=site, performed_on__lt=today)
    return (
        Session.objects.without_outcome()
        .filter(over, course__site__in=sites)
        .select_related("step", "course__patient", "course__site", "course__version__protocol")
        .order_by("performed_on", "pk")
    )


def calls(sites: Sequence[Site], now: datetime) -> QuerySet[FollowUpTask]:
    """Calls that are due."""
    come = Q(pk__in=[])
    for site, today in _today_at(sites, now).items():
        come |= Q(session__course__site=site, due_on__lte=today)
    return (
        FollowUpTask.objects.open()
        .filter(come)
        .select_related(
            "follow_up",
            "session__step",
            "session__course__patient",
            "session__course__site",
            "session__course__version__protocol",
        )
        .order_by("until_on", "pk")
    )


def mail_undelivered(sites: Sequence[Site], now: datetime) -> QuerySet[Message]:
    """Mail that failed, or came back while the patient's address is still the same."""
    return _messages(sites, now).undelivered(now).order_by("-due_at", "-pk")


def mail_dropped(sites: Sequence[Site], now: datetime) -> QuerySet[Message]:
    """Reminders that did not go out because the visit could not begin, while it still stands where they said."""
    stands = Appointment.objects.live().filter(
        message_visits__message=OuterRef("pk"), message_visits__revision=F("revision"), during__startswith__gt=now
    )
    return (
        _messages(sites, now)
        .filter(Exists(stands), state=MessageState.DROPPED, state_reason__startswith=GATE_CLOSED)
        .prefetch_related("visits__appointment")
        .order_by("-due_at", "-pk")
    )


def _messages(sites: Sequence[Site], now: datetime) -> MessageQuerySet:
    rows = Message.objects.lately_due(now).filter(site__in=sites)
    return rows.select_related("patient", "site", "course__version__protocol")


# --- the day ----------------------------------------------------------------------------------------------------------


def day_list(site: Site, on: date) -> list[Appointment]:
    """Return the visits of a date at a site by time, with who and what each takes."""
    return list(
        _visits([site])
        .filter(on=on)
        .select_related("session__outcome")
        .prefetch_related("session__step__phases", "occupancies__resource", "patient__phones", STANDING_HOLDS)
        .order_by("during", "lead__name", "pk")
    )


def gates_of(visits: Sequence[Appointment], *, now: datetime) -> dict[int, list[facts.GateAnswer]]:
    """Return, by a visit's primary key, what would keep it from beginning on its date as things stand.

    That is its distance from the sessions before it, and gates that are not open. That the session before it is still
    to come is the order of things, and left out. The same number of statements for one visit and for many.
    """
    courses = Course.objects.for_facts().filter(sessions__appointments__in=visits).distinct()
    by_course = roster.courses_facts(list(courses))
    found = {}
    for visit in visits:
        course = by_course[visit.session.course_id]
        session = next(one for one in course.sessions if one.id == visit.session.uid)
        answers = keeps_from_beginning(session, visit.on, course, roster.today(visit.site, now))
        found[visit.pk] = [answer for answer in answers if answer.code != "outcome_awaited"]
    return found


def patient_of(row: Model | Warned | NotProposed) -> Patient | None:
    """Return whom a row of the worklist is about."""
    match row:
        case Warned() | NotProposed():
            return row.visit.patient
        case Session():
            return row.course.patient
        case Outcome() | FollowUpTask() | WaitingListEntry():
            return row.session.course.patient
        case FreedTime():
            return None
        case Course() | Appointment() | Message():
            return row.patient
        case Proposal():
            return row.course.patient if row.course else None
        case Move():
            return row.session.course.patient
        case Offer():
            return row.patient
    raise TypeError(type(row).__name__)


def course_of(row: Model | Warned | NotProposed) -> Course | None:
    """Return the course where the work on a row of the worklist is done."""
    match row:
        case Warned() | NotProposed():
            return row.visit.session.course
        case Course():
            return row
        case Session() | Message() | Proposal():
            return row.course
        case Outcome() | FollowUpTask() | Appointment() | Move() | WaitingListEntry():
            return row.session.course
        case FreedTime():
            return None
        case Offer():
            return row.entry.session.course
    raise TypeError(type(row).__name__)
