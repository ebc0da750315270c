"""Rows to facts, in a constant number of queries, and the locks. Writes nothing.

The only bridge between the ORM and the planner: units and zones change here. Hours, absences and closures are expanded
when read; busy time comes from standing occupancies, at a cost that grows with the span asked for, not with history.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Model, Prefetch, Q, QuerySet

from clinic import localtime
from clinic.models import Site
from patients.models import Answer, Patient

from .models import (
    Absence,
    Appointment,
    Assessment,
    Closure,
    Consent,
    Course,
    ExtraOpening,
    Hold,
    Hours,
    NamedEvent,
    Occupancy,
    Override,
    ProtocolVersion,
    Resource,
    ResourceCapability,
    Session,
    VersionState,
)
from .models import Spacing as SpacingRow
from .models import Step as StepRow
from .planner import facts, ticks
from .planner.amounts import Amount

Row = TypeVar("Row", bound=Model)

# --- protocols --------------------------------------------------------------------------------------------------------


def protocol_facts(version: ProtocolVersion) -> facts.Protocol:
    """Return what a protocol version asks for. An approved version never changes, so it is read once per process."""
    if version.state == VersionState.DRAFT:
        return _read_protocol(version.uid)
    return _remembered_protocol(version.uid)


@lru_cache(maxsize=256)
def _remembered_protocol(uid: UUID) -> facts.Protocol:
    return _read_protocol(uid)


def _read_protocol(uid: UUID) -> facts.Protocol:
    version = ProtocolVersion.objects.whole().get(uid=uid)
    return facts.Protocol(
        key=version.protocol.key,
        version=version.number,
        steps=tuple(_step(step) for step in version.steps.all()),
        areas=frozenset(area.code for area in version.areas.all()),
        risks=tuple(
            facts.RiskRule(
                question=rule.question.code,
                severity=facts.Severity(rule.severity),
                valid_days=rule.valid_days,
                refused_answers=frozenset(rule.refused_answers),
            )
            for rule in version.risk_rules.all()
        ),
        consent=facts.ConsentRule(
            at=version.consent_at,
            cooling_off=_amount(version.consent_cooling_off),
            valid_for=_amount(version.consent_valid_for),
        )
        if version.consent_at
        else None,
        assessment=facts.AssessmentRule(
            valid_for=_amount(version.assessment_valid_for), cooling_off=_amount(version.assessment_cooling_off)
        ),
    )


def _step(step: StepRow) -> facts.Step:
    return facts.Step(
        key=step.key,
        name=step.name,
        kind=facts.StepKind(step.kind),
        phases=tuple(
            facts.Phase(
                name=phase.name,
                minutes=phase.minutes,
                needs=tuple(facts.Need(need.role, need.capability.code) for need in phase.needs.all()),
                before_minutes=phase.before_minutes,
                after_minutes=phase.after_minutes,
            )
            for phase in step.phases.all()
        ),
        lead_role=step.lead_role,
        spacings=tuple(_spacing(spacing) for spacing in step.spacings.all()),
        gates=tuple(facts.Gate(gate.name, gate.parameters) for gate in step.gates.all()),
        planned_with_course=step.planned_with_course,
    )


def _spacing(spacing: SpacingRow) -> facts.Spacing:
    return facts.Spacing(
        reference=facts.Reference(spacing.reference),
        reference_key=spacing.reference_key,
        floor=_amount(spacing.floor),
        minimum=_amount(spacing.minimum),
        target=_amount(spacing.target),
        tolerance_days=spacing.tolerance_days,
        overdue=_amount(spacing.overdue),
        lapse=_amount(spacing.lapse),
        areas=frozenset(area.code for area in spacing.areas.all()),
    )


def _amount(text: str) -> Amount | None:
    return Amount.parse(text) if text else None


# --- courses ----------------------------------------------------------------------------------------------------------


def today(site: Site, now: datetime) -> date:
    """Return the local date at the site."""
    return localtime.local_date(now, site.zone)


def course_facts(course: Course) -> facts.CourseFacts:
    """Return a course as it stands, with every session, its live visits and all that its gates look at."""
    return courses_facts([course])[course.pk]


def courses_facts(courses: Sequence[Course]) -> dict[int, facts.CourseFacts]:
    """Return courses as they stand, by primary key, in the same number of statements for one and for many.

    Each course has its patient, lead, wished practitioner and version at hand (`for_facts` of its queryset), else those
    are read one by one.
    """
    sessions = (
        Session.objects.filter(course__in=courses)
        .select_related("outcome")
        .prefetch_related(
            "planned_areas", "treated_areas", Prefetch("appointments", live_appointments(), to_attr="live")
        )
        .order_by("position")
    )
    per_course = _grouped(sessions, "course_id")
    answers = _grouped(_newest_answers(courses), "patient_id")
    assessments = _newest_assessments(courses)
    consents = _grouped(
        Consent.objects.filter(course__in=courses, session=None).order_by("-informed_on", "-id"), "course_id"
    )
    holds = _grouped(Hold.objects.standing().filter(course__in=courses).order_by("pk"), "course_id")
    events = _grouped(NamedEvent.objects.filter(course__in=courses), "course_id")
    overrides = _grouped(
        Override.objects.filter(course__in=courses, revoked_at=None).select_related("session").order_by("pk"),
        "course_id",
    )
    return {
        course.pk: facts.CourseFacts(
            id=course.uid,
            protocol=(protocol := protocol_facts(course.version)),
            patient=_patient(course.patient, answers[course.patient_id]),
            sessions=_sessions(per_course[course.pk], protocol),
            started_on=course.started_on,
            lead=course.lead.uid if course.lead else None,
            events={event.key: event.happened_on for event in events[course.pk]},
            wishes=wishes_of(course),
            assessment=assessments.get((course.patient_id, course.version.protocol_id)),
            consent=_consent(consents[course.pk]),
            holds=tuple(facts.HoldFacts(hold.code, hold.reason, hold.lifted_by_role) for hold in holds[course.pk]),
            overrides=tuple(_override(override) for override in overrides[course.pk]),
        )
        for course in courses
    }


def _grouped(rows: Iterable[Row], key: str) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[getattr(row, key)].append(row)
    return found


def live_appointments() -> QuerySet[Appointment]:
    """Return live appointments with all that a slot is made of."""
    standing = Occupancy.objects.standing().select_related("resource").order_by("phase", "id")
    return (
        Appointment.objects.live()
        .select_related("lead", "site")
        .prefetch_related(Prefetch("occupancies", standing, to_attr="standing"))
    )


def slot_of(appointment: Appointment) -> facts.Slot:
    """Return a live appointment in the planner's own shape. Wants `occupancies` as `live_appointments` fetches them."""
    starts_at = localtime.day_shape(appointment.on, appointment.zone).starts_at
    standing: Iterable[Occupancy] = getattr(appointment, "standing", None) or appointment.occupancies.filter(
        released_at=None
    ).select_related("resource").order_by("phase", "id")
    return facts.Slot(
        session=appointment.session.uid,
        on=appointment.on,
        tick=_minutes_between(starts_at, appointment.during.lower),
        minutes=appointment.minutes,
        lead=appointment.lead.uid,
        uses=tuple(
            facts.Use(
                phase=taken.phase,
                role=taken.role,
                resource=taken.resource.uid,
                place=taken.place - 1,  # rows number places from 1, the planner from 0
                from_tick=_minutes_between(starts_at, taken.during.lower),
                until_tick=_minutes_between(starts_at, taken.during.upper),
            )
            for taken in standing
        ),
    )


