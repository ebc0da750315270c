"""Courses: the list, starting one, and the page of one, where a receptionist spends the day."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.admin import ClinicAdmin, carried_out, page_of, person, put_into
from clinic.errors import Refusal
from patients.admin import name_and_birth_date
from patients.models import Patient
from patients.models.people import searchable
from scheduling import booking, intake, replanning, roster
from scheduling.models import Course, Hold, Proposal, SessionState
from scheduling.models.courses import CourseState

from . import acts, plans, times, versions
from .acts import allowed, standing_for
from .desk import course_or_404, given_uid, needs, posted_to, read, shown, sites_of
from .forms import StartForm
from .timeline import course_page
from .words import badge, change_in_words, moves_in_words, wishes_in_words


class HeldFilter(admin.SimpleListFilter):
    title = gettext_lazy("on hold")
    parameter_name = "held"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("on hold"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Course]) -> QuerySet[Course]:
        return queryset.held() if self.value() == "yes" else queryset  # type: ignore[attr-defined]


@admin.register(Course)
class CourseAdmin(ClinicAdmin):
    """Courses at the sites where the person works."""

    add_label = gettext_lazy("Start a course")
    shown_patient = "patient.uid"
    list_display = ("who", "treatment", "where", "standing", "progress", "started")
    list_display_links = ("who",)
    list_select_related = ("patient", "version__protocol", "site")
    list_filter = ("state", HeldFilter, "site", "version__protocol")
    search_fields = ("patient__search_name",)
    search_help_text = gettext_lazy("Patient’s name or number")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("<uuid:uid>/plan/", view(plans.plan), name="scheduling_course_plan"),
            path("<uuid:uid>/times/<uuid:session_uid>/", view(times.choose), name="scheduling_course_times"),
            path("<uuid:uid>/replan/", view(replan), name="scheduling_course_replan"),
            path("<uuid:uid>/version/", view(versions.move), name="scheduling_course_version"),
            path("<uuid:uid>/do/<slug:name>/", view(acts.act), name="scheduling_course_act"),
            path("<uuid:uid>/do/<slug:name>/<uuid:of>/", view(acts.act), name="scheduling_course_act_on"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> Any:
        standing = Hold.objects.standing().filter(course=OuterRef("pk"))
        return (
            super()
            .get_queryset(request)
            .annotate(
                is_held=Exists(standing),
                sessions_done=Count("sessions", filter=Q(sessions__state=SessionState.PERFORMED)),
                sessions_meant=Count(
                    "sessions", filter=Q(sessions__state__in=(SessionState.PERFORMED, SessionState.OPEN))
                ),
            )
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Course], search_term: str
    ) -> tuple[QuerySet[Course], bool]:
        found = Patient.objects.matching(search_term) if searchable(search_term).split() else None
        return (queryset if found is None else queryset.filter(patient__in=found)), False

    @admin.display(description=gettext_lazy("patient"), ordering="patient__search_name")
    def who(self, course: Course) -> str:
        return name_and_birth_date(course.patient)

    @admin.display(description=gettext_lazy("treatment"), ordering="version__protocol__name")
    def treatment(self, course: Course) -> str:
        return str(course.version)

    @admin.display(description=gettext_lazy("site"), ordering="site__name")
    def where(self, course: Course) -> str:
        return course.site.name

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def standing(self, course: Any) -> str:
        if course.state == CourseState.OPEN and course.is_held:
            return badge("warn", _("on hold"))
        return badge("busy" if course.state == CourseState.OPEN else "off", str(course.get_state_display()))

    @admin.display(description=gettext_lazy("sessions"))
    def progress(self, course: Any) -> str:
        return _("%(done)d of %(all)d") % {"done": course.sessions_done, "all": course.sessions_meant}

    @admin.display(description=gettext_lazy("started"), ordering="started_at")
    def started(self, course: Course) -> str:
        return date_format(course.started_on, "j M Y")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return start(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return course_view(request, object_id)


# --- starting one -----------------------------------------------------------------------------------------------------


@needs("scheduling.course", "add")
def start(request: HttpRequest) -> HttpResponse:
    """Choose the patient, then treatment, site, areas and wishes; then the course's own page."""
    patient_uid = given_uid(request, "patient")
    if patient_uid is None:
        return _choose_patient(request)
    patient = Patient.objects.filter(uid=patient_uid).first()
    if patient is None:
        raise Http404
    sites, now = [site for site in sites_of(request) if site.is_active], timezone.now()
    usual = next((site for site in sites if site.pk == patient.site_id), sites[0] if sites else None)
    today = roster.today(usual, now) if usual else now.date()
    form = StartForm(posted_to(request), sites=sites, today=today, initial={"site": usual})
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            course = booking.start_course(
                patient,
                said["version"],
                said["site"],
                lead=said["lead"],
                areas=said["areas"],
                wishes=form.wishes(),
                by=person(request),
                now=now,
            )
        except Refusal as refusal:
            put_into(form, refusal)
        else:
            messages.success(request, _("The course is open."))
            return HttpResponseRedirect(page_of(course))
    read(request, "patients.Patient", [patient], uid=patient.uid)
    return shown(request, "scheduling/start.html", _("Start a course"), {"form": form, "patient": patient})


def _choose_patient(request: HttpRequest) -> HttpResponse:
    words = request.GET.get("q", "").strip()
    found = list(Patient.objects.current().matching(words).prefetch_related("identifiers")[:30]) if words else []
    read(request, "patients.Patient", found, action="search")
    return shown(request, "scheduling/choose_patient.html", _("Start a course"), {"words": words, "found": found})


# --- the page ---------------------------------------------------------------------------------------------------------


@needs("scheduling.course")
def course_view(request: HttpRequest, object_id: str) -> HttpResponse:
    """Show a course: what happened, what is booked, what is missing, and what can be done."""
    try:
        course = course_or_404(request, UUID(object_id))
    except ValueError:
        raise Http404 from None
    page = course_page(course, now=timezone.now())
    read(request, "scheduling.Course", [course.patient], uid=course.uid)
    return shown(
        request,
        "scheduling/course.html",
        _("Course"),
        {
            "page": page,
            "course": course,
            "patient": course.patient,
            "opts": Course._meta,
            "areas": list(course.areas.all()),
            "allowed": allowed(request),
            "standing": standing_for(request, page.holds),
            "may_move_version": page.is_open and versions.may_move(request) and page.has_other_versions,
            "has_events": bool(intake.events_of(course)),
            "moves": moves_in_words(page.proposal.moves.all() if page.proposal else []),
            "wishes": wishes_in_words(course),
            "history": [(change, change_in_words(change, page.names)) for change in page.changes],
        },
    )


@needs("scheduling.course", "change")
def replan(request: HttpRequest, uid: UUID) -> HttpResponse:
    """Plan the whole course anew: a proposal in which every visit to come may move, where that is better."""
    course = course_or_404(request, uid)
    if request.method != "POST":
        raise Http404
    found: list[Proposal | None] = []

    def look() -> None:
        found.append(replanning.replan_course(course, by=person(request), now=timezone.now()))

    if carried_out(request, look):
        words = _("Look at the proposed moves.") if found[0] else _("Nothing better is possible: all visits may stay.")
        messages.success(request, words)
    return HttpResponseRedirect(page_of(course))
