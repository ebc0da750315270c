"""The home page: what needs a person this morning. Named in settings.UNFOLD as the dashboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinic import localtime
from clinic.admin import RIGHTS, has_role, page_of
from clinic.models import Role
from patients.admin import name_and_birth_date
from patients.models import Patient
from scheduling import outbox, roster, wording, worklists
from scheduling.models import (
    Appointment,
    Course,
    FollowUpTask,
    FreedTime,
    Message,
    Move,
    Offer,
    Outcome,
    Proposal,
    Session,
    WaitingListEntry,
)
from scheduling.models.proposals import ProposalState
from scheduling.reexamination import NOT_COVERED

from .conditions import missing_in_words
from .desk import given_uid, read, sites_of
from .proposals import reason_in_words as proposal_reason
from .words import day_in_words

TONES = {
    "overdue": "bad",
    "uncovered": "bad",
    "offers": "busy",
    "not_offered": "bad",
    "mail": "bad",
    "dropped": "warn",
    "due": "busy",
    "calls": "busy",
    "proposals": "busy",
}
ICONS = {
    "overdue": "alarm",
    "unclosed": "history",
    "offers": "phone_forwarded",
    "not_offered": "phone_disabled",
    "uncovered": "event_busy",
    "proposals": "swap_horiz",
    "not_ready": "rule",
    "due": "event_upcoming",
    "reviews": "stethoscope",
    "outcomes": "edit_note",
    "held": "pause_circle",
    "calls": "call",
    "mail": "unsubscribe",
    "dropped": "notifications_off",
}


@dataclass(frozen=True)
class Row:
    """One line of the worklist: who, what, why, and where the work is done."""

    patient: Patient | None
    who: str
    what: str
    about: str
    why: str
    link: str
    action: str


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return what the home page shows: the worklist for those who work with patients, else just a welcome."""
    if not has_role(request, RIGHTS["scheduling.course"].see):
        return {**context, "title": _("Welcome"), "listings": None}
    sites, now = sites_of(request), timezone.now()
    asked = given_uid(request, "site")
    chosen = [site for site in sites if site.uid == asked] or sites
    found = worklists.worklist(chosen, now=now, whole=request.GET.get("all", ""))
    names = roster.subjects()
    rows = {listing.kind: [_row(listing.kind, row, names) for row in listing.rows] for listing in found}
    shown = [row.patient for lines in rows.values() for row in lines if row.patient]
    read(request, "scheduling.Worklist", shown, action="list")
    return {
        **context,
        "title": _("Worklist"),
        "listings": [
            (listing, rows[listing.kind], TONES.get(listing.kind, "warn"), ICONS[listing.kind]) for listing in found
        ],
        "how_many": sum(listing.count for listing in found),
        "sites": sites,
        "site": chosen[0] if asked and chosen != sites else None,
        "days": [(site, localtime.local_date(now, site.zone)) for site in chosen],
        "now": now,
    }


def _row(kind: str, row: Any, names: Mapping[str, str]) -> Row:
    patient, course = worklists.patient_of(row), worklists.course_of(row)
    (what, why, action), about = _words(kind, row, names), _treatment(course) if course else ""
    if isinstance(row, FreedTime):
        link = f"{reverse('admin:scheduling_appointment_day')}?site={row.site.uid}&on={row.first_on}"
    elif patient is None:
        link = page_of(row)
    elif kind == "mail":
        link = page_of(patient)
    elif kind == "due" and course is not None:
        link = f"{page_of(course)}"
    else:
        link = _link(row, course)
    return Row(patient, name_and_birth_date(patient) if patient else str(row.site), what, about, why, link, action)


def _link(row: Any, course: Course | None) -> str:
    row = row.visit if isinstance(row, worklists.Warned | worklists.NotProposed) else row
    session = row if isinstance(row, Session) else getattr(row, "session", None)
    anchor = f"#session-{session.position}" if isinstance(session, Session) else ""
    if isinstance(row, Proposal):
        anchor = "#proposal"
    if isinstance(row, Move):
        # A joint proposal has a page of its own; one of a course stands on the course's page.
        proposal = row.proposal
        return page_of(proposal) if proposal.course is None else f"{page_of(proposal.course)}#proposal"
    if isinstance(row, Offer):
        anchor = f"#session-{row.entry.session.position}"
    return (page_of(course) if course else reverse("admin:index")) + anchor


