"""What the course page shows, in a constant number of queries: sessions with their windows, visits and gates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Prefetch, prefetch_related_objects
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scheduling import holds, reports, roster, versions, waitlist, wording
from scheduling.models import (
    Appointment,
    AppointmentState,
    Consent,
    Course,
    CourseState,
    Hold,
    LateBand,
    Message,
    Offer,
    Outcome,
    Override,
    Proposal,
    Session,
    SessionState,
    StateChange,
    WaitingListEntry,
)
from scheduling.planner import facts
from scheduling.planner.evaluation import Verdict, evaluate
from scheduling.planner.windows import late_band_of, windows_of

from .conditions import GateGroup, GateLine, gate_lines, grouped, names_of

VERDICTS = {
    Verdict.TOO_SOON: ("bad", gettext_lazy("too soon")),
    Verdict.GRACE: ("warn", gettext_lazy("a little early")),
    Verdict.IN_TIME: ("good", gettext_lazy("in time")),
    Verdict.LATE: ("warn", gettext_lazy("late")),
}


@dataclass(frozen=True)
class Band:
    kind: str
    left: float
    width: float


@dataclass(frozen=True)
class Mark:
    kind: str
    left: float
    label: str


@dataclass(frozen=True)
class Ruler:
    """A window drawn to scale: bands and marks in per cent of the line. All it says stands beside it in words too."""

    bands: tuple[Band, ...]
    marks: tuple[Mark, ...]


@dataclass
class Card:
    """One session on the course page."""

    session: Session
    title: str
    kind: str
    tone: str
    state: str
    window: facts.Window | None = None
    ruler: Ruler | None = None
    live: Appointment | None = None
    past: list[Appointment] = field(default_factory=list)
    gates: list[GateLine] = field(default_factory=list)
    outcome: Outcome | None = None
    people: list[str] = field(default_factory=list)
    note: str = ""
    next_step: str = ""
    verdict: tuple[str, Any] | None = None  # tone and words, of a performed session
    judged: str = ""  # the verdict as a sentence
    late: facts.Late | None = None  # the late band on the day it would take place
    late_words: str = ""
    decided: str = ""  # what a clinician decided for one that comes late
    is_assessed: bool = False
    is_today: bool = False
    has_begun: bool = False
    is_over: bool = False
    is_next: bool = False
    areas: str = ""  # that it is to treat, where these are not all of the course's for every session
    waiting: WaitingListEntry | None = None
    offer: Offer | None = None  # a time that is kept for the patient

    @property
    def is_open(self) -> bool:
        return self.session.state == SessionState.OPEN

    @property
    def treats(self) -> bool:
        """Whether it is a treatment that is still to come."""
        return self.is_open and self.session.step.kind == facts.StepKind.TREATMENT

    @property
    def awaits_outcome(self) -> bool:
        treats = self.session.step.kind == facts.StepKind.TREATMENT
        return treats and self.session.state == SessionState.PERFORMED and self.outcome is None

    @property
    def awaits_review(self) -> bool:
        return (
            self.outcome is not None
            and self.outcome.result == Outcome.Result.REVIEW
            and self.outcome.cleared_at is None
        )

    @property
    def may_be_recorded(self) -> bool:
        return self.is_today or self.has_begun

    @property
    def needed(self) -> str:
        """What is not open for this session, in short sentences."""
        return " ".join(group.title for group in grouped((line, self.session.position) for line in self.gates))

    @property
    def may_be_corrected(self) -> bool:
        """Whether its date can be corrected here; an assessment's is its record's own."""
        return self.session.state == SessionState.PERFORMED and not hasattr(self.session, "assessment")

    @property
    def why_not_counted(self) -> str:
        return wording.reason(self.session.counts_reason)

    @property
    def why_given_up(self) -> str:
        return wording.reason(self.session.state_reason)

    @property
    def has_acts(self) -> bool:
        return self.is_open or self.awaits_outcome or self.awaits_review or self.may_be_corrected


@dataclass
class CoursePage:
    """Everything on the course page."""

    course: Course
    today: date
    cards: list[Card]
    needed: list[GateGroup]
    holds: list[Hold]
    consents: list[Consent]
    overrides: list[tuple[Override, str, bool]]  # each with its rule in words, and whether it is valid
    proposal: Proposal | None
    together: Proposal | None  # one for several patients, that concerns this course too
    messages: list[Message]
    changes: list[StateChange]
    names: Mapping[str, str]
    has_other_versions: bool = False

    @property
    def is_open(self) -> bool:
        return self.course.state == CourseState.OPEN

    @property
    def done(self) -> int:
        return sum(card.session.state == SessionState.PERFORMED for card in self.cards)

    @property
    def booked(self) -> int:
        return sum(card.live is not None for card in self.cards)

    @property
    def to_plan(self) -> int:
        return sum(card.is_open and card.live is None and card.session.step.planned_with_course for card in self.cards)

    @property
    def has_areas_to_plan(self) -> bool:
        """Whether there is a treatment to come, and more than one area to choose from."""
        return any(card.treats for card in self.cards) and len(self.course.areas.all()) > 1

    @property
    def to_sign(self) -> Consent | None:
        return to_sign(self.consents)

    @property
    def next_visit(self) -> Appointment | None:
        return min((card.live for card in self.cards if card.live), key=lambda visit: visit.during.lower, default=None)


def course_page(course: Course, *, now: datetime) -> CoursePage:
    """Return what the page of a course shows."""
    today = roster.today(course.site, now)
    as_it_stands = roster.course_facts(course)
    prefetch_related_objects([course], "areas")
    sessions = list(
        Session.objects.filter(course=course)
        .select_related("step", "outcome__recorded_by", "outcome__cleared_by", "assessment__assessed_by")
        .prefetch_related(
            "treated_areas",
            "planned_areas",
            "outcome__complications",
            "uses__resource",
            Prefetch("appointments", Appointment.objects.select_related("lead").order_by("booked_at")),
            "appointments__occupancies__resource",
        )
        .order_by("position")
    )
    names = names_of(course, sessions, as_it_stands)
    windows = windows_of(as_it_stands)
    by_id = {one.id: one for one in as_it_stands.sessions}
    history = {one.session: one for one in evaluate(as_it_stands)}
    cards = [
        _card(session, by_id[session.uid], windows.get(session.uid), as_it_stands, names, today=today, now=now)
        for session in sessions
    ]
    for card in cards:
        if judged := history.get(card.session.uid):
            card.verdict, card.judged = VERDICTS.get(judged.verdict), wording.evaluation(judged)
        card.is_next = card.is_open and all(not other.is_open for other in cards[: cards.index(card)])
        card.tone, card.state = _state(card, today)
    _add_areas(course, cards)
    _add_waiting(course, cards, now)
    _number_repeats(cards)
    return CoursePage(
        course=course,
        today=today,
        cards=cards,
        needed=grouped((line, card.session.position) for card in cards for line in card.gates),
        holds=_holds(course, as_it_stands),
        consents=list(course.consents.select_related("text", "sought_by", "session", "given_by_guardian")),
        overrides=_overrides(course, names, now),
        proposal=open_proposal(course),
        together=Proposal.objects.concerning([course]).first(),
        messages=list(course.messages.defer("content").order_by("due_at", "id")[:60]),
        changes=list(course.changes.select_related("by", "session__step").order_by("-at", "-id")[:80]),
        names=names,
        has_other_versions=course.state == CourseState.OPEN and bool(versions.others(course, now)),
    )


def to_sign(consents: Iterable[Consent]) -> Consent | None:
    """Return the consent that waits for its signature, if it is the only one: then there is nothing to choose."""
    waiting = [one for one in consents if one.signed_on is None and one.withdrawn_on is None]
    return waiting[0] if len(waiting) == 1 else None


def _add_areas(course: Course, cards: Iterable[Card]) -> None:
    """Say what each open treatment is to treat, if one of them treats less than the whole course."""
    treatments = [card for card in cards if card.treats]
    planned = [list(card.session.planned_areas.all()) for card in treatments]
    if any(len(areas) < len(course.areas.all()) for areas in planned):
        for card, areas in zip(treatments, planned, strict=True):
            card.areas = ", ".join(str(area) for area in areas)


def _add_waiting(course: Course, cards: Iterable[Card], now: datetime) -> None:
    """Say which sessions are on the waiting list, and which of them have an offer."""
    waiting = WaitingListEntry.objects.standing().filter(session__course=course)
    entries = {entry.session_id: entry for entry in waiting}
    offers = {offer.entry_id: offer for offer in waitlist.offers_for([course], now=now)} if entries else {}
    for card in cards:
        card.waiting = entries.get(card.session.pk)
        card.offer = offers.get(card.waiting.pk) if card.waiting else None


def _overrides(course: Course, names: Mapping[str, str], now: datetime) -> list[tuple[Override, str, bool]]:
    return [
        (
            row,
            wording.sentence(row.rule, subject=row.subject, names=names),
            reports.state_of(row, now=now) == reports.VALID,
        )
        for row in course.overrides.select_related("course__site", "session", "given_by")
    ]


def _holds(course: Course, as_it_stands: facts.CourseFacts) -> list[Hold]:
    """Return the course's holds, those that stand first, each with whether what placed it is no longer so."""
    found = list(course.holds.select_related("placed_by", "lifted_by").order_by("-lifted_at", "-placed_at"))
    for hold in found:
        hold.is_settled = holds.is_settled(hold.code, as_it_stands)  # type: ignore[attr-defined]
    return found


