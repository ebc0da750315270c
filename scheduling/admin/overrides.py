"""The report of overrides: who silenced which rule, for whom, why and until when; as a list and as a file."""

from __future__ import annotations

import csv
from typing import Any

from django.contrib import admin
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.admin import ReadOnlyAdmin, page_of
from patients.admin import name_and_birth_date
from patients.models import Question
from scheduling import reports, roster, wording
from scheduling.models import Override, Protocol

from .desk import needs, read, sites_of
from .words import badge, day_in_words

STATES = {
    reports.VALID: ("busy", gettext_lazy("valid")),
    reports.EXPIRED: ("off", gettext_lazy("expired")),
    reports.REVOKED: ("off", gettext_lazy("revoked")),
}


class StateFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(state, words) for state, (_tone, words) in STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Override]) -> QuerySet[Override]:
        return reports.in_state(queryset, sites_of(request), self.value() or "", now=timezone.now())


class RuleFilter(admin.SimpleListFilter):
    title = gettext_lazy("rule")
    parameter_name = "rule"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        used = model_admin.get_queryset(request).order_by("rule").values_list("rule", flat=True).distinct()
        return [(rule, rule.replace("_", " ")) for rule in used]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Override]) -> QuerySet[Override]:
        return queryset.filter(rule=self.value()) if self.value() else queryset


@admin.register(Override)
class OverrideAdmin(ReadOnlyAdmin):
    """Every override at the sites where the person works, newest first."""

    shown_patient = "course.patient.uid"
    change_list_template = "scheduling/overrides.html"
    list_display = ("given", "who", "where", "what", "why", "by_whom", "until", "standing", "course_link")
    list_display_links = ("given",)
    list_select_related = ("course__patient", "course__site", "session__step", "given_by")
    list_filter = (
        ("course__site", admin.RelatedOnlyFieldListFilter),
        RuleFilter,
        ("given_by", admin.RelatedOnlyFieldListFilter),
        StateFilter,
    )
    ordering = ("-given_at", "-id")
    fields = ("who", "where", "what", "why", "by_whom", "given", "until", "standing", "revoked", "course_link")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Override]:
        """With words for what each is about."""
        question = Question.objects.filter(code=OuterRef("subject")).values("text")
        protocol = Protocol.objects.filter(key=OuterRef("subject")).values("name")
        rows: QuerySet[Override] = super().get_queryset(request)
        return rows.annotate(about=Coalesce(Subquery(question), Subquery(protocol), F("subject")))

    def get_urls(self) -> list[Any]:
        export = self.admin_site.admin_view(needs("scheduling.override")(self.export))
        return [path("export/", export, name="scheduling_override_export"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        where = reverse("admin:scheduling_override_export")
        chosen = request.GET.urlencode()
        return super().changelist_view(
            request, {"export": f"{where}?{chosen}" if chosen else where, **(extra_context or {})}
        )

    def export(self, request: HttpRequest) -> HttpResponse:
        """Return the list as it is filtered, as CSV; a cell that a spreadsheet would run is quoted."""
        now = timezone.now()
        chosen = self.get_changelist_instance(request).get_queryset(request)
        rows = list(reports.overrides(sites_of(request), now=now).filter(pk__in=chosen.values("pk")))
        read(request, "scheduling.Override", [row.course.patient for row in rows], action="export")
        answer = HttpResponse(content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="overrides.csv"'
        writer = csv.writer(answer)
        writer.writerow(reports.OVERRIDE_COLUMNS)
        writer.writerows(reports.override_lines(rows, now=now))
        return answer

    @admin.display(description=gettext_lazy("given"), ordering="given_at")
    def given(self, override: Override) -> str:
        return day_in_words(roster.today(override.course.site, override.given_at))

    @admin.display(description=gettext_lazy("patient"), ordering="course__patient__search_name")
    def who(self, override: Override) -> str:
        return name_and_birth_date(override.course.patient)

    @admin.display(description=gettext_lazy("site"), ordering="course__site__name")
    def where(self, override: Override) -> str:
        return override.course.site.name

    @admin.display(description=gettext_lazy("rule"), ordering="rule")
    def what(self, override: Any) -> str:
        session = override.session
        where = (
            _("session %(number)d, %(step)s") % {"number": session.position, "step": session.step.name}
            if session
            else _("the whole course")
        )
        return f"{wording.sentence(override.rule, subject=override.about)} · {where}"

    @admin.display(description=gettext_lazy("reason"))
    def why(self, override: Override) -> str:
        return override.reason

    @admin.display(description=gettext_lazy("given by"), ordering="given_by__name")
    def by_whom(self, override: Override) -> str:
        return str(override.given_by)

    @admin.display(description=gettext_lazy("until"), ordering="expires_on")
    def until(self, override: Override) -> str:
        return day_in_words(override.expires_on)

    @admin.display(description=gettext_lazy("state"))
    def standing(self, override: Override) -> str:
        tone, words = STATES[reports.state_of(override, now=timezone.now())]
        return badge(tone, str(words))

    @admin.display(description=gettext_lazy("revoked"))
    def revoked(self, override: Override) -> str:
        if override.revoked_at is None:
            return "–"
        said = {
            "on": date_format(override.revoked_at, "j M Y"),
            "who": override.revoked_by,
            "why": override.revoke_reason,
        }
        return _("%(on)s by %(who)s: %(why)s") % said

    @admin.display(description=gettext_lazy("course"))
    def course_link(self, override: Override) -> str:
        return format_html('<a href="{}">{}</a>', page_of(override.course), _("Open the course"))
