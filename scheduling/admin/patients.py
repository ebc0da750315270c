"""The patient's page: the details, and below them what scheduling knows: courses, visits, answers, messages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic.admin import carried_out, page_of, person
from patients import records
from patients.admin import PatientAdmin
from patients.models import Patient
from scheduling import dossier
from scheduling.models import Appointment, Course, Hold

from .desk import shown
from .forms import DeathForm


@admin.register(Patient)
class PatientDesk(PatientAdmin):
    """A patient, with everything that a call about a visit may need; `?edit` leads to the form that corrects."""

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method == "POST" or "edit" in request.GET:
            return super().change_view(request, object_id, form_url, extra_context)
        if not self.has_view_permission(request):
            raise PermissionDenied
        patient = self.get_object(request, object_id)
        if patient is None:
            raise Http404
        self.record_read(request, "view", [patient], subject_uid=patient.uid)
        return shown(request, "scheduling/patient.html", _("Patient"), overview(request, patient))

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("<uuid:uid>/death/", view(self.record_death), name="patients_patient_death"),
            path("<uuid:uid>/death/take-back/", view(self.take_back_death), name="patients_patient_death_take_back"),
            *super().get_urls(),
        ]

    def record_death(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        """Note that the patient died; every open course ends with it."""
        patient, form = self._to_change(request, uid), DeathForm(request.POST)
        if not form.is_valid():
            messages.error(request, _("Enter the date of death."))
        elif carried_out(
            request,
            lambda: dossier.record_death(patient, form.cleaned_data["died_on"], by=person(request), now=timezone.now()),
        ):
            messages.success(request, _("The death is recorded. Open courses have ended, and no mail is sent."))
        return HttpResponseRedirect(page_of(patient))

    def take_back_death(self, request: HttpRequest, uid: UUID) -> HttpResponse:
        """The death was recorded in error."""
        patient = self._to_change(request, uid)
        if carried_out(request, lambda: dossier.take_back_death(patient, by=person(request), now=timezone.now())):
            messages.success(request, _("The death is taken back. Courses that had ended stay so."))
        return HttpResponseRedirect(page_of(patient))

    def _to_change(self, request: HttpRequest, uid: UUID) -> Patient:
        patient: Patient | None = self.get_object(request, str(uid))
        if patient is None or request.method != "POST":
            raise Http404
        if not self.has_change_permission(request, patient):
            raise PermissionDenied
        return patient


def overview(request: HttpRequest, patient: Patient) -> dict[str, Any]:
    """Return what scheduling knows of a patient, at the sites where the person works."""
    user, now = person(request), timezone.now()
    courses = list(
        Course.objects.visible_to(user)
        .filter(patient=patient)
        .select_related("version__protocol", "site")
        .prefetch_related("sessions", "holds")
        .order_by("-started_at")
    )
    visits = Appointment.objects.visible_to(user).filter(patient=patient)
    newest: dict[int, Any] = {}
    for answer in patient.answers.filter(error_at=None).select_related("question", "recorded_by"):
        newest.setdefault(answer.question_id, answer)
    return {
        "patient": patient,
        "today": records.today_for(patient, now),
        "courses": [(course, *_progress(course)) for course in courses],
        "next_visits": list(
            visits.live()
            .filter(during__endswith__gt=now)
            .select_related("lead", "site", "session__step", "session__course")
            .order_by("during")[:10]
        ),
        "answers": sorted(newest.values(), key=lambda answer: str(answer.question)),
        "recent_messages": list(patient.messages.defer("content").order_by("-due_at", "-id")[:6]),
        "guardians": list(patient.guardians.all()),
        "phones": list(patient.phones.order_by("-is_preferred", "pk")),
        "identifiers": list(patient.identifiers.order_by("pk")),
    }


def _progress(course: Course) -> tuple[int, int, list[Hold]]:
    """Return how many sessions are done, how many are meant, and the holds that stand."""
    states = [session.state for session in course.sessions.all()]
    meant = sum(state in ("open", "performed") for state in states)
    return states.count("performed"), meant, [hold for hold in course.holds.all() if hold.lifted_at is None]
