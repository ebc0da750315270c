"""What is shown of rows and of the planner's answers, put together for the shapes in `outputs`. Writes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, QuerySet
from django.utils import timezone

from clinic import localtime
from clinic.api import SiteRoles
from clinic.models import Site, User
from scheduling import booking, check_in, explaining, holds, reports, roster, versions, wording, worklists
from scheduling.models import (
    Appointment,
    Assessment,
    Consent,
    Course,
    CourseState,
    FollowUpTask,
    FreedTime,
    Hold,
    Message,
    Move,
    Offer,
    Outcome,
    Override,
    Proposal,
    Resource,
    Session,
    SessionState,
    WaitingListEntry,
)
from scheduling.planner import facts
from scheduling.planner.evaluation import Evaluation, evaluate
from scheduling.planner.gates import ASK_AGAIN, gate_answers
from scheduling.planner.rules import keeps_from_beginning
from scheduling.planner.windows import late_band_of, windows_of
from scheduling.visits import Free, gates_at_check_in

from .outputs import WindowOutput


class Shown:
    """A row, with what is known besides."""

    def __init__(self, row: object, **besides: Any) -> None:
        self._row, self._besides = row, besides

    def __getattr__(self, name: str) -> Any:
        return self._besides[name] if name in self._besides else getattr(self._row, name)


# --- rows with what their shapes read ---------------------------------------------------------------------------------


def courses_visible_to(user: User) -> QuerySet[Course]:
    return Course.objects.visible_to(user).select_related(
        "patient", "site", "lead", "version__protocol", "wish_practitioner"
    )


def sessions_visible_to(user: User) -> QuerySet[Session]:
    return Session.objects.visible_to(user).select_related(
        "course__patient",
        "course__site",
        "course__lead",
        "course__version__protocol",
        "course__wish_practitioner",
        "step",
        "outcome",
    )


def sessions_to_plan(roles: SiteRoles) -> QuerySet[Session]:
    """Return the sessions that these roles may see, with no more than finding times for one of them reads.

    The database plans anew for every request: with few tables it answers several times as soon.
    """
    rows = Session.objects.select_related("course__site", "course__version")
    return rows if roles.everywhere else rows.filter(course__site__in=roles.at_sites)


def appointments_visible_to(user: User) -> QuerySet[Appointment]:
    return Appointment.objects.visible_to(user).select_related(
        "patient",
        "site",
        "lead",
        "session__step",
        "session__course__patient",
        "session__course__site",
        "session__course__lead",
        "session__course__version__protocol",
        "session__course__wish_practitioner",
    )


def proposals_visible_to(user: User) -> QuerySet[Proposal]:
    moves = Move.objects.select_related("session__course__patient", "appointment").order_by("id")
    rows = Proposal.objects.visible_to(user).select_related("site", "course", "overtaken_by")
    return rows.prefetch_related(Prefetch("moves", moves))


def sites_of(user: User) -> QuerySet[Site]:
    sites = roster.sites_at_work(timezone.now())
    return sites if user.is_superuser else sites.filter(pk__in=user.roles.values("site"))


def patients_in(proposal: Proposal) -> set[UUID]:
    return {move.session.course.patient.uid for move in proposal.moves.all()}


def open_proposal(course: Course) -> Proposal | None:
    """Return the course's open proposal, with its moves."""
    moves = Move.objects.select_related("session", "appointment").order_by("id")
    rows = course.proposals.open().select_related("site", "course", "overtaken_by")
    return rows.prefetch_related(Prefetch("moves", moves)).first()


# --- gates and windows ----------------------------------------------------------------------------------------------


def gates(answers: Iterable[facts.GateAnswer], names: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "code": answer.code,
            "state": answer.state.value,
            "subject": answer.subject,
            "message": wording.sentence(
                answer.code, subject=answer.subject, opens_on=answer.opens_on, override=answer.override, names=names
            ),
            "opens_on": answer.opens_on,
            "changes_on": answer.changes_on,
            "override": answer.override or None,
        }
        for answer in answers
    ]


