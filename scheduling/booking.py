"""The writer of courses, sessions, appointments, reservations and occupancies: propose a course, book it, and the
primitives with which the acts above place, release and record.

A series is booked whole or not at all. The rules are asked again under the locks; what must never be is refused by the
database all the same.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import F
from django.utils.translation import gettext as _

from clinic import localtime, rights
from clinic.acts import act
from clinic.errors import Conflict, Problem, RuleBroken
from clinic.models import Site, User
from patients.models import Area, Patient

from . import outbox, roster, wording
from .models import (
    Appointment,
    AppointmentState,
    Assessment,
    Course,
    CourseState,
    NamedEvent,
    Occupancy,
    ProtocolVersion,
    Reservation,
    Resource,
    ResourceKind,
    Session,
    SessionState,
    SessionUse,
    StateChange,
)
from .models.appointments import LIVE
from .planner import explain, facts, gates, search
from .planner.cost import Weights
from .planner.rules import violations
from .planner.shapes import stretches_of
from .planner.windows import windows_of

WEIGHTS = Weights()


class NotStartable(Conflict):
    code = "course_not_startable"
    title = "This course cannot be started."


class NoPlan(Conflict):
    """No plan breaks no rule; the problems say why, session by session."""

    code = "no_plan"
    title = "There is no possible plan."


class NotBookable(Conflict):
    """The plan was right when it was proposed, and is not any more, or never was."""

    code = "not_bookable"
    title = "This cannot be booked."


class PlanUnreadable(RuleBroken):
    """The plan posted back is not of the shape that we sent."""

    code = "plan_unreadable"


class NotPossibleNow(Conflict):
    """The course, session or appointment is not in a state that allows it."""

    code = "illegal_transition"


# --- courses ----------------------------------------------------------------------------------------------------------


@act
def start_course(
    patient: Patient,
    version: ProtocolVersion,
    site: Site,
    *,
    lead: Resource | None = None,
    areas: Iterable[Area] = (),
    wishes: facts.Wishes = facts.Wishes(),  # noqa: B008  (frozen)
    by: User | None,
    now: datetime,
) -> Course:
    """Open a course with all its sessions; raise NotStartable with everything that stands against it.

    An assessment that the patient already has for this protocol counts as the course's assessment session, unless it is
    too old or found the treatment unsuitable: then a clinician must assess again, and that session is there for it.
    """
    rights.require(by, site, *rights.FRONT_DESK)
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    on = roster.today(site, now)
    chosen = list(areas)
    if problems := _against_starting(patient, version, lead, chosen, on):
        raise NotStartable(*problems)
    course = Course.objects.create(
        patient=patient,
        version=version,
        site=site,
        lead=lead,
        started_at=now,
        started_on=on,
        started_by=by,
        **_wish_fields(wishes),
    )
    course.areas.set(chosen)
    sessions = _open_sessions(course, chosen)
    _note(course, to_state=CourseState.OPEN, by=by, now=now)
    _take_over_assessment(course, sessions, on=on, by=by, now=now)
    refresh_windows(course)
    return course


def _against_starting(
    patient: Patient, version: ProtocolVersion, lead: Resource | None, areas: Sequence[Area], on: date
) -> list[Problem]:
    problems = []
    if not patient.is_active:
        problems.append(Problem("patient_inactive", _("The patient has died, or the record was merged."), "patient"))
    if not ProtocolVersion.objects.usable_on(on).filter(pk=version.pk).exists():
        problems.append(
            Problem("protocol_not_usable", _("This protocol version is not approved, or not in force."), "protocol")
        )
    allowed = roster.protocol_facts(version).areas
    if allowed and not areas:
        problems.append(Problem("areas_missing", _("Say which areas are to be treated."), "areas"))
    problems += [
        Problem(
            "area_not_allowed", wording.sentence("area_not_allowed", subject=area.name), "areas", {"area": area.code}
        )
        for area in areas
        if area.code not in allowed
    ]
    if lead is not None and lead.kind != ResourceKind.PRACTITIONER:
        problems.append(Problem("lead_not_a_practitioner", _("The lead must be a person."), "lead"))
    if Course.objects.open().filter(patient=patient, version__protocol=version.protocol_id).exists():
        problems.append(
            Problem(
                "course_already_open", _("The patient has an open course of this protocol. Use that one."), "protocol"
            )
        )
    return problems


def _open_sessions(course: Course, areas: list[Area]) -> list[Session]:
    rows = [
        Session(course=course, position=position, step=step, step_key=step.key)
        for position, step in enumerate(
            (step for step in course.version.steps.order_by("position") for _number in range(step.sessions)), start=1
        )
    ]
    sessions = Session.objects.bulk_create(rows)
    planned = Session.planned_areas.through
    planned.objects.bulk_create(
        [planned(session_id=session.pk, area_id=area.pk) for session in sessions for area in areas]
    )
    return sessions


def _take_over_assessment(course: Course, sessions: list[Session], *, on: date, by: User | None, now: datetime) -> None:
    done = (
        Assessment.objects.filter(patient=course.patient, protocol=course.version.protocol_id, error_at=None)
        .order_by("-assessed_on", "-id")
        .first()
    )
    opening = next((session for session in sessions if session.step.kind == facts.StepKind.ASSESSMENT), None)
    if done is not None and opening is not None and _still_counts(course, opening, on):
        record_performed(
            opening, performed_on=done.assessed_on, performed_at=None, reason="assessed_before", by=by, now=now
        )


def _still_counts(course: Course, opening: Session, on: date) -> bool:
    """Whether the patient's assessment says on that day that the treatment may be given, now or after a while."""
    as_it_stands = roster.course_facts(course)
    asked = next(session for session in as_it_stands.sessions if session.id == opening.uid)
    codes = {answer.code for answer in gates.assessment(gates.Asked(asked, on, as_it_stands, on))}
    return not codes & {"assessment_expired", "assessment_unsuitable"}


