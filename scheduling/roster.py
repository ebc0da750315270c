"""Rows to facts, in a constant number of queries, and the locks. Writes nothing.

The only bridge between the ORM and the planner: units and zones change here. Hours, absences and closures are expanded
when read; busy time comes from standing occupancies, at a cost that grows with the span asked for, not with history.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from clinic import localtime
from clinic.models import Site
from patients.models import Answer, Area, Patient, Question

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
from .models.appointments import LIVE
from .planner import facts, ticks
from .planner.amounts import Amount

Row = TypeVar("Row")
Found = TypeVar("Found")
Spans = tuple[list[int], list[int]]  # begins and ends, in minutes from some moment, each in order

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


def subjects() -> dict[str, str]:
    """Return words for what a gate's sentence is about: questions and areas, by code."""
    return {
        **dict(Area.objects.values_list("code", "name")),
        **dict(Question.objects.values_list("code", "text")),
    }


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
    sessions = _grouped(_sessions(courses), "course_id")
    areas = _areas(courses)
    live = live_appointments().filter(session__course__in=courses)
    booked = {appointment.session_id: slot_of(appointment) for appointment in live}
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
            sessions=tuple(
                _session(row, steps[row.step_key], areas.get(row.id, frozenset()), booked.get(row.id))
                for steps in ({step.key: step for step in protocol.steps},)
                for row in sessions[course.pk]
            ),
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
        .select_related("lead", "session")
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


def _sessions(courses: Collection[Course]) -> QuerySet[Session, Any]:
    return (
        Session.objects.filter(course__in=courses)
        .order_by("position")
        .values_list(
            "id",
            "uid",
            "course_id",
            "position",
            "step_key",
            "state",
            "performed_on",
            "counts",
            "outcome__result",
            "outcome__cleared_at",
            named=True,
        )
    )


def _session(row: Any, step: facts.Step, areas: frozenset[str], booked: facts.Slot | None) -> facts.SessionFacts:
    return facts.SessionFacts(
        id=row.uid,
        position=row.position,
        step=step,
        state=facts.SessionState(row.state),
        areas=areas,
        performed_on=row.performed_on,
        counts=row.counts,
        outcome=facts.OutcomeFacts(facts.OutcomeResult(row.outcome__result), row.outcome__cleared_at is not None)
        if row.outcome__result
        else None,
        booked=booked,
    )


def _areas(courses: Collection[Course]) -> dict[int, frozenset[str]]:
    """Return the areas of each session by its primary key: those treated when it is performed, else those planned."""
    planned = Session.planned_areas.through.objects.filter(session__course__in=courses, session__performed_on=None)
    treated = Session.treated_areas.through.objects.filter(
        session__course__in=courses, session__performed_on__isnull=False
    )
    found: dict[int, set[str]] = defaultdict(set)
    for session, code in planned.values_list("session_id", "area__code").union(
        treated.values_list("session_id", "area__code")
    ):
        found[session].add(code)
    return {session: frozenset(codes) for session, codes in found.items()}


def _patient(patient: Patient, newest: Iterable[Any]) -> facts.PatientFacts:
    return facts.PatientFacts(
        id=patient.uid,
        deceased_on=patient.deceased_on,
        merged_away=patient.merged_into_id is not None,
        answers={
            answer.question__code: facts.AnswerFacts(answer.value, answer.given_on, answer.reviewed_at is not None)
            for answer in newest
        },
    )