def wishes_of(course: Course) -> facts.Wishes:
    return facts.Wishes(
        weekdays=frozenset(course.wish_weekdays),
        from_minute=_wall_minute(course.wish_from_time) if course.wish_from_time else 0,
        until_minute=_wall_minute(course.wish_until_time) if course.wish_until_time else 24 * 60,
        practitioner=course.wish_practitioner.uid if course.wish_practitioner else None,
        avoid_dates=frozenset(course.wish_avoid_dates),
        language=course.wish_language,
        strict=course.wish_is_strict,
    )


def _sessions(rows: list[Session], protocol: facts.Protocol) -> tuple[facts.SessionFacts, ...]:
    steps = {step.key: step for step in protocol.steps}
    return tuple(_session(row, steps[row.step_key]) for row in rows)


def _session(session: Session, step: facts.Step) -> facts.SessionFacts:
    outcome = getattr(session, "outcome", None)
    live: Sequence[Appointment] = session.live  # type: ignore[attr-defined]  # to_attr of courses_facts
    areas = session.planned_areas if session.performed_on is None else session.treated_areas
    return facts.SessionFacts(
        id=session.uid,
        position=session.position,
        step=step,
        state=facts.SessionState(session.state),
        areas=frozenset(area.code for area in areas.all()),
        performed_on=session.performed_on,
        counts=session.counts,
        outcome=facts.OutcomeFacts(facts.OutcomeResult(outcome.result), outcome.cleared_at is not None)
        if outcome
        else None,
        booked=slot_of(live[0]) if live else None,
    )