@act
def set_wishes(course: Course, wishes: facts.Wishes, *, by: User | None, now: datetime) -> Course:
    """Replace what the patient would like; booked visits stay where they are."""
    rights.require(by, course.site, *rights.FRONT_DESK)
    course = roster.lock(course)
    _refuse_unless_open(course)
    Course.objects.filter(pk=course.pk).update(**_wish_fields(wishes), revision=F("revision") + 1)
    _note(
        course,
        from_state=course.state,
        to_state=course.state,
        reason="wishes",
        details={"changed": "wishes"},
        by=by,
        now=now,
    )
    course.refresh_from_db()
    return course


def write_event(
    course: Course, key: str, happened_on: date, *, note: str, by: User | None, now: datetime
) -> NamedEvent:
    """Write something from which a spacing counts, or correct its date. A primitive of `intake.record_event`."""
    _refuse_unless_open(course)
    event, _created = NamedEvent.objects.update_or_create(
        course=course,
        key=key,
        defaults={"happened_on": happened_on, "note": note, "recorded_at": now, "recorded_by": by},
    )
    return event


@act
def close_course(course: Course, *, reason: str, by: User | None, now: datetime, completed: bool = False) -> Course:
    """End a course whose visits are released already: open sessions are dropped with the reason, rows stay.

    A primitive: `visits.end_course` cancels the visits and the messages around it.
    """
    state = CourseState.COMPLETED if completed else CourseState.ENDED
    for session in course.sessions.filter(state=SessionState.OPEN):
        change_session(session, SessionState.DROPPED, reason=reason or "course_completed", by=by, now=now)
    Course.objects.filter(pk=course.pk).update(
        state=state, ended_at=now, end_reason="" if completed else reason, revision=F("revision") + 1
    )
    _note(course, from_state=course.state, to_state=state, reason=reason, by=by, now=now)
    course.refresh_from_db()
    return course


def _wish_fields(wishes: facts.Wishes) -> dict[str, Any]:
    practitioner = None
    if wishes.practitioner is not None:
        practitioner = Resource.objects.practitioners().filter(uid=wishes.practitioner).first()
        if practitioner is None:
            raise RuleBroken(
                Problem("practitioner_unknown", _("There is no such practitioner."), "wishes.practitioner")
            )
    if not wishes.weekdays <= set(range(7)):
        raise RuleBroken(Problem("weekday_unknown", _("Weekdays are 0 (Monday) to 6."), "wishes.weekdays"))
    if not 0 <= wishes.from_minute < wishes.until_minute <= 24 * 60:
        raise RuleBroken(Problem("wish_times_reversed", _("“Not before” must be earlier than “done by”."), "wishes"))
    return {
        "wish_weekdays": sorted(wishes.weekdays),
        "wish_from_time": _time_of(wishes.from_minute) if wishes.from_minute else None,
        "wish_until_time": _time_of(wishes.until_minute) if wishes.until_minute < 24 * 60 else None,
        "wish_practitioner": practitioner,
        "wish_avoid_dates": sorted(wishes.avoid_dates),
        "wish_language": wishes.language,
        "wish_is_strict": wishes.strict,
    }


