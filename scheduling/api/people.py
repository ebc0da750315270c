"""Who signs in, and whom we treat: tokens, the own account, patients and their answers, the vocabularies."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from knox.models import get_token_model
from knox.settings import knox_settings
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api import TooManyAttempts, WrongCredentials
from clinic.errors import Problem
from clinic.models import Site, User
from patients import records
from patients.models import Answer, Area, Complication, Guardian, Patient, Question
from scheduling import dossier, intake

from . import inputs, outputs, shown
from .endpoint import Endpoint, Shows, named
from .schema import OperationSchema
from .strict import Strict


def _me(user: User) -> dict[str, Any]:
    """Return the account: the person's roles by site, and the practitioner they are in the diary."""
    by_site: dict[Site, list[str]] = {}
    for held in user.roles.select_related("site").order_by("site__name", "role"):
        by_site.setdefault(held.site, []).append(held.role)
    return {
        "uid": user.uid,
        "name": user.name,
        "email": user.email,
        "roles": [{"site": site, "roles": roles} for site, roles in by_site.items()],
        "resource": getattr(user, "resource", None),
    }


class SignInView(Strict):
    """E-mail address and password for a token. When a second factor comes, this endpoint must demand it too."""

    authentication_classes = []
    permission_classes = [AllowAny]
    schema = OperationSchema()

    def get_authenticate_header(self, request: Request) -> str:
        return "Token"

    @extend_schema(
        summary="Sign in",
        tags=["account"],
        auth=[],
        request=inputs.SignInInput,
        responses=outputs.SignInOutput,
    )
    def post(self, request: Request) -> Response:
        given = inputs.SignInInput.checked(request.data)
        # DRF's own request, so that axes leaves its flag there: its middleware would answer in a shape of its own.
        # Lower case, or a new spelling of the address would be a new account to the lockout.
        user = authenticate(request, username=given["email"].lower(), password=given["password"])
        if getattr(request, "axes_locked_out", False):
            raise TooManyAttempts(
                Problem("too_many_attempts", _("Wait a quarter of an hour, or ask an operator to let you in."))
            )
        if not isinstance(user, User) or not (user.is_superuser or user.roles.exists()):
            raise WrongCredentials(
                Problem("wrong_credentials", _("Check both. After five failed attempts you have to wait."))
            )
        user_logged_in.send(sender=User, request=request, user=user)
        tokens = get_token_model().objects
        # Whoever signs in more often than tokens are allowed loses the oldest one, instead of being locked out.
        surplus = tokens.filter(user=user).order_by("-created")[knox_settings.TOKEN_LIMIT_PER_USER - 1 :]
        tokens.filter(digest__in=list(surplus.values_list("digest", flat=True))).delete()
        kept, token = tokens.create(user=user)
        return Response(outputs.SignInOutput({"token": token, "expires_at": kept.expiry, "user": _me(user)}).data)


class AccountEndpoint(Endpoint):
    """The signed-in person."""

    rights: ClassVar = {"sign_out": "sign_out", "me": "see_own_account"}

    @extend_schema(
        summary="End the token that this request was made with", tags=["account"], request=None, responses={204: None}
    )
    def sign_out(self, request: Request) -> Response:
        if request.auth is not None:
            request.auth.delete()
            user_logged_out.send(sender=User, request=request, user=request.user)
        return Response(status=204)

    @extend_schema(
        summary="My name, roles by site, and place in the diary", tags=["account"], responses=outputs.MeOutput
    )
    def me(self, request: Request) -> Response:
        return Response(outputs.MeOutput(_me(self.user)).data)


# --- patients -------------------------------------------------------------------------------------------------------