def _patient(patient: Patient, newest: list[Answer]) -> facts.PatientFacts:
    return facts.PatientFacts(
        id=patient.uid,
        deceased_on=patient.deceased_on,
        merged_away=patient.merged_into_id is not None,
        answers={
            answer.question.code: facts.AnswerFacts(answer.value, answer.given_on, answer.reviewed_at is not None)
            for answer in newest
        },
    )


def _newest_answers(courses: Sequence[Course]) -> QuerySet[Answer]:
    return (
        Answer.objects.filter(patient__in={course.patient_id for course in courses}, error_at=None)
        .select_related("question")
        .order_by("patient_id", "question_id", "-given_on", "-recorded_at", "-id")
        .distinct("patient_id", "question_id")
    )


def _newest_assessments(courses: Sequence[Course]) -> dict[tuple[int, int], facts.AssessmentFacts]:
    newest = (
        Assessment.objects.filter(patient__in={course.patient_id for course in courses}, error_at=None)
        .order_by("patient_id", "protocol_id", "-assessed_on", "-id")
        .distinct("patient_id", "protocol_id")
    )
    return {
        (row.patient_id, row.protocol_id): facts.AssessmentFacts(
            assessed_on=row.assessed_on,
            suitable=row.is_suitable,
            reflux=facts.Reflux(row.reflux),
            reflux_clear_on=row.reflux_clear_on,
            expires_on=row.expires_on,
        )
        for row in newest
    }


def _consent(newest_first: list[Consent]) -> facts.ConsentFacts | None:
    if not newest_first:
        return None
    newest = newest_first[0]
    return facts.ConsentFacts(newest.informed_on, newest.signed_on, newest.withdrawn_on, newest.expires_on)


def _override(override: Override) -> facts.OverrideFacts:
    session = override.session.uid if override.session else None
    return facts.OverrideFacts(override.rule, session, override.expires_on, override.subject)


# --- time and resources -----------------------------------------------------------------------------------------------


def load(
    course: Course, first_on: date, last_on: date, *, now: datetime, moving: Collection[Course] = ()
) -> facts.Roster:
    """Return the site's days and the time of every resource that the course's protocol could use, both dates inclusive.

    Takes the same number of statements whatever the span and however many resources. The course's own live appointments
    are left out, as are those of the courses that are `moving` together with it.
    """
    needed = {
        need.capability
        for step in protocol_facts(course.version).steps
        for phase in step.phases
        for need in phase.needs
    }
    return load_site(course.site, needed, first_on, last_on, now=now, patient=course.patient, without={course, *moving})


