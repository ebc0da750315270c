"""A course from its start to its end: plan it, book it, and what clinicians record around it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api import NotFound
from patients.models import Area, Guardian, Patient
from scheduling import booking, holds, intake, replanning, reports, roster, sessions, versions, visits
from scheduling.models import (
    Assessment,
    Consent,
    ConsentText,
    Course,
    Hold,
    Override,
    ProtocolVersion,
    Resource,
    Session,
)
from scheduling.planner import facts

from . import inputs, outputs, shown
from .endpoint import Endpoint, Shows, all_named, named


def _wishes(given: dict[str, Any] | None) -> facts.Wishes:
    if given is None:
        return facts.Wishes()
    from_time, until_time = given["from_time"], given["until_time"]
    return facts.Wishes(
        weekdays=frozenset(given["weekdays"]),
        from_minute=_minute(from_time) if from_time else 0,
        until_minute=_minute(until_time) if until_time else 24 * 60,
        practitioner=given["practitioner"],
        avoid_dates=frozenset(given["avoid_dates"]),
        language=given["language"],
        strict=given["strict"],
    )


def _ask(given: dict[str, Any]) -> facts.Ask:
    return facts.Ask(
        every=_terms(given["every"]) if "every" in given else facts.Terms(),
        sessions=tuple(facts.SessionTerms(one["session"], _terms(one)) for one in given["sessions"]),
        starts_from=given["starts_from"],
        starts_by=given["starts_by"],
        ends_before=given["ends_before"],
    )


def _terms(given: dict[str, Any]) -> facts.Terms:
    return facts.Terms(
        on=given.get("on"),
        at_minute=_minute(given["at"]) if given.get("at") else None,
        first_on=given["first_on"],
        last_on=given["last_on"],
        forbidden=tuple((span["first_on"], span["last_on"]) for span in given["forbidden"]),
        weekdays=frozenset(given["weekdays"]),
        from_minute=_minute(given["from_time"]) if given["from_time"] else 0,
        until_minute=_minute(given["until_time"]) if given["until_time"] else 24 * 60,
        only_with=frozenset(given["only_with"]),
        not_with=frozenset(given["not_with"]),
    )


def _minute(at: time) -> int:
    return at.hour * 60 + at.minute


def slot_as_sent(slot: dict[str, Any]) -> dict[str, Any]:
    """Return a slot whose shape was checked as `booking.slots_from` reads it."""
    return {**slot, "on": slot["on"].isoformat(), "at": f"{slot['at']:%H:%M}"}


class CourseEndpoint(Endpoint):
    """Courses at the sites where the user works."""

    site_path = "site_id"
    rights: ClassVar = {
        "create": "start_course",
        "retrieve": "see_patients",
        "plan": "plan",
        "book": "book",
        "wishes": "plan",
        "replan": "plan",
        "assessments": "assess",
        "consents": "record_consent",
        "events": "record_event",
        "holds": "hold",
        "overrides": "override",
        "add_session": "change_sessions",
        "plan_areas": "plan",
        "preview_version": "move_version",
        "move_version": "move_version",
        "end": "end_course",
    }

    def get_queryset(self) -> QuerySet[Course]:
        return shown.courses_visible_to(self.user)

    def _shown(self, course: Course, now: datetime) -> Any:
        return outputs.CourseOutput(shown.course(self.get_queryset().get(pk=course.pk), now)).data

    def _act(self, act: Callable[[Course, datetime], Any], *, status: int = 200) -> Response:
        """Do something to the course and show it whole: what one act changes may open a gate or move a window."""
        course: Course = self.get_object()
        now = timezone.now()

        def answer() -> Any:
            act(course, now)
            return self._shown(course, now)

        return self.do(answer, status=status, shows=_shows(course))

    @extend_schema(
        summary="Start a course", tags=["courses"], request=inputs.CourseInput, responses={201: outputs.CourseOutput}
    )
    def create(self, request: Request) -> Response:
        given = inputs.CourseInput.checked(request.data)
        site = named(shown.sites_of(self.user), "site", uid=given["site"])
        patient = named(Patient.objects.all(), "patient", uid=given["patient"])
        version = named(ProtocolVersion.objects.select_related("protocol"), "protocol", uid=given["protocol"])
        lead = named(Resource.objects.all(), "lead", uid=given["lead"]) if given["lead"] else None
        areas = all_named(Area.objects.all(), "areas", given["areas"])
        wishes = _wishes(given.get("wishes"))
        now = timezone.now()

        def answer() -> Any:
            course = booking.start_course(
                patient, version, site, lead=lead, areas=areas, wishes=wishes, by=self.user, now=now
            )
            return self._shown(course, now)

        return self.do(answer, status=201)

    @extend_schema(
        summary="A course: sessions with windows, gates and visits, outcomes, holds, the open proposal",
        tags=["courses"],
        responses=outputs.CourseOutput,
    )
    def retrieve(self, request: Request, **_uid: Any) -> Response:
        course: Course = self.get_object()
        self.was_read("view", "scheduling.course", [course.patient.uid], course.uid)
        return Response(outputs.CourseOutput(shown.course(course, timezone.now())).data)

    @extend_schema(
        summary="Propose plans for every session left; writes nothing",
        tags=["courses"],
        request=inputs.AskInput,
        responses=outputs.PlanOutput,
    )
    def plan(self, request: Request, **_uid: Any) -> Response:
        course: Course = self.get_object()
        ask = _ask(inputs.AskInput.checked(request.data))
        self.was_read("view", "scheduling.course", [course.patient.uid], course.uid)  # a refusal tells of it too
        alternatives = booking.propose_course(course, now=timezone.now(), ask=ask, explained=True)
        return Response(outputs.PlanOutput(shown.plan(course, alternatives)).data)

    @extend_schema(
        summary="Book a course whole: post the slots of a plan back",
        tags=["courses"],
        request=inputs.BookCourseInput,
        responses={201: outputs.BookedOutput},
        parameters=[inputs.KEY_NEEDED],
    )
    def book(self, request: Request, **_uid: Any) -> Response:
        course: Course = self.get_object()
        given = inputs.BookCourseInput.checked(request.data)
        now = timezone.now()

        def answer() -> Any:
            slots = booking.slots_from([slot_as_sent(slot) for slot in given["slots"]], course)
            booked = visits.book_course(course, slots, by=self.user, now=now)
            rows = shown.appointments_visible_to(self.user).filter(pk__in=[one.pk for one in booked])
            return outputs.BookedOutput({"appointments": rows, "proposal": shown.open_proposal(course)}).data

        return self.do(answer, status=201, key_needed=True, shows=_shows(course))

    @extend_schema(
        summary="Plan the whole course anew: a proposal in which every visit to come may move, where that is better",
        tags=["courses"],
        request=None,
        responses=outputs.Replanned,
    )
    def replan(self, request: Request, **_uid: Any) -> Response:
        inputs.Nothing.checked(request.data)
        course: Course = self.get_object()

        def answer() -> Any:
            replanning.replan_course(course, by=self.user, now=timezone.now())
            return outputs.Replanned({"proposal": shown.open_proposal(course)}).data

        return self.do(answer, shows=_shows(course))

    @extend_schema(
        summary="Replace what the patient would like",
        tags=["courses"],
        request=inputs.WishesInput,
        responses=outputs.CourseOutput,
    )
    def wishes(self, request: Request, **_uid: Any) -> Response:
        wishes = _wishes(inputs.WishesInput.checked(request.data))
        return self._act(lambda course, now: booking.set_wishes(course, wishes, by=self.user, now=now))

    @extend_schema(
        summary="Record a medical assessment",
        tags=["courses"],
        request=inputs.AssessmentInput,
        responses={201: outputs.CourseOutput},
    )
    def assessments(self, request: Request, **_uid: Any) -> Response:
        what = intake.AssessmentInput(**inputs.AssessmentInput.checked(request.data))
        return self._act(
            lambda course, now: intake.assess(
                course.patient, course.version.protocol, what, site=course.site, by=self.user, now=now
            ),
            status=201,
        )

    @extend_schema(
        summary="Record that the patient was informed, and signed",
        tags=["courses"],
        request=inputs.ConsentInput,
        responses={201: outputs.CourseOutput},
    )
    def consents(self, request: Request, **_uid: Any) -> Response:
        given = inputs.ConsentInput.checked(request.data)

        def record(course: Course, now: datetime) -> Any:
            text = named(
                ConsentText.objects.filter(protocol=course.version.protocol_id, language=given["language"]),
                "number",
                number=given["number"],
            )
            what = intake.ConsentInput(
                text=text,
                informed_on=given["informed_on"],
                signed_on=given["signed_on"],
                session=_session(course, given["session"]),
                expires_on=given["expires_on"],
                given_by_guardian=_guardian(course, given["given_by_guardian"]),
            )
            return intake.record_consent(course, what, by=self.user, now=now)

        return self._act(record, status=201)

    @extend_schema(
        summary="Record an event from which a spacing counts, or correct its date",
        tags=["courses"],
        request=inputs.EventInput,
        responses={201: outputs.CourseOutput},
    )
    def events(self, request: Request, **_uid: Any) -> Response:
        given = inputs.EventInput.checked(request.data)
        return self._act(
            lambda course, now: intake.record_event(
                course, given["key"], given["happened_on"], note=given["note"], by=self.user, now=now
            ),
            status=201,
        )

    @extend_schema(
        summary="Hold the course", tags=["courses"], request=inputs.HoldInput, responses={201: outputs.CourseOutput}
    )
    def holds(self, request: Request, **_uid: Any) -> Response:
        given = inputs.HoldInput.checked(request.data)
        return self._act(lambda course, now: holds.place(course, **given, by=self.user, now=now), status=201)

    @extend_schema(
        summary="Silence one rule, as a prescriber",
        tags=["courses"],
        request=inputs.OverrideInput,
        responses={201: outputs.CourseOutput},
    )
    def overrides(self, request: Request, **_uid: Any) -> Response:
        given = inputs.OverrideInput.checked(request.data)

        def give(course: Course, now: datetime) -> Any:
            said = {**given, "session": _session(course, given["session"])}
            return intake.override(course, **said, by=self.user, now=now)

        return self._act(give, status=201)

    @extend_schema(
        summary="Open one more session of a step",
        tags=["courses"],
        request=inputs.AddSessionInput,
        responses={201: outputs.CourseOutput},
    )
    def add_session(self, request: Request, **_uid: Any) -> Response:
        given = inputs.AddSessionInput.checked(request.data)
        return self._act(
            lambda course, now: sessions.add_session(
                course, given["step"], reason=given["reason"], by=self.user, now=now
            ),
            status=201,
        )

    @extend_schema(
        summary="Say which of the course's areas each of several open treatments is to treat",
        tags=["courses"],
        request=inputs.PlannedAreasInput,
        responses=outputs.CourseOutput,
    )
    def plan_areas(self, request: Request, **_uid: Any) -> Response:
        given = inputs.PlannedAreasInput.checked(request.data)
        areas = {one["session"]: one["areas"] for one in given["sessions"]}
        return self._act(lambda course, now: sessions.plan_areas(course, areas, by=self.user, now=now))

    @extend_schema(
        summary="What moving the course to another version of its protocol would change; writes nothing",
        tags=["courses"],
        request=inputs.VersionInput,
        responses=outputs.VersionPreviewOutput,
    )
    def preview_version(self, request: Request, **_uid: Any) -> Response:
        given = inputs.VersionInput.checked(request.data)
        course: Course = self.get_object()
        version = named(ProtocolVersion.objects.select_related("protocol"), "protocol", uid=given["protocol"])
        found = versions.preview(course, version, now=timezone.now())
        self.was_read("view", "scheduling.course", [course.patient.uid], course.uid)
        return Response(outputs.VersionPreviewOutput(shown.version_preview(found)).data)

    @extend_schema(
        summary="Move the course to another version, as it was previewed",
        tags=["courses"],
        request=inputs.MoveVersionInput,
        responses=outputs.CourseOutput,
    )
    def move_version(self, request: Request, **_uid: Any) -> Response:
        given = inputs.MoveVersionInput.checked(request.data)
        version = named(ProtocolVersion.objects.select_related("protocol"), "protocol", uid=given["protocol"])
        return self._act(
            lambda course, now: versions.move(
                course, version, stamp=given["stamp"], reason=given["reason"], by=self.user, now=now
            )
        )

    @extend_schema(
        summary="End the course: visits are cancelled, open sessions dropped",
        tags=["courses"],
        request=inputs.EndInput,
        responses=outputs.CourseOutput,
    )
    def end(self, request: Request, **_uid: Any) -> Response:
        given = inputs.EndInput.checked(request.data)
        return self._act(lambda course, now: visits.end_course(course, **given, by=self.user, now=now))


def _shows(course: Course) -> Shows:
    return Shows("scheduling.course", course.uid, course.patient.uid)


def _guardian(course: Course, uid: Any) -> Guardian | None:
    return named(Guardian.objects.filter(patient=course.patient_id), "given_by_guardian", uid=uid) if uid else None


def _session(course: Course, uid: Any) -> Session | None:
    return named(Session.objects.filter(course=course), "session", uid=uid) if uid else None


class ConsentEndpoint(Endpoint):
    """Consents of courses that the user may see."""

    site_path = "course.site_id"
    rights: ClassVar = {"sign": "sign_consent", "withdraw": "sign_consent"}

    def get_queryset(self) -> QuerySet[Consent]:
        return Consent.objects.filter(course__in=Course.objects.visible_to(self.user)).select_related(
            "course__site", "course__patient", "session", "text", "sought_by", "given_by_guardian"
        )

    def _shown(self, consent: Consent) -> Any:
        return outputs.ConsentOutput(self.get_queryset().get(pk=consent.pk)).data

    @extend_schema(
        summary="Record the signature", tags=["courses"], request=inputs.SignInput, responses=outputs.ConsentOutput
    )
    def sign(self, request: Request, **_uid: Any) -> Response:
        consent: Consent = self.get_object()
        given = inputs.SignInput.checked(request.data)

        def answer() -> Any:
            guardian = _guardian(consent.course, given["given_by_guardian"])
            signed = intake.sign_consent(
                consent,
                signed_on=given["signed_on"],
                given_by_guardian=guardian,
                by=self.user,
                now=timezone.now(),
            )
            return self._shown(signed)

        return self.do(answer, shows=_shows(consent.course))

    @extend_schema(
        summary="Record that the patient withdrew; holds the course, and cancels its visits if so said",
        tags=["courses"],
        request=inputs.WithdrawInput,
        responses=outputs.ConsentOutput,
    )
    def withdraw(self, request: Request, **_uid: Any) -> Response:
        consent: Consent = self.get_object()
        given = inputs.WithdrawInput.checked(request.data)

        def answer() -> Any:
            withdrawn = intake.withdraw_consent(
                consent,
                on=given["withdrawn_on"],
                cancel_visits=given["cancel_visits"],
                by=self.user,
                now=timezone.now(),
            )
            return self._shown(withdrawn)

        return self.do(answer, shows=_shows(consent.course))


class HoldEndpoint(Endpoint):
    """Holds of courses that the user may see."""

    site_path = "course.site_id"
    rights: ClassVar = {"lift": "hold", "free_visits": "hold"}

    def get_queryset(self) -> QuerySet[Hold]:
        return Hold.objects.filter(course__in=Course.objects.visible_to(self.user)).select_related(
            "course__site", "course__patient"
        )

    @extend_schema(
        summary="Lift a hold, as the role that it names",
        tags=["courses"],
        request=inputs.LiftInput,
        responses=outputs.HoldLifted,
    )
    def lift(self, request: Request, **_uid: Any) -> Response:
        hold: Hold = self.get_object()
        given = inputs.LiftInput.checked(request.data)

        def answer() -> Any:
            holds.lift(hold, reason=given["reason"], by=self.user, now=timezone.now())
            lifted = self.get_queryset().get(pk=hold.pk)
            return outputs.HoldLifted({"hold": lifted, "proposal": shown.open_proposal(lifted.course)}).data

        return self.do(answer, shows=_shows(hold.course))

    @extend_schema(
        summary="Free the visits of a held course: they are cancelled, their sessions stay",
        tags=["courses"],
        request=None,
        responses=outputs.VisitsFreed,
    )
    def free_visits(self, request: Request, **_uid: Any) -> Response:
        hold: Hold = self.get_object()
        inputs.Nothing.checked(request.data)

        def answer() -> Any:
            freed = holds.free_visits(hold, by=self.user, now=timezone.now())
            rows = shown.appointments_visible_to(self.user).filter(pk__in=[one.pk for one in freed]).order_by("during")
            return outputs.VisitsFreed({"hold": self.get_queryset().get(pk=hold.pk), "appointments": rows}).data

        return self.do(answer, shows=_shows(hold.course))


class AssessmentEndpoint(Endpoint):
    """Assessments behind courses that the user may see."""

    rights: ClassVar = {"strike": "strike"}

    def get_queryset(self) -> QuerySet[Assessment]:
        seen = Course.objects.visible_to(self.user)
        return (
            Assessment.objects.filter(patient__courses__in=seen).select_related("patient", "assessed_by", "session")
        ).distinct()

    @extend_schema(
        summary="Strike an assessment recorded in error; the one before it counts again",
        tags=["courses"],
        request=inputs.StrikeInput,
        responses=outputs.AssessmentOutput,
    )
    def strike(self, request: Request, **_uid: Any) -> Response:
        assessment: Assessment = self.get_object()
        given = inputs.StrikeInput.checked(request.data)
        course = (
            Course.objects.visible_to(self.user)
            .filter(patient=assessment.patient_id, version__protocol=assessment.protocol_id)
            .select_related("site")
            .order_by("-started_at")
            .first()
        )
        if course is None:
            raise NotFound

        def answer() -> Any:
            intake.strike_assessment(
                assessment, site=course.site, reason=given["reason"], by=self.user, now=timezone.now()
            )
            return outputs.AssessmentOutput(self.get_queryset().get(pk=assessment.pk)).data

        return self.do(answer, shows=Shows("scheduling.assessment", assessment.uid, assessment.patient.uid))


class OverrideEndpoint(Endpoint):
    """The report of overrides at the sites where the user works, and taking one back."""

    site_path = "course.site_id"
    rights: ClassVar = {"list": "see_overrides", "revoke": "override"}

    def get_queryset(self) -> QuerySet[Override]:
        return Override.objects.visible_to(self.user).select_related(
            "course__site", "course__patient", "session", "given_by", "revoked_by"
        )

    @extend_schema(
        summary="Overrides, newest first",
        tags=["courses"],
        parameters=[inputs.OverridesInput],
        responses=outputs.page_of(outputs.OverrideRow),
    )
    def list(self, request: Request) -> Response:
        given = inputs.OverridesInput.checked_query(request)
        now = timezone.now()
        sites = shown.sites_of(self.user)
        rows = reports.in_state(self.get_queryset(), sites, given.get("state", ""), now=now)
        fields = {"site": "course__site__uid", "rule": "rule", "given_by": "given_by__uid"}
        rows = rows.filter(**{field: given[name] for name, field in fields.items() if name in given})
        found, page = self.page(
            rows, outputs.OverrideRow, query=inputs.OverridesInput, show=lambda row: shown.override(row, now)
        )
        self.was_read("list", "scheduling.override", {row.course.patient.uid for row in found})
        return page

    @extend_schema(
        summary="Take an override back, as a prescriber",
        tags=["courses"],
        request=inputs.StrikeInput,
        responses=outputs.OverrideRow,
    )
    def revoke(self, request: Request, **_uid: Any) -> Response:
        override: Override = self.get_object()
        given = inputs.StrikeInput.checked(request.data)
        now = timezone.now()

        def answer() -> Any:
            intake.revoke_override(override, reason=given["reason"], by=self.user, now=now)
            return outputs.OverrideRow(shown.override(self.get_queryset().get(pk=override.pk), now)).data

        return self.do(answer, shows=_shows(override.course))


class ProtocolEndpoint(Endpoint):
    """Protocol versions by which a course may be started today."""

    rights: ClassVar = dict.fromkeys(("list", "retrieve"), "see_protocols")

    @extend_schema(
        summary="Protocols in use, newest version first",
        tags=["protocols"],
        parameters=[inputs.UidPageInput],
        responses=outputs.page_of(outputs.ProtocolOutput),
    )
    def list(self, request: Request) -> Response:
        # Usable anywhere: the sites of a clinic may be on different dates.
        days = {roster.today(site, timezone.now()) for site in shown.sites_of(self.user)}
        if not days:
            raise NotFound
        rows = ProtocolVersion.objects.usable_on(min(days)) | ProtocolVersion.objects.usable_on(max(days))
        return self.page(rows.select_related("protocol"), outputs.ProtocolOutput)[1]

    @extend_schema(summary="A protocol version, whole", tags=["protocols"], responses=outputs.WholeProtocolOutput)
    def retrieve(self, request: Request, **_uid: Any) -> Response:
        return Response(outputs.WholeProtocolOutput(self.get_object()).data)

    def get_queryset(self) -> QuerySet[ProtocolVersion]:
        """Any version: a course keeps the one it was started by."""
        return ProtocolVersion.objects.whole().prefetch_related("protocol__consent_texts")