class PatientEndpoint(Endpoint):
    """Patients belong to the clinic: whoever works at one of its sites may find them. Courses belong to their site."""

    rights: ClassVar = {
        "create": "register_patient",
        "search": "see_patients",
        "retrieve": "see_patients",
        "partial_update": "register_patient",
        "answers": "see_patients",
        "record_answer": "record_answer",
        "courses": "see_patients",
        "record_death": "register_patient",
        "take_back_death": "register_patient",
    }

    def get_queryset(self) -> QuerySet[Patient]:
        return Patient.objects.select_related("site", "merged_into").prefetch_related(
            "identifiers", "phones", "guardians"
        )

    def _details(self, given: dict[str, Any], patient: Patient | None = None) -> dict[str, Any]:
        """Return what the record's acts take: a site for its uid, values for the lists, guardians by their key."""
        details = dict(given)
        if details.get("site") is not None:
            details["site"] = named(shown.sites_of(self.user), "site", uid=details["site"])
        for name, kind in (
            ("identifiers", records.IdentifierDetails),
            ("phones", records.PhoneDetails),
            ("guardians", records.GuardianDetails),
        ):
            if name in details:
                details[name] = tuple(kind(**_keyed(one, patient)) for one in details[name])
        return details

    def _shown(self, patient: Patient) -> Any:
        return outputs.PatientOutput(self.get_queryset().get(pk=patient.pk)).data

    @extend_schema(
        summary="Register a patient",
        tags=["patients"],
        request=inputs.PatientInput,
        responses={201: outputs.PatientOutput},
    )
    def create(self, request: Request) -> Response:
        details = records.PatientDetails(**self._details(inputs.PatientInput.checked(request.data)))

        def answer() -> Any:
            return self._shown(records.register(details, by=self.user, now=timezone.now()))

        return self.do(answer, status=201)

    @extend_schema(
        summary="Find patients; a POST, so that no name stands in a URL",
        tags=["patients"],
        request=inputs.SearchInput,
        responses=outputs.FoundPatients,
    )
    def search(self, request: Request) -> Response:
        given = inputs.SearchInput.checked(request.data)
        rows = Patient.objects.current().matching(given["words"])
        found = list(rows.order_by("search_name", "id")[: given["limit"] + 1])
        patients = found[: given["limit"]]
        self.was_read("search", "patients.patient", [patient.uid for patient in patients])
        return Response(outputs.FoundPatients({"results": patients, "has_more": len(found) > len(patients)}).data)

    @extend_schema(summary="A patient", tags=["patients"], responses=outputs.PatientOutput)
    def retrieve(self, request: Request, **_uid: Any) -> Response:
        patient: Patient = self.get_object()
        self.was_read("view", "patients.patient", [patient.uid], patient.uid)
        return Response(outputs.PatientOutput(patient).data)

    @extend_schema(
        summary="Correct a patient; lists are given whole",
        tags=["patients"],
        request=inputs.PatientChangesInput,
        responses=outputs.PatientOutput,
    )
    def partial_update(self, request: Request, **_uid: Any) -> Response:
        patient: Patient = self.get_object()
        changes = self._details(inputs.PatientChangesInput.checked(request.data), patient)

        def answer() -> Any:
            return self._shown(records.correct(patient, changes, by=self.user, now=timezone.now()))

        return self.do(answer, shows=Shows("patients.patient", patient.uid, patient.uid))

    @extend_schema(
        summary="The patient's answers, newest first",
        tags=["patients"],
        parameters=[inputs.UidPageInput],
        responses=outputs.page_of(outputs.AnswerOutput),
    )
    def answers(self, request: Request, **_uid: Any) -> Response:
        patient: Patient = self.get_object()
        rows = Answer.objects.filter(patient=patient).select_related("question")
        _shown, page = self.page(rows, outputs.AnswerOutput)
        self.was_read("view", "patients.answer", [patient.uid], patient.uid)
        return page

    @extend_schema(
        summary="Record an answer; a bad one holds the courses that it concerns",
        tags=["patients"],
        request=inputs.AnswerInput,
        responses={201: outputs.AnswerOutput},
    )
    def record_answer(self, request: Request, **_uid: Any) -> Response:
        patient: Patient = self.get_object()
        given = inputs.AnswerInput.checked(request.data)
        now = timezone.now()

        def answer() -> Any:
            recorded = intake.answer(
                patient,
                given["question"],
                given["value"],
                given_on=given.get("given_on") or records.today_for(patient, now),
                note=given["note"],
                source=given["source"],
                visits=given["visits"],
                by=self.user,
                now=now,
            )
            return outputs.AnswerOutput(recorded).data

        return self.do(answer, status=201)

    @extend_schema(
        summary="The patient's courses, newest first",
        tags=["patients"],
        parameters=[inputs.UidPageInput],
        responses=outputs.page_of(outputs.CourseBrief),
    )
    def courses(self, request: Request, **_uid: Any) -> Response:
        patient: Patient = self.get_object()
        _shown, page = self.page(shown.courses_visible_to(self.user).filter(patient=patient), outputs.CourseBrief)
        self.was_read("list", "scheduling.course", [patient.uid], patient.uid)
        return page

    @extend_schema(
        summary="The patient has died; every open course ends, and no mail is sent any more",
        tags=["patients"],
        request=inputs.DeathInput,
        responses=outputs.PatientOutput,
    )
    def record_death(self, request: Request, **_uid: Any) -> Response:
        patient: Patient = self.get_object()
        on = inputs.DeathInput.checked(request.data)["on"]

        def answer() -> Any:
            return self._shown(dossier.record_death(patient, on, by=self.user, now=timezone.now()))

        return self.do(answer, shows=Shows("patients.patient", patient.uid, patient.uid))

    @extend_schema(
        summary="The death was recorded in error; courses that it ended stay so",
        tags=["patients"],
        request=None,
        responses=outputs.PatientOutput,
    )
    def take_back_death(self, request: Request, **_uid: Any) -> Response:
        patient: Patient = self.get_object()

        def answer() -> Any:
            return self._shown(dossier.take_back_death(patient, by=self.user, now=timezone.now()))

        return self.do(answer, shows=Shows("patients.patient", patient.uid, patient.uid))