def _kept_window(session: Session) -> facts.Window:
    """Return the window as it was when the session was last open."""
    return facts.Window(
        session.floor_on,
        session.earliest_on,
        session.target_on,
        session.overdue_on,
        session.lapse_on,
        provisional=session.window_is_provisional,
    )


# --- courses ----------------------------------------------------------------------------------------------------------


def course(row: Course, now: datetime) -> Shown:
    """Return a course with all that a clinician reads of it."""
    as_it_stands = roster.course_facts(row)
    found = list(Hold.objects.filter(course=row).select_related("course"))
    for hold in found:
        hold.is_settled = hold.lifted_at is None and holds.is_settled(hold.code, as_it_stands)  # type: ignore[attr-defined]
    return Shown(
        row,
        is_held=any(hold.lifted_at is None for hold in found),
        holds=found,
        assessments=Assessment.objects.filter(patient=row.patient_id, protocol=row.version.protocol_id).select_related(
            "assessed_by"
        ),
        consents=Consent.objects.filter(course=row).select_related("session", "text", "sought_by", "given_by_guardian"),
        overrides=Override.objects.filter(course=row).select_related("session", "given_by", "revoked_by"),
        sessions=sessions(row, now, as_it_stands=as_it_stands),
        proposal=open_proposal(row),
    )


def sessions(
    row: Course, now: datetime, *, only: UUID | None = None, as_it_stands: facts.CourseFacts | None = None
) -> list[Shown]:
    """Return the sessions of a course (or one of them) with windows as of now, gates, visits and outcome."""
    today = roster.today(row.site, now)
    as_it_stands = as_it_stands or roster.course_facts(row)
    known = {session.id: session for session in as_it_stands.sessions}
    windows = windows_of(as_it_stands)
    history = {one.session: one for one in evaluate(as_it_stands)}
    names = roster.subjects()
    rows = Session.objects.filter(course=row).select_related("course", "step", "outcome")
    if only is not None:
        rows = rows.filter(uid=only)
    visits = Appointment.objects.select_related("site", "lead", "session__course")
    return [
        _session(
            session,
            known[session.uid],
            windows.get(session.uid) or _kept_window(session),
            history.get(session.uid),
            as_it_stands if row.state == CourseState.OPEN and session.state == SessionState.OPEN else None,
            today,
            names,
        )
        for session in rows.prefetch_related(
            "planned_areas",
            "treated_areas",
            "outcome__complications",
            Prefetch("appointments", visits),
            Prefetch("waiting", waiting_with_offers(now), to_attr="waits"),
        ).order_by("position")
    ]


def _session(
    row: Session,
    known: facts.SessionFacts,
    window: facts.Window,
    evaluation: Evaluation | None,
    still_open_in: facts.CourseFacts | None,
    today: date,
    names: Mapping[str, str],
) -> Shown:
    gates_on = None
    if still_open_in is not None:
        gates_on = known.booked.on if known.booked else max(today, window.target_on or window.earliest_on or today)
    visits = list(row.appointments.all())
    return Shown(
        row,
        window=window,
        evaluation=evaluation and Shown(evaluation, message=wording.evaluation(evaluation)),
        late=late_band_of(known, gates_on, still_open_in) if gates_on and still_open_in else None,
        gates_on=gates_on,
        gates=gates(gate_answers(known, gates_on, still_open_in, today), names)
        if gates_on is not None and still_open_in is not None
        else [],
        appointment=next((visit for visit in visits if visit.is_live), None),
        former_appointments=[visit for visit in visits if not visit.is_live],
        outcome=getattr(row, "outcome", None),
        waiting=next((waiting(entry) for entry in row.waits), None),  # type: ignore[attr-defined]  # to_attr of `sessions`
    )


def waiting(entry: WaitingListEntry) -> Shown:
    """Return an entry of the waiting list, with its offer as `waiting_with_offers` fetches it."""
    return Shown(entry, offer=next(iter(getattr(entry, "standing_offers", [])), None))


def waiting_with_offers(now: datetime) -> QuerySet[WaitingListEntry]:
    """Return the sessions that wait, each with the offer that stands."""
    offers = Offer.objects.standing(now).select_related("reservation", "patient", "entry__session__course__site")
    return (
        WaitingListEntry.objects.standing()
        .select_related("session__course__patient", "session__course__site")
        .prefetch_related(Prefetch("offers", offers, to_attr="standing_offers"))
    )