def open_proposal(course: Course) -> Proposal | None:
    return (
        Proposal.objects.open()
        .filter(course=course)
        .prefetch_related("moves__session__step", "moves__appointment__lead")
        .first()
    )


def _card(
    session: Session,
    known: facts.SessionFacts,
    window: facts.Window | None,
    course: facts.CourseFacts,
    names: Mapping[str, str],
    *,
    today: date,
    now: datetime,
) -> Card:
    visits = list(session.appointments.all())
    live = next((visit for visit in visits if visit.is_live), None)
    outcome = getattr(session, "outcome", None)
    card = Card(
        session=session,
        title=session.step.name,
        kind=str(session.step.get_kind_display()),
        tone="",
        state="",
        live=live,
        past=[visit for visit in visits if visit.state in (AppointmentState.CANCELLED, AppointmentState.MISSED)],
        outcome=outcome,
        is_assessed=known.step.is_assessed,
    )
    if session.state == SessionState.OPEN:
        on = max(today, live.on if live else (window and (window.target_on or window.earliest_on)) or today)
        card.window = window
        card.ruler = ruler(window, live.on if live else None, today) if window else None
        card.gates = gate_lines(known, on, course, today, names)
        card.late = late_band_of(known, on, course)
        card.late_words = wording.late_action(card.late) if card.late else ""
        card.decided = str(LateBand.Action(session.late_action).label) if session.late_action else ""
    if live:
        card.is_today = live.on == today
        card.has_begun = live.during.lower <= now
        card.is_over = live.during.upper <= now
        card.people = people_of(live)
    elif session.state == SessionState.PERFORMED:
        card.people = sorted({use.resource.name for use in session.uses.all()})
    return card