def _keyed(given: dict[str, Any], patient: Patient | None) -> dict[str, Any]:
    """Return an entry of a list with the key of the row that its uid names, one of this patient's."""
    if "uid" not in given:
        return given
    row = named(Guardian.objects.filter(patient=patient), "guardians", uid=given["uid"])
    return {**{name: value for name, value in given.items() if name != "uid"}, "pk": row.pk}


class AnswerEndpoint(Endpoint):
    """Answers of the clinic's patients."""

    rights: ClassVar = {"review": "review_answer", "strike": "strike"}

    def get_queryset(self) -> QuerySet[Answer]:
        return Answer.objects.select_related("question", "patient")

    @extend_schema(
        summary="A clinician has looked at an answer; a hold that it placed stays until it is lifted",
        tags=["patients"],
        request=None,
        responses=outputs.AnswerOutput,
    )
    def review(self, request: Request, **_uid: Any) -> Response:
        given: Answer = self.get_object()
        inputs.Nothing.checked(request.data)

        def answer() -> Any:
            return outputs.AnswerOutput(intake.review_answer(given, by=self.user, now=timezone.now())).data

        return self.do(answer, shows=Shows("patients.answer", given.uid, given.patient.uid))

    @extend_schema(
        summary="Strike an answer recorded in error; the one before it counts again, a hold stays until it is lifted",
        tags=["patients"],
        request=inputs.StrikeInput,
        responses=outputs.AnswerOutput,
    )
    def strike(self, request: Request, **_uid: Any) -> Response:
        given_before: Answer = self.get_object()
        given = inputs.StrikeInput.checked(request.data)

        def answer() -> Any:
            struck = intake.strike_answer(given_before, reason=given["reason"], by=self.user, now=timezone.now())
            return outputs.AnswerOutput(struck).data

        return self.do(answer, shows=Shows("patients.answer", given_before.uid, given_before.patient.uid))


# --- vocabularies ---------------------------------------------------------------------------------------------------


class VocabularyEndpoint(Endpoint):
    """The words that other requests use. Newest first, as every list."""

    rights: ClassVar = dict.fromkeys(("questions", "areas", "complications"), "see_protocols")

    @extend_schema(
        summary="What we ask patients",
        tags=["vocabularies"],
        parameters=[inputs.PageInput],
        responses=outputs.page_of(outputs.QuestionOutput),
    )
    def questions(self, request: Request) -> Response:
        return self.page(Question.objects.all(), outputs.QuestionOutput, key="code")[1]

    @extend_schema(
        summary="Areas of the body",
        tags=["vocabularies"],
        parameters=[inputs.PageInput],
        responses=outputs.page_of(outputs.AreaOutput),
    )
    def areas(self, request: Request) -> Response:
        return self.page(Area.objects.all(), outputs.AreaOutput, key="code")[1]

    @extend_schema(
        summary="Complications",
        tags=["vocabularies"],
        parameters=[inputs.PageInput],
        responses=outputs.page_of(outputs.ComplicationOutput),
    )
    def complications(self, request: Request) -> Response:
        return self.page(Complication.objects.all(), outputs.ComplicationOutput, key="code")[1]