def version_preview(found: versions.Preview) -> Shown:
    """Return what a move to another version would change, with its sentences."""
    names = roster.subjects()
    return Shown(
        found,
        sessions=[
            Shown(
                one,
                closing=gates(one.closing, names),
                opening=gates(one.opening, names),
                broken=[{"code": p.code, "message": p.message} for p in wording.problems(one.broken, names)],
            )
            for one in found.sessions
        ],
    )


def check_in_form(session: Session, now: datetime) -> dict[str, Any]:
    """Return what is to be asked before a session on its day, and what else keeps it from beginning."""
    course = session.course
    due = check_in.due_questions(session, now=now)
    today = roster.today(course.site, now)
    visit = Appointment.objects.live().filter(session=session).first()
    on = max(visit.on, today) if visit else today
    shut = [answer for answer in gates_at_check_in(course, session, on) if answer.code not in ASK_AGAIN]
    return {
        "session": session.uid,
        "appointment": visit.uid if visit else None,
        "on": on,
        "questions": [
            {
                "code": one.code,
                "text": one.rule.question.text_in(course.site.language),
                "choices": one.rule.question.choices,
                "why": one.why,
                "last": one.last,
                "holds_if": one.rule.refused_answers,
                "decided_by": one.decided_by,
            }
            for one in due
        ],
        "gates": gates(shut, roster.subjects()),
    }


def override(row: Override, now: datetime) -> Shown:
    return Shown(row, state=reports.state_of(row, now=now))


# --- times and plans --------------------------------------------------------------------------------------------------


def free_times(session: Session, free: Free) -> dict[str, Any]:
    """Return the answer in the shape of `outputs.FreeTimesOutput` without its fields: it may have hundreds of times."""
    site, names = session.course.site, {one.id: one.name for one in free.resources}
    window = windows_of(free.course).get(session.uid)
    return {
        "session": session.uid,
        "window": window and WindowOutput(window).data,
        "results": [_time(one.slot, site, {"uid": one.slot.lead, "name": names[one.slot.lead]}) for one in free.times],
    }


def times(planned: Sequence[facts.PlannedSession], site: Site) -> list[dict[str, Any]]:
    """Return slots as they are posted back, each with its instants and the practitioner's name."""
    leads = {one.uid: one for one in Resource.objects.filter(uid__in={one.slot.lead for one in planned})}
    return [_time(one.slot, site, leads[one.slot.lead]) for one in planned]


def _time(slot: facts.Slot, site: Site, lead: object) -> dict[str, Any]:
    starts_at = _starts_at(slot, site)
    return {
        "slot": booking.slot_as_data(slot, site),
        "zone": site.zone,
        "starts_at": starts_at,
        "ends_at": starts_at + timedelta(minutes=slot.minutes),
        "lead": lead,
    }


def _starts_at(slot: facts.Slot, site: Site) -> datetime:
    return localtime.day_shape(slot.on, site.zone).starts_at + timedelta(minutes=slot.tick)


def plan(row: Course, alternatives: Sequence[facts.Alternative]) -> dict[str, Any]:
    """Return the proposed plans with what each part of them costs."""
    known = {session.id: session for session in roster.course_facts(row).sessions}
    names = roster.subjects()
    positions = {uid: session.position for uid, session in known.items()}
    flat = iter(times([one for other in alternatives for one in other.plan.sessions], row.site))
    return {
        "course": row.uid,
        "alternatives": [
            {
                "kind": alternative.kind,
                "is_proven": alternative.plan.proven,
                "differs": _difference(alternative.differs) if number else None,
                "cost": _cost(alternative.plan.cost),
                "sessions": [
                    {
                        **next(flat),
                        "position": known[one.slot.session].position,
                        "step": known[one.slot.session].step,
                        "is_booked": one.pinned,
                        "window": one.window,
                        "cost": _cost(one.cost),
                        "gates": gates(one.gates, names),
                        "not_on": explaining.dates_as_data(_not_on(one.slot, alternative), positions),
                    }
                    for one in alternative.plan.sessions
                ],
            }
            for number, alternative in enumerate(alternatives)
        ],
    }