def people_of(visit: Appointment) -> list[str]:
    """Return who and what a visit takes, the practitioner first."""
    names = [taken.resource.name for taken in visit.occupancies.all() if taken.released_at is None]
    return list(dict.fromkeys([visit.lead.name, *names]))


def _state(card: Card, today: date) -> tuple[str, str]:
    """Return the tone (a colour) and the words of a session's state; the words alone say it all."""
    if card.session.state == SessionState.PERFORMED:
        return _performed(card)
    if not card.is_open:
        return "off", str(card.session.get_state_display())
    if card.live is not None:
        if card.live.state == AppointmentState.ARRIVED:
            return "busy", _("arrived")
        return ("warn", _("over · not recorded")) if card.is_over else ("busy", _("booked"))
    return _not_booked(card.window or facts.Window(), is_next=card.is_next, today=today)


def _performed(card: Card) -> tuple[str, str]:
    if card.outcome and card.outcome.result == Outcome.Result.STOP:
        return "bad", _("performed · stop")
    if card.awaits_review:
        return "warn", _("performed · review waiting")
    return ("warn", _("performed · outcome missing")) if card.awaits_outcome else ("good", _("performed"))


def _not_booked(window: facts.Window, *, is_next: bool, today: date) -> tuple[str, str]:
    if (window.provisional and not is_next) or (window.earliest_on and window.earliest_on > today):
        return "idle", _("not booked")
    if window.lapse_on and window.lapse_on <= today:
        return "bad", _("lapsed · not booked")
    if window.overdue_on and window.overdue_on <= today:
        return "bad", _("overdue · not booked")
    return "warn", _("due · not booked")


def _number_repeats(cards: list[Card]) -> None:
    """Name the sessions of a repeated step by their number: “Injection 2 of 3”."""
    total: dict[str, int] = {}
    for card in cards:
        total[card.session.step_key] = total.get(card.session.step_key, 0) + 1
    seen: dict[str, int] = {}
    for card in cards:
        key = card.session.step_key
        seen[key] = seen.get(key, 0) + 1
        if total[key] > 1:
            card.title = _("%(step)s %(number)d of %(total)d") % {
                "step": card.title,
                "number": seen[key],
                "total": total[key],
            }


# --- the ruler --------------------------------------------------------------------------------------------------------

AFTER_OVERDUE = timedelta(days=21)


def ruler(window: facts.Window, visit_on: date | None, today: date) -> Ruler | None:
    """Draw a window as a line: too early, right, late, too late; with marks for target, visit and today."""
    anchor = window.earliest_on or window.floor_on or window.target_on
    if anchor is None:
        return None
    end = window.lapse_on or (window.overdue_on + AFTER_OVERDUE if window.overdue_on else anchor + timedelta(days=56))
    near = [day for day in (anchor, visit_on, today if today > anchor - timedelta(days=60) else None) if day]
    first = min(near) - timedelta(days=7)
    last = max(day for day in (end, visit_on, today) if day is not None) + timedelta(days=7)
    length = (last - first).days

    def at(on: date) -> float:
        return round(100 * (on - first).days / length, 2)

    def band(kind: str, start: date, until: date) -> Band | None:
        start, until = max(start, first), min(until, last)
        return Band(kind, at(start), round(at(until) - at(start), 2)) if until > start else None

    right_until = window.overdue_on or window.lapse_on or last
    bands = [
        band("early", first, anchor),
        band("right", anchor, right_until),
        band("late", window.overdue_on, window.lapse_on or last) if window.overdue_on else None,
        band("lapsed", window.lapse_on, last) if window.lapse_on else None,
    ]
    marks = [Mark("target", at(window.target_on), _("target"))] if window.target_on else []
    marks += [Mark("visit", at(visit_on), _("visit"))] if visit_on else []
    marks += [Mark("today", at(today), _("today"))] if first <= today <= last else []
    return Ruler(tuple(one for one in bands if one), tuple(marks))