def _newest_answers(courses: Collection[Course]) -> QuerySet[Answer, Any]:
    return (
        Answer.objects.filter(patient__in={course.patient_id for course in courses}, error_at=None)
        .order_by("patient_id", "question_id", "-given_on", "-recorded_at", "-id")
        .distinct("patient_id", "question_id")
        .values_list("patient_id", "question__code", "value", "given_on", "reviewed_at", named=True)
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

    Who serves the site but is away on all of these dates is there, without time: a refusal can call them by name. The
    live appointments of the courses `without` are left out: the planner knows them from those courses' facts.
    """
    closures = _closures(site, first_on, last_on)
    days = _days(site, first_on, last_on, closures)
    resources = list(
        Resource.objects.filter(has_capabilities__capability__code__in=capabilities)
        .filter(
            Exists(_hours_between(site, first_on, last_on).filter(resource=OuterRef("pk")))
            | Exists(ExtraOpening.objects.filter(site=site, resource=OuterRef("pk"), on__range=(first_on, last_on)))
        )
        .filter(Q(active_from=None) | Q(active_from__lte=last_on), Q(active_to=None) | Q(active_to__gte=first_on))
        .prefetch_related(
            Prefetch("has_capabilities", ResourceCapability.objects.select_related("capability"), to_attr="able")
        )
        .distinct()
        .order_by("uid")
    )
    return facts.Roster(
        site=site.uid,
        days=days,
        resources=tuple(_resource(resource) for resource in resources),
        on_duty=_on_duty(site, resources, days, closures),
        busy=_busy(resources, days, without, now),
        patient_busy=_patient_busy(patient, days, without) if patient else {},
        grid_minutes=site.grid_minutes,
        not_before=now.astimezone(UTC),
        shortest_useful_minutes=site.shortest_visit_minutes,
    )


class ByDate(Mapping[tuple[UUID, date], Found]):
    """What is found for a resource on a date, worked out when it is asked for: a plan looks at few dates of a year.

    Where nothing is found there is no entry.
    """

    def __init__(
        self, resources: Iterable[Resource], dates: Iterable[date], find: Callable[[UUID, date], Found]
    ) -> None:
        self._resources, self._dates, self._find = list(resources), list(dates), find
        self._found: dict[tuple[UUID, date], Found] = {}

    def __getitem__(self, key: tuple[UUID, date]) -> Found:
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._find(*key)
        if not found:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[tuple[UUID, date]]:
        every = ((resource.uid, on) for resource in self._resources for on in self._dates)
        return (key for key in every if key in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


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


def _days(site: Site, first_on: date, last_on: date, closures: Iterable[Closure]) -> dict[date, facts.Day]:
    days = {on: _day(on, site.zone) for on in _dates(first_on, last_on)}
    for closure in closures:
        if closure.from_time is None:
            for on in _dates(max(closure.first_on, first_on), min(closure.last_on, last_on)):
                days[on] = replace(days[on], closed=closure.name)
    return days


@lru_cache(maxsize=8192)
def _day(on: date, zone: str) -> facts.Day:
    shape = localtime.day_shape(on, zone)
    changes = tuple(facts.ClockChange(*change) for change in shape.changes)
    return facts.Day(on, shape.starts_at, shape.length_minutes, changes)


def _dates(first_on: date, last_on: date) -> Iterable[date]:
    return (first_on + timedelta(days=number) for number in range((last_on - first_on).days + 1))


def _closures(site: Site, first_on: date, last_on: date) -> list[Closure]:
    return list(Closure.objects.filter(site=site, cancelled_at=None, first_on__lte=last_on, last_on__gte=first_on))


def _on_duty(
    site: Site, resources: list[Resource], days: dict[date, facts.Day], closures: Iterable[Closure]
) -> Mapping[tuple[UUID, date], int]:
    """Return ticks on duty per resource and date: hours and extra openings, less absences and closures."""
    first_on, last_on = min(days), max(days)
    uids = {resource.pk: resource.uid for resource in resources}
    staff = {resource.uid: resource for resource in resources}
    weekly: dict[tuple[UUID, int], list[Hours]] = defaultdict(list)
    for hours in _hours_between(site, first_on, last_on).filter(resource__in=uids):
        weekly[uids[hours.resource_id], hours.weekday].append(hours)
    extra: dict[tuple[UUID, date], list[ExtraOpening]] = defaultdict(list)
    for opening in ExtraOpening.objects.filter(site=site, resource__in=uids, on__range=(first_on, last_on)):
        extra[uids[opening.resource_id], opening.on].append(opening)
    lost: dict[UUID, list[Absence | Closure]] = {uid: list(closures) for uid in staff}
    for absence in Absence.objects.filter(
        resource__in=uids, cancelled_at=None, first_on__lte=last_on, last_on__gte=first_on
    ):
        lost[uids[absence.resource_id]].append(absence)

    def ticks_on_duty(uid: UUID, on: date) -> int:
        duty, day = 0, days.get(on)
        if day is None or day.closed or uid not in staff or not _is_employed(staff[uid], on):
            return 0
        for hours in weekly.get((uid, on.weekday()), ()):
            if is_on(hours, on):
                duty |= _span(day, hours.from_time, hours.until_time, site.zone)
        for opening in extra.get((uid, on), ()):
            duty |= _span(day, opening.from_time, opening.until_time, site.zone)
        for away in lost[uid]:
            if away.first_on <= on <= away.last_on:
                duty &= ~_part_of_day(day, away.from_time, away.until_time, site.zone)
        return duty

    return ByDate(resources, days, ticks_on_duty)


def _hours_between(site: Site, first_on: date, last_on: date) -> QuerySet[Hours]:
    return Hours.objects.filter(Q(valid_to=None) | Q(valid_to__gte=first_on), site=site, valid_from__lte=last_on)


def is_on(hours: Hours, on: date) -> bool:
    """Whether weekly hours hold on a date: its weekday, inside their validity, in one of their weeks."""
    if on.weekday() != hours.weekday or on < hours.valid_from or (hours.valid_to is not None and on > hours.valid_to):
        return False
    return (_week(on) - _week(hours.valid_from)) % hours.every_weeks == 0


def _week(on: date) -> int:
    """Return the number of the date's week, Monday first."""
    return (on.toordinal() - 1) // 7


def _is_employed(resource: Resource, on: date) -> bool:
    return (resource.active_from is None or resource.active_from <= on) and (
        resource.active_to is None or on <= resource.active_to
    )


def _busy(
    resources: list[Resource], days: dict[date, facts.Day], without: Collection[Course], now: datetime
) -> Mapping[tuple[UUID, date], tuple[int, ...]]:
    """Return ticks taken per resource, date and place by standing occupancies (reservations until they expire).

    Of the courses `without`, live visits are left out; what a visit that is over still holds is taken.
    """
    since, last = days[min(days)].starts_at, days[max(days)]
    # LATERAL, because `resource = ANY(...)` cannot use the first column of the exclusion constraint's GiST index.
    # The ranges come packed as PostgreSQL itself sends them: a year of a clinic has tens of thousands.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT wanted.uid, taken.place, taken.spans
            FROM unnest(%(pks)s::bigint[], %(uids)s::uuid[]) AS wanted (id, uid)
            CROSS JOIN LATERAL (
                SELECT o.place, string_agg(range_send(o.during), ''::bytea) AS spans
                FROM scheduling_occupancy o
                WHERE o.resource_id = wanted.id
                  AND o.released_at IS NULL
                  AND o.during && tstzrange(%(since)s, %(until)s)
                  AND (o.appointment_id IS NULL OR o.appointment_id <> ALL (ARRAY(
                      SELECT a.id FROM scheduling_appointment a JOIN scheduling_session s ON s.id = a.session_id
                      WHERE s.course_id = ANY (%(without)s::bigint[]) AND a.state = ANY (%(live)s))))
                  AND (o.reservation_id IS NULL OR EXISTS (
                      SELECT FROM scheduling_reservation r JOIN scheduling_session s ON s.id = r.session_id
                      WHERE r.id = o.reservation_id AND r.expires_at > %(now)s
                        AND s.course_id <> ALL (%(without)s::bigint[])))
                GROUP BY o.place
            ) taken
            """,
            {
                "pks": [resource.pk for resource in resources],
                "uids": [resource.uid for resource in resources],
                "since": since,
                "until": last.instant(last.length_minutes),
                "now": now,
                "without": [course.pk for course in without],
                "live": list(LIVE),
            },
        )
        taken: dict[UUID, dict[int, Spans]] = defaultdict(dict)
        for uid, place, spans in cursor.fetchall():
            taken[uid][place] = _unpacked(spans, since)

    def ticks_taken(uid: UUID, on: date) -> tuple[int, ...]:
        if on not in days or uid not in taken:
            return ()
        begins = _minutes_between(since, days[on].starts_at)
        places = {place: _ticks_of(spans, begins, days[on]) for place, spans in taken[uid].items()}
        highest = max((place for place, found in places.items() if found), default=0)
        return tuple(places.get(place, 0) for place in range(1, highest + 1))

    return ByDate(resources, days, ticks_taken)


def _patient_busy(patient: Patient, days: dict[date, facts.Day], without: Collection[Course]) -> dict[date, int]:
    since, last = days[min(days)].starts_at, days[max(days)]
    other = Appointment.objects.live().filter(
        patient=patient, during__overlap=DateTimeTZRange(since, last.instant(last.length_minutes))
    )
    spans = sorted(
        (_minutes_between(since, during.lower), -_minutes_between(during.upper, since))
        for during in other.exclude(session__course__in=without).order_by().values_list("during", flat=True)
    )
    begins, ends = [begin for begin, _ in spans], [end for _, end in spans]
    busy = {
        on: _ticks_of((begins, ends), _minutes_between(since, day.starts_at), day) for on, day in days.items() if spans
    }
    return {on: taken for on, taken in busy.items() if taken}


# A finite range as PostgreSQL sends it: flags, then size and value of each bound, in microseconds since 2000.
RANGE = np.dtype([("flags", "u1"), ("size", ">i4"), ("begins", ">i8"), ("another", ">i4"), ("ends", ">i8")])
YEAR_2000, MINUTE = datetime(2000, 1, 1, tzinfo=UTC), 60_000_000


def _unpacked(spans: bytes, since: datetime) -> Spans:
    """Return spans of one place, which never overlap, as minutes since that moment, rounded outwards."""
    ranges, offset = np.frombuffer(spans, RANGE), _minutes_between(YEAR_2000, since)
    begins, ends = ranges["begins"] // MINUTE - offset, -(-ranges["ends"] // MINUTE) - offset
    return np.sort(begins).tolist(), np.sort(ends).tolist()


def _ticks_of(spans: Spans, day_begins: int, day: facts.Day) -> int:
    """Return what spans take of a day that begins that many minutes after what they are counted from."""
    begins, ends = spans
    first, until = bisect_right(ends, day_begins), bisect_left(begins, day_begins + day.length_minutes)
    taken = 0
    for begin, end in zip(begins[first:until], ends[first:until], strict=True):
        taken |= ticks.span(begin - day_begins, min(end - day_begins, day.length_minutes))
    return taken


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
    return (end - start) // localtime.ONE_MINUTE


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