def _difference(differs: facts.Difference) -> dict[str, Any]:
    return {**dataclasses.asdict(differs), "messages": explaining.difference(differs)}


def _not_on(slot: facts.Slot, alternative: facts.Alternative) -> Sequence[facts.NotOn]:
    return next((one.dates for one in alternative.nearer if one.session == slot.session), ())


def _cost(cost: facts.CostParts) -> dict[str, int]:
    return {**dataclasses.asdict(cost), "total": cost.total}


# --- days -------------------------------------------------------------------------------------------------------------


def visits(rows: QuerySet[Appointment], now: datetime) -> list[Shown]:
    """Return visits by time, with what keeps each from beginning on its date; in the same number of queries for any."""
    found = list(rows.prefetch_related("session__planned_areas"))
    found.sort(key=lambda visit: (visit.during.lower, visit.pk))
    waiting = {visit.session.course for visit in found if visit.is_live}
    stand = roster.courses_facts(list(waiting))
    names = roster.subjects()
    return [_visit(visit, stand, names, roster.today(visit.site, now)) for visit in found]


def _visit(visit: Appointment, stand: Mapping[int, facts.CourseFacts], names: Mapping[str, str], today: date) -> Shown:
    shut: list[facts.GateAnswer] = []
    session = visit.session
    if visit.is_live:
        as_it_stands = stand[session.course_id]
        known = next(one for one in as_it_stands.sessions if one.id == session.uid)
        shut = keeps_from_beginning(known, visit.on, as_it_stands, today)
    return Shown(
        visit,
        protocol=session.course.version.protocol.name,
        step={
            "key": session.step.key,
            "name": session.step.name,
            "kind": session.step.kind,
            "position": session.position,
        },
        areas=sorted(area.code for area in session.planned_areas.all()),
        gates=gates(shut, names),
    )


# --- what needs a person ----------------------------------------------------------------------------------------------

WORK_IS_ABOUT = {
    "overdue": "overdue_on",
    "due": "target_on",
    "unclosed": "on",
    "not_ready": "on",
    "uncovered": "on",
    "not_offered": "first_on",
    "outcomes": "performed_on",
    "held": "next_visit_on",
    "calls": "due_on",
}


def work(listings: Iterable[worklists.Listing]) -> list[dict[str, Any]]:
    """Return the worklist with each row named by its type and uid."""
    return [
        {
            "kind": listing.kind,
            "title": listing.title,
            "about": listing.about,
            "count": listing.count,
            "rows": [_work(row, WORK_IS_ABOUT.get(listing.kind, "")) for row in listing.rows],
        }
        for listing in listings
    ]


def _work(found: Any, about: str) -> dict[str, Any]:
    row = _about_what(found)
    named = row.session if isinstance(row, Outcome) else row  # an outcome is reached through its session
    course_of_row = worklists.course_of(row)
    return {
        "type": TYPES[type(named)],
        "uid": named.uid,
        "course": course_of_row.uid if course_of_row else None,
        "patient": worklists.patient_of(row),
        "on": row.reservation.on if isinstance(row, Offer) else getattr(row, about, None),
    }


def _about_what(found: Any) -> Any:
    """Return the row that a line of the worklist names: of a move or warning its visit, of who waits the session."""
    match found:
        case worklists.Warned() | worklists.NotProposed():
            return found.visit
        case Move():
            return found.appointment
        case WaitingListEntry():
            return found.session
    return found


TYPES = {
    Appointment: "appointment",
    Course: "course",
    FollowUpTask: "follow_up_task",
    FreedTime: "freed_time",
    Message: "message",
    Offer: "offer",
    Proposal: "proposal",
    Session: "session",
}


def offers_visible_to(user: User) -> QuerySet[Offer]:
    return Offer.objects.visible_to(user).select_related(
        "reservation", "patient", "entry__session__course__site", "entry__session__course__patient"
    )


def site(row: Site, now: datetime, **besides: Any) -> Shown:
    return Shown(row, today=roster.today(row, now), **besides)