def _words(kind: str, row: Any, names: Mapping[str, str]) -> tuple[str, str, str]:
    """Return what a row is about, the reason it is here, and what its button says."""
    match row:
        case Session():
            what, why, action = row.step.name, _session(kind, row), _("Record") if kind == "outcomes" else _("Book")
        case Appointment():
            what, why, action = row.session.step.name, _visit(row), _("Record")
        case worklists.Warned() | worklists.NotProposed():
            what, why, action = _visit(row.visit), _in_the_way(row, names), _("Open")
        case Offer():
            what, why, action = row.entry.session.step.name, _offered(row), _("Answer")
        case WaitingListEntry() | FreedTime():
            what, why, action = _not_offered(row)
        case Move():
            what = _visit(row.appointment) if row.appointment else row.session.step.name
            why, action = _uncovered(row), _("Look")
        case Proposal():
            what, why, action = proposal_reason(row), _proposal(row), _("Look")
        case Outcome():
            why = _("recorded on %(date)s") % {"date": date_format(row.recorded_at, "j M Y")}
            what, action = row.session.step.name, _("Review")
        case Course():
            what, why, action = _held(row)
        case FollowUpTask():
            said = {"date": day_in_words(row.due_on), "until": day_in_words(row.until_on)}
            what, why = row.follow_up.name, _("due %(date)s, at the latest %(until)s") % said
            action = _("Open")
        case Message():
            what, why, action = _mail(row)
        case _:
            raise TypeError(type(row).__name__)
    return what, why, action


def _proposal(proposal: Any) -> str:
    if proposal.state == ProposalState.MAKING:
        return _("new times are being worked out: %(percent)d %%") % {"percent": proposal.progress}
    if proposal.state == ProposalState.FAILED:
        return _("new times could not be worked out")
    count, stuck = proposal.visits_moved, proposal.visits_stuck
    words = ngettext("%(count)d visit should move", "%(count)d visits should move", count) % {"count": count}
    if proposal.course_id is None:
        patients = proposal.patients
        words += " · " + ngettext("%(count)d patient", "%(count)d patients", patients) % {"count": patients}
    if stuck:
        words += " · " + ngettext("%(count)d without a time", "%(count)d without a time", stuck) % {"count": stuck}
    return words


def _treatment(course: Course) -> str:
    return course.version.protocol.name


def _session(kind: str, session: Session) -> str:
    if kind == "outcomes" and session.performed_on:
        return _("took place on %(date)s") % {"date": day_in_words(session.performed_on)}
    if (
        kind == "overdue"
        and session.lapse_on
        and session.lapse_on <= localtime.local_date(timezone.now(), session.course.site.zone)
    ):
        return _("too late since %(date)s: a clinician must assess again") % {"date": day_in_words(session.lapse_on)}
    if kind == "overdue" and session.overdue_on:
        return _("overdue since %(date)s") % {"date": day_in_words(session.overdue_on)}
    if session.earliest_on is None:
        return _("waits for its first date")
    if session.target_on is None:
        return _("possible from %(date)s") % {"date": day_in_words(session.earliest_on)}
    words = _("best on %(date)s") % {"date": day_in_words(session.target_on)}
    return words + (" · " + _("provisional") if session.window_is_provisional else "")


def _offered(offer: Offer) -> str:
    """Return whom to call, what is kept for them, and until when."""
    kept, zone = offer.reservation, offer.entry.session.course.site.zone
    until = localtime.wall(kept.expires_at, zone)
    is_today = until.date() == localtime.local_date(timezone.now(), zone)
    phones = sorted(offer.patient.phones.all(), key=lambda phone: not phone.is_preferred)
    said = {
        "number": phones[0].number if phones else "",
        "date": day_in_words(kept.on),
        "time": f"{kept.at_time:%H:%M}",
        "until": f"{until:%H:%M}" if is_today else f"{day_in_words(until.date())}, {until:%H:%M}",
    }
    if not phones:
        return _("%(date)s, %(time)s is kept for them until %(until)s; no telephone number is on record") % said
    return _("call %(number)s: %(date)s, %(time)s is kept for them until %(until)s") % said


