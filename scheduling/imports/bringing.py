"""Carry out the records of a file: every one through the act that anybody else would call, all of them or none.

What took place is the truth and is never refused for its window; what is to come is booked, and refused, as at the
front desk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.acts import act
from clinic.errors import Problem, Refusal, RuleBroken
from clinic.models import Site, User
from patients.models import Answer, Area, Patient
from scheduling import booking, intake, roster, sessions, visits
from scheduling.models import ConsentText, Course, ProtocolVersion, Resource, Session, SessionState
from scheduling.planner import facts
from scheduling.planner.shapes import stretches_of

from .reading import SPECS, Record

ORDER = tuple(SPECS)  # the course first, what was known of it, what took place, and then what is to come


class ImportRefused(RuleBroken):
    """Something in the file may not be; nothing of it was stored. Every problem names its line."""

    code = "import_refused"
    title = "Nothing was brought in."


class Unknown(RuleBroken):
    """A name in the file stands for nothing here."""

    code = "unknown"


@dataclass
class Brought:
    """How many records of each kind were carried out, and the courses that came of it."""

    courses: list[Course] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    is_rehearsal: bool = False


@act
def bring_in(records: Sequence[Record], *, by: User, now: datetime, dry_run: bool = False) -> Brought:
    """Bring in courses with all that is recorded of them, as one person with that person's rights.

    Raise ImportRefused with every problem of every record: then nothing is stored. With `dry_run` nothing is stored
    either way.
    """
    brought = Brought(is_rehearsal=dry_run)
    problems: list[Problem] = []
    for own in _by_course(records):
        _bring_course(own, brought, problems, by=by, now=now)
    if problems:
        raise ImportRefused(*sorted(problems, key=lambda one: one.details["line"]))
    if dry_run:
        transaction.set_rollback(True)
    return brought


def _by_course(records: Iterable[Record]) -> list[list[Record]]:
    """Return each course's records in the order in which they are carried out: by kind, then by date."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.course, []).append(record)
    return [sorted(own, key=lambda one: (ORDER.index(one.kind), _date_of(one), one.line)) for own in found.values()]


# When each kind of record took place, or is to: not when it expires.
DATED_BY = {
    "course": "started_on",
    "assessment": "assessed_on",
    "event": "happened_on",
    "consent": "informed_on",
    "answer": "given_on",
    "performed": "performed_on",
    "visit": "on",
}


def _date_of(record: Record) -> date:
    on: date = record.fields[DATED_BY[record.kind]]
    return on


def _bring_course(own: Sequence[Record], brought: Brought, problems: list[Problem], *, by: User, now: datetime) -> None:
    course: Course | None = None
    for record in own:
        if record.kind != "course" and course is None:
            continue  # why there is no course is said already
        try:
            with transaction.atomic():
                if record.kind == "course":
                    course = _start(record, by=by, now=now)
                elif course is not None:
                    CARRY_OUT[record.kind](course, record, by, now)
        except Refusal as refusal:
            problems += [_with_line(problem, record) for problem in refusal.problems]
        else:
            brought.counts[record.kind] = brought.counts.get(record.kind, 0) + 1
    if course is not None:
        brought.courses.append(course)


def _with_line(problem: Problem, record: Record) -> Problem:
    details = {**problem.details, "line": record.line, "course": record.course}
    return Problem(problem.code, problem.message, problem.where or record.kind, details)


# --- records to acts --------------------------------------------------------------------------------------------------


def _start(record: Record, *, by: User, now: datetime) -> Course:
    said = record.fields
    site = _one(Site.objects.filter(is_active=True, name__iexact=said["site"]), "site", said["site"])
    patient = _one(
        Patient.objects.current().filter(
            identifiers__system=said["patient_system"], identifiers__value=said["patient_number"]
        ),
        "patient_number",
        said["patient_number"],
    )
    on = roster.today(site, now)
    versions = ProtocolVersion.objects.usable_on(on).filter(protocol__key=said["protocol"]).order_by("-number")[:1]
    return booking.start_course(
        patient,
        _one(versions, "protocol", said["protocol"]),
        site,
        lead=_lead(said.get("lead")),
        areas=_areas(said.get("areas", ())),
        started_on=said["started_on"],
        by=by,
        now=now,
    )


def _assess(course: Course, record: Record, by: User, now: datetime) -> None:
    what = intake.AssessmentInput(**record.fields)
    intake.assess(course.patient, course.version.protocol, what, site=course.site, by=by, now=now)


def _event(course: Course, record: Record, by: User, now: datetime) -> None:
    intake.record_event(course, record.fields["key"], record.fields["happened_on"], by=by, now=now)


def _consent(course: Course, record: Record, by: User, now: datetime) -> None:
    said = dict(record.fields)
    language, number = said.pop("language", "en"), said.pop("number")
    texts = ConsentText.objects.filter(protocol=course.version.protocol_id, language=language, number=number)
    text = _one(texts, "number", f"{language} {number}")
    guardian = None
    if name := said.pop("guardian", ""):
        guardian = _one(course.patient.guardians.filter(name=name), "guardian", name)
    intake.record_consent(course, intake.ConsentInput(text=text, given_by_guardian=guardian, **said), by=by, now=now)


def _answer(course: Course, record: Record, by: User, now: datetime) -> None:
    said = record.fields
    intake.answer(
        course.patient,
        said["question"],
        said["value"],
        given_on=said["given_on"],
        source=Answer.Source.IMPORT,
        by=by,
        now=now,
    )