def load_site(
    site: Site,
    capabilities: set[str],
    first_on: date,
    last_on: date,
    *,
    now: datetime,
    patient: Patient | None = None,
    without: Collection[Course] = (),
) -> facts.Roster:
    """Return days and time at a site for the resources with one of the capabilities; see `load`.

    The live appointments of the courses `without` are left out: the planner knows them from those courses' facts.
    """
    days = _days(site, first_on, last_on)
    resources = list(
        Resource.objects.filter(has_capabilities__capability__code__in=capabilities)
        .filter(Q(active_from=None) | Q(active_from__lte=last_on), Q(active_to=None) | Q(active_to__gte=first_on))
        .prefetch_related(
            Prefetch("has_capabilities", ResourceCapability.objects.select_related("capability"), to_attr="able")
        )
        .distinct()
        .order_by("uid")
    )
    on_duty = _on_duty(site, resources, days)
    present = [resource for resource in resources if any((resource.uid, on) in on_duty for on in days)]
    return facts.Roster(
        site=site.uid,
        days=days,
        resources=tuple(_resource(resource) for resource in present),
        on_duty=on_duty,
        busy=_busy(present, days, without, now),
        patient_busy=_patient_busy(patient, days, without) if patient else {},
        grid_minutes=site.grid_minutes,
        not_before=now.astimezone(UTC),
        shortest_useful_minutes=site.shortest_visit_minutes,
    )


def _resource(resource: Resource) -> facts.ResourceFacts:
    able: Sequence[ResourceCapability] = resource.able  # type: ignore[attr-defined]  # to_attr of load_site
    return facts.ResourceFacts(
        id=resource.uid,
        kind=resource.kind,
        name=resource.name,
        capabilities=tuple(
            facts.CapabilityFacts(one.capability.code, one.from_on, one.until_on)
            for one in sorted(able, key=lambda one: (one.capability.code, one.pk))
        ),
        places=resource.places,
        languages=frozenset(resource.languages),
    )


def _days(site: Site, first_on: date, last_on: date) -> dict[date, facts.Day]:
    closed = _whole_days_closed(site, first_on, last_on)
    days = {}
    for number in range((last_on - first_on).days + 1):
        on = first_on + timedelta(days=number)
        shape = localtime.day_shape(on, site.zone)
        days[on] = facts.Day(
            on=on,
            starts_at=shape.starts_at,
            length_minutes=shape.length_minutes,
            changes=tuple(facts.ClockChange(*change) for change in shape.changes),
            closed=closed.get(on, ""),
        )
    return days


def _closures(site: Site, first_on: date, last_on: date, *, whole_days: bool) -> list[Closure]:
    return list(
        Closure.objects.filter(
            site=site, cancelled_at=None, first_on__lte=last_on, last_on__gte=first_on, from_time__isnull=whole_days
        )
    )


def _whole_days_closed(site: Site, first_on: date, last_on: date) -> dict[date, str]:
    closed = {}
    for closure in _closures(site, first_on, last_on, whole_days=True):
        for on in _dates(closure.first_on, closure.last_on, first_on, last_on):
            closed[on] = closure.name
    return closed


def _on_duty(site: Site, resources: list[Resource], days: dict[date, facts.Day]) -> dict[tuple[UUID, date], int]:
    """Return ticks on duty per resource and date: hours and extra openings, less absences and closures."""
    first_on, last_on = min(days), max(days)
    uids = {resource.pk: resource.uid for resource in resources}
    duty = _planned_duty(site, {resource.pk: resource for resource in resources}, days)
    absences = Absence.objects.filter(
        resource__in=uids, cancelled_at=None, first_on__lte=last_on, last_on__gte=first_on
    )
    lost_time: list[tuple[Absence | Closure, tuple[UUID, ...]]] = [
        *((absence, (uids[absence.resource_id],)) for absence in absences),
        *((closure, tuple(uids.values())) for closure in _closures(site, first_on, last_on, whole_days=False)),
    ]
    for lost, whose in lost_time:
        for on in _dates(lost.first_on, lost.last_on, first_on, last_on):
            part = _part_of_day(days[on], lost.from_time, lost.until_time, site.zone)
            for uid in whose:
                if (uid, on) in duty:
                    duty[uid, on] &= ~part
    return {key: free for key, free in duty.items() if free and not days[key[1]].closed}