def _not_offered(row: WaitingListEntry | FreedTime) -> tuple[str, str, str]:
    if isinstance(row, WaitingListEntry):
        why = _("looking for a time fails: take it off the list and put it on again, or book an earlier time by hand")
        return row.session.step.name, why, _("Open")
    days = " – ".join(dict.fromkeys(day_in_words(on) for on in (row.first_on, row.last_on)))
    what = f"{days} · {row.resource}" if row.resource else days
    return what, _("fell free, and offering it fails: call those who wait"), _("Look")


def _uncovered(move: Move) -> str:
    """Return why the visit cannot take place where it is, and what to do."""
    said = {"why": _plainest((one.get("code", ""), str(one["message"])) for one in move.why)}
    if move.to_slot is None:
        return _("%(why)s No other time was found: call the patient.") % said
    on = day_in_words(date.fromisoformat(move.to_slot["on"]))
    return _("%(why)s Proposed: %(date)s, %(time)s.") % {**said, "date": on, "time": move.to_slot["at"]}


def _in_the_way(row: worklists.Warned | worklists.NotProposed, names: Mapping[str, str]) -> str:
    """Return what is missing for a visit; or why it cannot take place at all, and who has discarded the proposal."""
    if isinstance(row, worklists.Warned):
        return " ".join(missing_in_words(row.visit, row.gates, names))
    said = {"why": _plainest((one.code, one.message) for one in row.why)}
    if not row.discarded_by:
        return _("%(why)s No proposal: move or cancel it.") % said
    said["name"] = row.discarded_by
    return _("%(why)s The proposal was discarded by %(name)s: move or cancel it.") % said


def _plainest(why: Iterable[tuple[str, str]]) -> str:
    """Return the plainest of the reasons, each of them once.

    Where the site is closed nobody is working, and who does not work there any more is not known there.
    """
    reasons = list(why)
    plainest = next((code for code in NOT_COVERED if any(one == code for one, _said in reasons)), "")
    return " ".join(dict.fromkeys(message for code, message in reasons if code == plainest))


def _visit(visit: Appointment) -> str:
    return f"{day_in_words(visit.on)}, {visit.at_time:%H:%M} · {visit.lead.name}"


def _held(course: Any) -> tuple[str, str, str]:
    since = localtime.local_date(course.standing[0].placed_at, course.site.zone)
    reasons = "; ".join(_hold(hold) for hold in course.standing)
    if course.next_visit_on:
        reasons += " · " + _("next visit %(date)s") % {"date": day_in_words(course.next_visit_on)}
    return _("since %(date)s") % {"date": day_in_words(since)}, reasons, _("Open")


def _hold(hold: Any) -> str:
    """Return why a course is held, and who is asked to decide."""
    asked = str(Role(hold.lifted_by_role).label).lower()
    if hold.is_settled:
        return _("%(reason)s (no longer so: to be lifted by: %(role)s)") % {"reason": hold.reason, "role": asked}
    return _("%(reason)s (decided by: %(role)s)") % {"reason": hold.reason, "role": asked}


def _mail(message: Message) -> tuple[str, str, str]:
    what = str(message.get_kind_display()).capitalize()
    if message.state_reason.startswith(outbox.GATE_CLOSED):
        codes = message.state_reason.removeprefix(outbox.GATE_CLOSED).split(",")
        what = " · ".join([what, *(day_in_words(told.appointment.on) for told in message.visits.all())])
        return what, " ".join(wording.sentence(code) for code in codes if "subject" not in _raw(code)), _("Open")
    return what, f"{message.get_state_display()} · {date_format(message.due_at, 'j M Y')}", _("Patient")


def _raw(code: str) -> str:
    """Return a code's sentence before its subject is filled in: a reason kept with a message names no subject."""
    return str(wording.SENTENCES.get(code, ""))