def _time_of(minute: int) -> time:
    return time(minute // 60, minute % 60)


# --- propose and book -------------------------------------------------------------------------------------------------


def propose_course(course: Course, *, now: datetime) -> list[facts.Alternative]:
    """Return plans for every session left that differ in kind, the cheapest first; raise NoPlan with the reasons.

    Writes nothing. Booked visits stay where they are and are part of each plan.
    """
    on = roster.today(course.site, now)
    as_it_stands = with_booked_pinned(roster.course_facts(course))
    if not any(is_to_plan(session) for session in as_it_stands.sessions):
        raise NoPlan(Problem("nothing_to_plan", _("Every session of this course is performed or booked already.")))
    times = roster.load(course, on, on + timedelta(days=course.site.booking_horizon_days), now=now)
    try:
        return search.alternatives(as_it_stands, times, WEIGHTS, today=on)
    except explain.Unplannable as stuck:
        raise NoPlan(*wording.no_plan(stuck, course.site)) from stuck


@act
def book_course(course: Course, slots: Sequence[facts.Slot], *, by: User | None, now: datetime) -> list[Appointment]:
    """Book every session left by these slots, or none: raise NotBookable with all that is wrong."""
    rights.require(by, course.site, *rights.FRONT_DESK)
    course = roster.lock(course, resources_of(slots))
    _refuse_unless_open(course)
    release_expired_reservations(now=now, resources=resources_of(slots))
    on = roster.today(course.site, now)
    as_it_stands = roster.course_facts(course)
    left = {session.id for session in as_it_stands.sessions if is_to_plan(session)}
    missing = [
        Problem("session_missing", wording.sentence("session_missing"), str(uid))
        for uid in sorted(left - {slot.session for slot in slots})
    ]
    booked = [
        already_booked(session.id)
        for session in as_it_stands.sessions
        if session.booked is not None and session.id in {slot.session for slot in slots}
    ]
    if problems := missing + booked + whats_wrong(slots, course, as_it_stands, on=on, now=now):
        raise NotBookable(*problems)
    appointments = place(course, slots, by=by, now=now)
    refresh_windows(course)
    outbox.confirm(appointments, now=now)
    return appointments


def already_booked(session: uuid.UUID) -> Problem:
    return Problem("already_booked", _("This session is booked already. Move that visit."), str(session))


def is_to_plan(session: facts.SessionFacts) -> bool:
    """Whether a plan of the course has to give this session a time."""
    return session.state is facts.SessionState.OPEN and session.step.planned_with_course and session.booked is None


def with_booked_pinned(course: facts.CourseFacts) -> facts.CourseFacts:
    return dataclasses.replace(
        course,
        sessions=tuple(dataclasses.replace(session, pinned=session.booked is not None) for session in course.sessions),
    )


def whats_wrong(
    slots: Sequence[facts.Slot], course: Course, as_it_stands: facts.CourseFacts, *, on: date, now: datetime
) -> list[Problem]:
    """Ask every rule and gate about booking these slots together; the caller holds the locks."""
    if not slots:
        return []
    first_on, last_on = min(slot.on for slot in slots), max(slot.on for slot in slots)
    horizon_on = on + timedelta(days=course.site.booking_horizon_days)
    times = roster.load(course, min(max(first_on, on), horizon_on), min(max(last_on, on), horizon_on), now=now)
    broken = violations(slots, as_it_stands, times, on)
    return wording.problems(broken, names_in(times) | roster.subjects()) if broken else []


def names_in(times: facts.Roster) -> dict[str, str]:
    """Return words for the subjects of violations: what each resource is called."""
    return {str(resource.id): resource.name for resource in times.resources}


def resources_of(slots: Iterable[facts.Slot]) -> set[uuid.UUID]:
    return {use.resource for slot in slots for use in slot.uses}


# --- primitives: the acts above call these inside their own transaction, under their own locks ------------------------


def place(course: Course, slots: Sequence[facts.Slot], *, by: User | None, now: datetime) -> list[Appointment]:
    """Write appointments and occupancies for slots that were found lawful under the locks."""
    sessions = {session.uid: session for session in course.sessions.filter(uid__in=[slot.session for slot in slots])}
    pks = _resource_pks(slots)
    rows = []
    for slot in slots:
        uid = uuid.uuid4()
        rows.append(
            Appointment(
                uid=uid,
                session=sessions[slot.session],
                patient=course.patient,
                site=course.site,
                calendar_uid=f"{uid}@cadence",
                booked_at=now,
                booked_by=by,
                **_when(slot, course.site, pks),
            )
        )
    appointments = Appointment.objects.bulk_create(rows)
    occupy(appointments, slots, pks)
    StateChange.objects.bulk_create(
        [
            StateChange(
                course=course,
                session=appointment.session,
                appointment=appointment,
                at=now,
                by=by,
                to_state=AppointmentState.BOOKED,
            )
            for appointment in appointments
        ]
    )
    return appointments


def replace_time(
    appointment: Appointment, slot: facts.Slot, *, reason: str, by: User | None, now: datetime
) -> Appointment:
    """Move a live appointment: same identity, next revision and SEQUENCE, old places released and new ones taken.

    A patient who is here already and gets another day has left: check-in is asked anew on that day.
    """
    before, state = when_as_data(appointment), appointment.state
    leaves = {} if slot.on == appointment.on else {"state": AppointmentState.BOOKED, "arrived_at": None}
    pks = _resource_pks([slot])
    Occupancy.objects.filter(appointment=appointment, released_at=None).update(released_at=now)
    Appointment.objects.filter(pk=appointment.pk).update(
        **_when(slot, appointment.site, pks),
        revision=F("revision") + 1,
        calendar_sequence=F("calendar_sequence") + 1,
        confirmed_at=None,
        **leaves,
    )
    occupy([appointment], [slot], pks)
    appointment.refresh_from_db()
    StateChange.objects.create(
        course=appointment.session.course,
        session=appointment.session,
        appointment=appointment,
        at=now,
        by=by,
        from_state=state,
        to_state=appointment.state,
        reason=reason,
        details={"from": before, "to": when_as_data(appointment)},
    )
    return appointment


def occupy(appointments: Sequence[Appointment], slots: Sequence[facts.Slot], pks: Mapping[uuid.UUID, int]) -> None:
    """Take the places of slots for their appointments, buffers included."""
    Occupancy.objects.bulk_create(
        [
            Occupancy(
                appointment=appointment,
                phase=use.phase,
                role=use.role,
                resource_id=pks[use.resource],
                place=use.place + 1,
                during=_range(slot.on, appointment.site, use.from_tick, use.until_tick),
            )
            for appointment, slot in zip(appointments, slots, strict=True)
            for use in slot.uses
        ]
    )


def change_appointment(
    appointment: Appointment,
    to_state: AppointmentState,
    *,
    by: User | None,
    now: datetime,
    reason: str = "",
    release_from: datetime | None = None,
    **fields: Any,
) -> None:
    """Change the state of an appointment that is still in the state last read; raise NotPossibleNow when it is not.

    With `release_from`, its places are released where they begin at or after that moment; before it they were used.
    """
    is_possible = appointment.state in LIVE and to_state != appointment.state
    if not is_possible or not Appointment.objects.filter(pk=appointment.pk, state=appointment.state).update(
        state=to_state, revision=F("revision") + 1, **fields
    ):
        raise NotPossibleNow(
            Problem(
                f"appointment_is_{appointment.state}",
                _("This visit is %(state)s already. Load the page again.")
                % {"state": AppointmentState(appointment.state).label},
                str(appointment.uid),
            )
        )
    if release_from is not None:
        Occupancy.objects.filter(
            appointment=appointment, released_at=None, during__startswith__gte=release_from
        ).update(released_at=now)
    _note(
        appointment.session.course,
        appointment.session,
        appointment,
        from_state=appointment.state,
        to_state=to_state,
        reason=reason,
        by=by,
        now=now,
    )
    appointment.refresh_from_db()


def record_performed(
    session: Session,
    *,
    performed_on: date,
    performed_at: datetime | None,
    by: User | None,
    now: datetime,
    reason: str = "",
    minutes: int | None = None,
    treated_areas: Iterable[Area] | None = None,
    uses: Mapping[str, Resource] | None = None,
) -> None:
    """Record that an open session took place. Never refuses the truth about when."""
    change_session(
        session,
        SessionState.PERFORMED,
        reason=reason,
        by=by,
        now=now,
        performed_on=performed_on,
        performed_at=performed_at,
        performed_minutes=minutes,
        state_reason="",
    )
    session.treated_areas.set(session.planned_areas.all() if treated_areas is None else treated_areas)
    SessionUse.objects.bulk_create(
        [SessionUse(session=session, role=role, resource=resource) for role, resource in (uses or {}).items()]
    )


def finish_visit(session: Session, *, by: User | None, now: datetime) -> Appointment | None:
    """Mark the live visit of a session as performed, if it has one, and release what had not begun."""
    visit = Appointment.objects.live().filter(session=session).select_related("session__course", "site").first()
    if visit is not None:
        change_appointment(visit, AppointmentState.PERFORMED, by=by, now=now, release_from=now)
    return visit


def change_session(
    session: Session, to_state: SessionState, *, by: User | None, now: datetime, reason: str = "", **fields: Any
) -> None:
    """Change an open session's state; raise NotPossibleNow when it is not open any more."""
    fields = {"state_reason": reason} | fields
    if not Session.objects.filter(pk=session.pk, state=SessionState.OPEN).update(state=to_state, **fields):
        session.refresh_from_db()
        raise NotPossibleNow(
            Problem(
                "session_not_open",
                _("This session is %(state)s already. Load the page again.")
                % {"state": SessionState(session.state).label},
                str(session.uid),
            )
        )
    _note(session.course, session, from_state=SessionState.OPEN, to_state=to_state, reason=reason, by=by, now=now)
    session.refresh_from_db()


def refresh_windows(course: Course, as_it_stands: facts.CourseFacts | None = None) -> None:
    """Write the windows of the sessions left to the cache that lists and searches read."""
    windows = windows_of(as_it_stands or roster.course_facts(course))
    changed = []
    for session in course.sessions.filter(uid__in=windows):
        window = windows[session.uid]
        fresh = (
            window.floor_on,
            window.earliest_on,
            window.target_on,
            window.overdue_on,
            window.lapse_on,
            window.provisional,
        )
        kept = tuple(getattr(session, name) for name in WINDOW_FIELDS)
        if kept != fresh:
            for name, value in zip(WINDOW_FIELDS, fresh, strict=True):
                setattr(session, name, value)
            changed.append(session)
    Session.objects.bulk_update(changed, WINDOW_FIELDS)


WINDOW_FIELDS = ["floor_on", "earliest_on", "target_on", "overdue_on", "lapse_on", "window_is_provisional"]


def release_expired_reservations(*, now: datetime, resources: Iterable[uuid.UUID] | None = None) -> int:
    """Release reservations whose time is over (all, or those on the given resources), and say how many."""
    expired = Reservation.objects.filter(released_at=None, expires_at__lte=now)
    if resources is not None:
        expired = expired.filter(occupancies__resource__uid__in=set(resources))
    pks = list(expired.values_list("pk", flat=True).distinct())
    Occupancy.objects.filter(reservation__in=pks, released_at=None).update(released_at=now)
    return Reservation.objects.filter(pk__in=pks, released_at=None).update(released_at=now)


def _refuse_unless_open(course: Course) -> None:
    if course.state != CourseState.OPEN:
        raise NotPossibleNow(
            Problem(
                f"course_{course.state}",
                _("This course is %(state)s. Start a new one.") % {"state": CourseState(course.state).label},
                str(course.uid),
            )
        )


def _note(
    course: Course,
    session: Session | None = None,
    appointment: Appointment | None = None,
    *,
    to_state: str,
    from_state: str = "",
    reason: str = "",
    details: Mapping[str, Any] | None = None,
    by: User | None,
    now: datetime,
) -> None:
    StateChange.objects.create(
        course=course,
        session=session,
        appointment=appointment,
        at=now,
        by=by,
        from_state=from_state,
        to_state=to_state,
        reason=reason,
        details=dict(details or {}),
    )


def _resource_pks(slots: Sequence[facts.Slot]) -> dict[uuid.UUID, int]:
    wanted = resources_of(slots) | {slot.lead for slot in slots}
    return dict(Resource.objects.filter(uid__in=wanted).values_list("uid", "pk"))


def _when(slot: facts.Slot, site: Site, pks: Mapping[uuid.UUID, int]) -> dict[str, Any]:
    during = _range(slot.on, site, slot.tick, slot.tick + slot.minutes)
    on_the_wall = localtime.wall(during.lower, site.zone)
    return {
        "on": on_the_wall.date(),
        "at_time": on_the_wall.time().replace(tzinfo=None, fold=0),
        "fold": on_the_wall.fold,
        "zone": site.zone,
        "minutes": slot.minutes,
        "during": during,
        "lead_id": pks[slot.lead],
    }


def _range(on: date, site: Site, from_tick: int, until_tick: int) -> DateTimeTZRange:
    starts_at = localtime.day_shape(on, site.zone).starts_at
    return DateTimeTZRange(starts_at + timedelta(minutes=from_tick), starts_at + timedelta(minutes=until_tick), "[)")


# --- plans as data: what an edge shows, and reads back when someone chooses ------------------------------------------


def slot_as_data(slot: facts.Slot, site: Site) -> dict[str, Any]:
    """Return a slot as JSON: local date and time at the site, and what takes which place. Places count from 1."""
    starts_at = localtime.day_shape(slot.on, site.zone).starts_at + timedelta(minutes=slot.tick)
    on_the_wall = localtime.wall(starts_at, site.zone)
    return {
        "session": str(slot.session),
        "on": on_the_wall.date().isoformat(),
        "at": f"{on_the_wall:%H:%M}",
        "fold": on_the_wall.fold,
        "lead": str(slot.lead),
        "uses": [
            {"phase": use.phase, "role": use.role, "resource": str(use.resource), "place": use.place + 1}
            for use in slot.uses
        ],
    }


def slots_from(data: object, course: Course) -> list[facts.Slot]:
    """Read slots that an edge posts back; raise PlanUnreadable naming the path, never a KeyError.

    Times a person typed that the clock skips are refused (TimeDoesNotExist). Whether the slots may be booked is not
    asked here.
    """
    if not isinstance(data, list) or not data:
        raise PlanUnreadable(Problem("plan_unreadable", _("A plan is a list of slots, one for each session."), "slots"))
    steps = {step.key: step for step in roster.protocol_facts(course.version).steps}
    keys = {str(session.uid): session.step_key for session in course.sessions.all()}
    slots = []
    for number, item in enumerate(data):
        try:
            uid = uuid.UUID(str(item["session"]))
            step = steps[keys[str(uid)]] if str(uid) in keys else None
            slots.append(_slot_from(item, uid, step, course.site))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise PlanUnreadable(
                Problem(
                    "plan_unreadable",
                    _("This slot cannot be read. Post it back as it was proposed."),
                    f"slots[{number}]",
                )
            ) from error
    return slots


def _slot_from(item: Mapping[str, Any], uid: uuid.UUID, step: facts.Step | None, site: Site) -> facts.Slot:
    on, at_time = date.fromisoformat(item["on"]), time.fromisoformat(item["at"])
    if at_time.tzinfo is not None or at_time.second or at_time.microsecond:
        raise ValueError("a slot begins at a minute of the site's clocks")
    at = localtime.typed_instant(on, at_time, site.zone, fold=1 if item.get("fold") == 1 else 0)
    tick = int((at - localtime.day_shape(on, site.zone).starts_at) / localtime.ONE_MINUTE)
    if step is None:  # not a session of this course: the rules will say so
        return facts.Slot(uid, on, tick, 0, uuid.UUID(str(item["lead"])), ())
    stretches = {(stretch.phase, stretch.role): stretch for stretch in stretches_of(step)}
    uses = []
    for use in item["uses"]:
        stretch = stretches[int(use["phase"]), str(use["role"])]
        uses.append(
            facts.Use(
                phase=stretch.phase,
                role=stretch.role,
                resource=uuid.UUID(str(use["resource"])),
                place=int(use["place"]) - 1,
                from_tick=tick + stretch.from_minute,
                until_tick=tick + stretch.until_minute,
            )
        )
    return facts.Slot(uid, on, tick, step.minutes, uuid.UUID(str(item["lead"])), tuple(uses))


def when_as_data(appointment: Appointment) -> dict[str, Any]:
    """Return when and with whom a visit is, for histories and messages."""
    return {
        "on": appointment.on.isoformat(),
        "at": f"{appointment.at_time:%H:%M}",
        "zone": appointment.zone,
        "minutes": appointment.minutes,
        "starts_at": appointment.during.lower.astimezone(UTC).isoformat(),
        "lead": str(appointment.lead.uid),
    }