def _perform(course: Course, record: Record, by: User, now: datetime) -> None:
    said = record.fields
    outcome = None
    if "outcome" in said:
        outcome = visits.OutcomeInput(
            said["outcome"],
            complications=said.get("complications", ()),
            clearance=said.get("clearance", ""),
            product=said.get("product", ""),
            batch=said.get("batch", ""),
            notes=said.get("notes", ""),
        )
    what = visits.Performed(
        said["performed_on"],
        at_time=said.get("at"),
        outcome=outcome,
        treated_areas=said.get("areas"),
        minutes=said.get("minutes"),
        lead=_lead(said.get("lead")),
    )
    visits.perform(_next_or_another(course, said.get("step"), by=by, now=now), what, by=by, now=now)


def _book(course: Course, record: Record, by: User, now: datetime) -> None:
    """Book the next session for the time that the file gives, for its areas, with whom it names or whoever is free."""
    said = record.fields
    session = _next(course, said.get("step"), is_booked=False)
    if "areas" in said:
        sessions.plan_areas(course, {session.uid: said["areas"]}, by=by, now=now)
    visits.book(session, _slot(session, said["on"], said["at"], _lead(said.get("lead")), now=now), by=by, now=now)


CARRY_OUT: Mapping[str, Callable[[Course, Record, User, datetime], None]] = {
    "assessment": _assess,
    "event": _event,
    "consent": _consent,
    "answer": _answer,
    "performed": _perform,
    "visit": _book,
}


# --- names and times --------------------------------------------------------------------------------------------------


def _one(rows: Any, where: str, name: str) -> Any:
    """Return what a name stands for; raise Unknown where it stands for nothing, or for several."""
    found = list(rows[:2])
    if not found:
        raise Unknown(Problem("unknown", _("“%(name)s” is not known here.") % {"name": name}, where))
    if len(found) > 1:
        raise Unknown(
            Problem("ambiguous", _("“%(name)s” stands for several here. Rename one of them.") % {"name": name}, where)
        )
    return found[0]


def _lead(name: str | None) -> Resource | None:
    return _one(Resource.objects.practitioners().filter(name=name), "lead", name) if name else None


def _areas(codes: Iterable[str]) -> list[Area]:
    return [_one(Area.objects.filter(code=code), "areas", code) for code in codes]


def _next(course: Course, step: str | None, *, is_booked: bool | None = None) -> Session:
    """Return the next open session, of the step that is named or else of those planned with the course."""
    rows = course.sessions.filter(state=SessionState.OPEN).order_by("position").select_related("course__site", "step")
    rows = rows.filter(step_key=step) if step else rows.filter(step__planned_with_course=True)
    if is_booked is False:
        rows = rows.exclude(appointments__state__in=("booked", "arrived"))
    found: Session = _one(rows[:1], "step", step or _("another session"))
    return found


def _next_or_another(course: Course, step: str | None, *, by: User, now: datetime) -> Session:
    """Return the next open session, or one more of its step: there may have been more than the protocol plans."""
    planned = course.sessions.filter(step__planned_with_course=True).order_by("-position")
    wanted = step or planned.values_list("step_key", flat=True).first() or ""
    rows = course.sessions.filter(state=SessionState.OPEN)
    if not (rows.filter(step_key=step) if step else rows.filter(step__planned_with_course=True)).exists():
        sessions.add_session(
            course, wanted, reason=_("It took place before the course was brought in."), by=by, now=now
        )
    return _next(course, step)


def _slot(session: Session, on: date, at: time, lead: Resource | None, *, now: datetime) -> facts.Slot:
    """Return a lawful slot at that time; where there is none, one from which booking says why."""
    site = session.course.site
    starts_at = localtime.typed_instant(on, at, site.zone)
    tick = int((starts_at - localtime.day_shape(on, site.zone).starts_at) / localtime.ONE_MINUTE)
    free = visits.free_times(session, first_on=on, last_on=on, now=now, limit=24 * 60)
    lawful = [one.slot for one in free if one.slot.tick == tick and (lead is None or one.slot.lead == lead.uid)]
    return lawful[0] if lawful else _as_asked(session, on, tick, lead, now=now)


def _as_asked(session: Session, on: date, tick: int, lead: Resource | None, *, now: datetime) -> facts.Slot:
    """Return a slot with whoever has what the step needs, free or not: the rules say what is wrong with it."""
    course = session.course
    step = next(one for one in roster.protocol_facts(course.version).steps if one.key == session.step_key)
    today = roster.today(course.site, now)
    near = min(max(on, today), today + timedelta(days=course.site.booking_horizon_days))
    times = roster.load(course, near, near, now=now)
    chosen: dict[str, Any] = {step.lead_role: lead.uid} if lead is not None else {}
    uses = []
    for stretch in stretches_of(step):
        able = [
            one.id for one in times.resources if one.is_able(stretch.capability, on) and one.id not in chosen.values()
        ]
        if stretch.role not in chosen:
            if not able:
                raise booking.NotBookable(
                    Problem("lacks_capability", _("Nobody, or no room, has what the session needs."), str(session.uid))
                )
            chosen[stretch.role] = able[0]
        uses.append(
            facts.Use(
                phase=stretch.phase,
                role=stretch.role,
                resource=chosen[stretch.role],
                place=0,
                from_tick=tick + stretch.from_minute,
                until_tick=tick + stretch.until_minute,
            )
        )
    return facts.Slot(session.uid, on, tick, step.minutes, chosen[step.lead_role], tuple(uses))