def _planned_duty(
    site: Site, resources: dict[int, Resource], days: dict[date, facts.Day]
) -> dict[tuple[UUID, date], int]:
    first_on, last_on = min(days), max(days)
    duty: dict[tuple[UUID, date], int] = defaultdict(int)
    on_weekday: dict[int, list[date]] = defaultdict(list)
    for on in days:
        on_weekday[on.weekday()].append(on)
    for hours in Hours.objects.filter(site=site, resource__in=resources, valid_from__lte=last_on).filter(
        Q(valid_to=None) | Q(valid_to__gte=first_on)
    ):
        resource = resources[hours.resource_id]
        for on in on_weekday[hours.weekday]:
            if _hours_apply(hours, on) and _is_employed(resource, on):
                duty[resource.uid, on] |= _span(days[on], hours.from_time, hours.until_time, site.zone)
    for extra in ExtraOpening.objects.filter(site=site, resource__in=resources, on__range=(first_on, last_on)):
        resource = resources[extra.resource_id]
        if _is_employed(resource, extra.on):
            duty[resource.uid, extra.on] |= _span(days[extra.on], extra.from_time, extra.until_time, site.zone)
    return duty


def _hours_apply(hours: Hours, on: date) -> bool:
    if on < hours.valid_from or (hours.valid_to is not None and on > hours.valid_to):
        return False
    if hours.every_weeks == 1:
        return True
    first_monday = hours.valid_from - timedelta(days=hours.valid_from.weekday())
    return ((on - first_monday).days // 7) % hours.every_weeks == 0


def _is_employed(resource: Resource, on: date) -> bool:
    return (resource.active_from is None or resource.active_from <= on) and (
        resource.active_to is None or on <= resource.active_to
    )


def _busy(
    resources: list[Resource], days: dict[date, facts.Day], without: Collection[Course], now: datetime
) -> dict[tuple[UUID, date], tuple[int, ...]]:
    """Return ticks taken per resource, date and place by standing occupancies (reservations until they expire)."""
    if not resources:
        return {}
    starts = [int(day.starts_at.timestamp()) for day in days.values()]
    dates = list(days)
    end = starts[-1] + days[dates[-1]].length_minutes * 60
    # LATERAL, because `resource = ANY(...)` cannot use the first column of the exclusion constraint's GiST index.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT wanted.uid, taken.place, taken.from_epoch, taken.until_epoch
            FROM unnest(%s::bigint[], %s::uuid[]) AS wanted (id, uid)
            CROSS JOIN LATERAL (
                SELECT o.place,
                       floor(extract(epoch FROM lower(o.during)))::bigint AS from_epoch,
                       ceil(extract(epoch FROM upper(o.during)))::bigint AS until_epoch
                FROM scheduling_occupancy o
                LEFT JOIN scheduling_appointment a ON a.id = o.appointment_id
                LEFT JOIN scheduling_reservation r ON r.id = o.reservation_id
                LEFT JOIN scheduling_session s ON s.id = COALESCE(a.session_id, r.session_id)
                WHERE o.resource_id = wanted.id
                  AND o.released_at IS NULL
                  AND o.during && tstzrange(to_timestamp(%s), to_timestamp(%s))
                  AND (r.id IS NULL OR r.expires_at > %s)
                  AND s.course_id <> ALL (%s::bigint[])
            ) taken
            """,
            [
                [resource.pk for resource in resources],
                [resource.uid for resource in resources],
                starts[0],
                end,
                now,
                [course.pk for course in without],
            ],
        )
        rows = cursor.fetchall()
    places: dict[tuple[UUID, date], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for uid, place, from_epoch, until_epoch in rows:
        for on, taken in _per_day(dates, starts, days, from_epoch, until_epoch):
            places[uid, on][place] |= taken
    return {key: tuple(taken.get(place, 0) for place in range(1, max(taken) + 1)) for key, taken in places.items()}


def _patient_busy(patient: Patient, days: dict[date, facts.Day], without: Collection[Course]) -> dict[date, int]:
    starts = [int(day.starts_at.timestamp()) for day in days.values()]
    dates = list(days)
    first, last = dates[0], dates[-1]
    other = Appointment.objects.live().filter(
        patient=patient, on__range=(first - timedelta(days=2), last + timedelta(days=2))
    )
    other = other.exclude(session__course__in=without)
    busy: dict[date, int] = defaultdict(int)
    for during in other.values_list("during", flat=True):
        from_epoch, until_epoch = int(during.lower.timestamp()), int(-(-during.upper.timestamp() // 1))
        for on, taken in _per_day(dates, starts, days, from_epoch, until_epoch):
            busy[on] |= taken
    return dict(busy)


def _per_day(
    dates: list[date], starts: list[int], days: dict[date, facts.Day], from_epoch: int, until_epoch: int
) -> Iterable[tuple[date, int]]:
    """Yield the dates a span of epoch seconds touches, with its ticks there, rounded outwards to whole minutes."""
    index = max(bisect_right(starts, from_epoch) - 1, 0)
    while index < len(starts) and starts[index] < until_epoch:
        on, begin = dates[index], starts[index]
        first = (from_epoch - begin) // 60
        until = min(-((begin - until_epoch) // 60), days[on].length_minutes)
        if taken := ticks.span(first, until):
            yield on, taken
        index += 1


def _dates(first_on: date, last_on: date, at_least: date, at_most: date) -> Iterable[date]:
    first, last = max(first_on, at_least), min(last_on, at_most)
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _part_of_day(day: facts.Day, from_time: time | None, until_time: time | None, zone: str) -> int:
    if from_time is None or until_time is None:
        return ticks.span(0, day.length_minutes)
    return _span(day, from_time, until_time, zone)


def _span(day: facts.Day, from_time: time, until_time: time, zone: str) -> int:
    if not day.changes and day.length_minutes == 1440:
        return ticks.span(_wall_minute(from_time), _wall_minute(until_time))
    return ticks.span(
        localtime.elapsed_minutes(day.on, from_time, zone), localtime.elapsed_minutes(day.on, until_time, zone)
    )


def _wall_minute(at: time) -> int:
    return at.hour * 60 + at.minute


def _minutes_between(start: datetime, end: datetime) -> int:
    return int((end - start) / localtime.ONE_MINUTE)


# --- locks ------------------------------------------------------------------------------------------------------------


def lock(course: Course, resources: Iterable[UUID] = ()) -> Course:
    """Lock patient, course and resources, in this order and each by id, and return the course as it stands now.

    `NO KEY UPDATE`, so foreign keys to these rows can still be written. What an act decides upon is read after this.
    """
    Patient.objects.select_for_update(no_key=True).get(pk=course.patient_id)
    locked = (
        Course.objects.select_for_update(no_key=True, of=("self",))
        .select_related("patient", "site", "version__protocol", "lead", "wish_practitioner")
        .get(pk=course.pk)
    )
    lock_resources(resources)
    return locked


def lock_resources(resources: Iterable[UUID]) -> None:
    """Lock resources, by id; the last in the order of locks."""
    if wanted := set(resources):
        rows = Resource.objects.select_for_update(no_key=True).filter(uid__in=wanted).order_by("pk")
        list(rows.values_list("pk", flat=True))
