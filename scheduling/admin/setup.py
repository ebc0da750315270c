"""What managers keep: sites; people, rooms and devices with their hours; absences, closures; protocols to approve."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from clinic.admin import (
    ClinicAdmin,
    ClinicInline,
    ReadOnlyAdmin,
    RefusableForm,
    SiteAdmin,
    carried_out,
    has_role,
    kept_rows,
    page_of,
    person,
)
from clinic.models import Site
from scheduling import absences, closures, protocols, sites, staffing
from scheduling.models import (
    Absence,
    Appointment,
    Closure,
    ExtraOpening,
    Hours,
    Proposal,
    ProtocolVersion,
    Resource,
    ResourceCapability,
    VersionState,
)

from .desk import sites_of
from .words import badge

# --- sites ------------------------------------------------------------------------------------------------------------


@admin.register(Site)
class SiteDesk(SiteAdmin):
    """A site, which is not given up while anything is booked there."""

    def carry_out(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        changes = {name: form.cleaned_data[name] for name in (form.changed_data if change else form.cleaned_data)}
        site = form.instance if change else None
        form.instance = sites.save(site, by=person(request), now=timezone.now(), **changes)


# --- people, rooms and devices ----------------------------------------------------------------------------------------


class ResourceForm(RefusableForm):
    languages_spoken = forms.CharField(
        label=gettext_lazy("Languages"),
        required=False,
        help_text=gettext_lazy("Codes with commas between, such as en, de."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["languages_spoken"] = ", ".join(self.instance.languages or [])


class CapabilityInline(ClinicInline):
    model = ResourceCapability
    fields = ("capability", "from_on", "until_on")
    verbose_name = gettext_lazy("capability")
    verbose_name_plural = gettext_lazy("what it can do, or is")


class HoursInline(ClinicInline):
    model = Hours
    fields = ("weekday", "from_time", "until_time", "site", "valid_from", "valid_to", "every_weeks")
    verbose_name = gettext_lazy("stretch of hours")
    verbose_name_plural = gettext_lazy("weekly hours: lunch is the hole between two rows of a day")


class ExtraOpeningInline(ClinicInline):
    model = ExtraOpening
    fields = ("on", "from_time", "until_time", "site", "reason")
    verbose_name_plural = gettext_lazy("extra openings")


@admin.register(Resource)
class ResourceAdmin(ClinicAdmin):
    """Who and what there is, what it can do, and when it is there."""

    form = ResourceForm
    list_display = ("name", "kind", "can_do", "places", "signs_in_as", "active_to")
    list_filter = ("kind", "has_capabilities__capability")
    list_select_related = ("user",)
    search_fields = ("name",)
    inlines = (CapabilityInline, HoursInline, ExtraOpeningInline)
    fields = ("kind", "name", "user", "places", "languages_spoken", "active_from", "active_to")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Resource]:
        return super().get_queryset(request).prefetch_related("has_capabilities__capability")

    @admin.display(description=gettext_lazy("can do, or is"))
    def can_do(self, resource: Resource) -> str:
        return ", ".join(one.capability.name for one in resource.has_capabilities.all()) or "–"

    @admin.display(description=gettext_lazy("signs in as"))
    def signs_in_as(self, resource: Resource) -> str:
        return resource.user.email if resource.user else "–"

    @transaction.atomic
    def carry_out(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        by, now, said = person(request), timezone.now(), form.cleaned_data
        rows = {formset.model: formset for formset in formsets}
        details = staffing.ResourceDetails(
            kind=said["kind"],
            name=said["name"],
            user=said["user"],
            places=said["places"],
            languages=[word.strip() for word in said["languages_spoken"].split(",") if word.strip()],
            active_from=said["active_from"],
            active_to=said["active_to"],
            capabilities=[
                staffing.Grant(row["capability"].code, row["from_on"], row["until_on"])
                for row in kept_rows(rows[ResourceCapability])
            ],
        )
        saved = staffing.save_resource(details, by=by, now=now, resource=form.instance if change else None)
        form.instance = saved
        if rows[Hours].has_changed():
            weekly = [staffing.WeeklyHours(**_said(row)) for row in kept_rows(rows[Hours])]
            staffing.set_hours(saved, weekly, by=by, now=now)
        if rows[ExtraOpening].has_changed():
            self._save_openings(saved, rows[ExtraOpening], by, now)

    def _save_openings(self, resource: Resource, formset: Any, by: Any, now: Any) -> None:
        """Openings are added and taken back; a changed one is both."""
        for form in formset.forms:
            said = form.cleaned_data
            if not said or not (form.has_changed() or said.get("DELETE")):
                continue
            if form.instance.pk is not None:
                staffing.remove_extra_opening(ExtraOpening.objects.get(pk=form.instance.pk), by=by, now=now)
            if not said.get("DELETE"):
                staffing.add_extra_opening(resource, **_said(said), by=by, now=now)


def _said(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in {"id", "resource", "DELETE"}}


# --- absences and closures --------------------------------------------------------------------------------------------


class LostTimeAdmin(ClinicAdmin):
    """Days on which time is lost: recorded once, never edited, taken back if it was not so; visits touched are shown.

    A subclass names the module of its acts, which has `record`, `take_back` and `visits_during`, and its words.
    """

    acts: Any
    details: type
    recorded: Any
    taken_back: Any
    stands: Any  # the badge of a row that is not taken back
    change_form_outer_before_template = "scheduling/parts/touched.html"

    def has_change_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        return False

    @property
    def take_back_name(self) -> str:
        return f"scheduling_{self.opts.model_name}_take_back"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.take_back)
        return [path("<uuid:uid>/take-back/", view, name=self.take_back_name), *super().get_urls()]

    @admin.display(description=gettext_lazy("days"), ordering="first_on")
    def days(self, row: Absence | Closure) -> str:
        return days_in_words(row.first_on, row.last_on)

    @admin.display(description=gettext_lazy("times"))
    def times(self, row: Absence | Closure) -> str:
        return times_in_words(row)

    @admin.display(description=gettext_lazy("state"), ordering="cancelled_at")
    def standing(self, row: Absence | Closure) -> str:
        return badge("off", _("taken back")) if row.cancelled_at else badge("busy", str(self.stands))

    def carry_out(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        form.instance = self.acts.record(self.details(**form.cleaned_data), by=person(request), now=timezone.now())

    def saved_message(self, obj: Any, *, change: bool) -> str:
        return touched_in_words(str(self.recorded), len(self.visits_touched(obj)))

    def visits_touched(self, row: Absence | Closure) -> list[Appointment]:
        return visits_touched(self.acts.visits_during(row), row)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().change_view(request, object_id, form_url, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            row: Absence | Closure = response.context_data["original"]
            touched = with_proposals(self.visits_touched(row))
            response.context_data |= {
                "touched": touched,
                "together": worked_out_with(touched),
                "is_taken_back": row.cancelled_at is not None,
                "may_take_back": has_role(request, self.right.change),
                "take_back_name": f"admin:{self.take_back_name}",
            }
        return response

    def take_back(self, request: HttpRequest, uid: Any) -> HttpResponse:
        """It was not so after all."""
        row = self.model._default_manager.filter(uid=uid).first()
        if row is None or request.method != "POST":
            raise Http404
        if not has_role(request, self.right.change):
            raise PermissionDenied
        if carried_out(request, lambda: self.acts.take_back(row, by=person(request), now=timezone.now())):
            messages.success(request, str(self.taken_back))
        return HttpResponseRedirect(page_of(row))


@admin.register(Absence)
class AbsenceAdmin(LostTimeAdmin):
    """Leave, illness, repair."""

    acts, details = absences, absences.AbsenceDetails
    add_label = gettext_lazy("Record an absence")
    recorded = gettext_lazy("The absence is recorded.")
    taken_back = gettext_lazy("The absence is taken back.")
    stands = gettext_lazy("recorded")
    list_display = ("resource", "kind", "days", "times", "note", "standing")
    list_display_links = ("resource",)
    list_filter = ("kind", "resource__kind", "resource")
    list_select_related = ("resource",)
    fields = ("resource", "kind", ("first_on", "last_on"), ("from_time", "until_time"), "reason")

    @admin.display(description=gettext_lazy("note"))
    def note(self, absence: Absence) -> str:
        return absence.reason or "–"


@admin.register(Closure)
class ClosureAdmin(LostTimeAdmin):
    """Days on which a whole site is shut; public holidays are stored here, once."""

    acts, details = closures, closures.ClosureDetails
    add_label = gettext_lazy("Record a closure")
    recorded = gettext_lazy("The closure is recorded.")
    taken_back = gettext_lazy("The closure is taken back.")
    stands = gettext_lazy("shut")
    list_display = ("name", "site", "days", "times", "source", "standing")
    list_display_links = ("name",)
    list_filter = ("site", "source")
    list_select_related = ("site",)
    date_hierarchy = "first_on"
    fields = ("site", "name", ("first_on", "last_on"), ("from_time", "until_time"))
    list_before_template = "scheduling/parts/holidays.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.store_holidays)
        return [path("holidays/", view, name="scheduling_closure_holidays"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        year = timezone.now().year
        more = {
            "holiday_sites": sites_of(request) if has_role(request, self.right.add) else [],
            "holiday_years": [year, year + 1, year + 2],
        }
        return super().changelist_view(request, {**more, **(extra_context or {})})

    def store_holidays(self, request: HttpRequest) -> HttpResponse:
        """Store a year's public holidays of a site as closures."""
        if request.method != "POST":
            raise Http404
        if not has_role(request, self.right.add):
            raise PermissionDenied
        site = next((one for one in sites_of(request) if str(one.uid) == request.POST.get("site")), None)
        year = request.POST.get("year", "")
        if site is None or not year.isdecimal():
            raise Http404
        stored: list[Closure] = []

        def act() -> None:
            stored.extend(closures.store_holidays(site, [int(year)], by=person(request), now=timezone.now()))

        if carried_out(request, act):
            count = len(stored)
            words = ngettext("%(count)d holiday is new.", "%(count)d holidays are new.", count) % {"count": count}
            messages.success(request, words)
        return HttpResponseRedirect("../")


def days_in_words(first_on: date, last_on: date) -> str:
    first = date_format(first_on, "D j M Y")
    return first if first_on == last_on else f"{first} – {date_format(last_on, 'D j M Y')}"


def times_in_words(row: Absence | Closure) -> str:
    if row.from_time is None or row.until_time is None:
        return _("whole day")
    return f"{row.from_time:%H:%M} – {row.until_time:%H:%M}"


def touched_in_words(done: str, count: int) -> str:
    if not count:
        return f"{done} " + _("It touches no visit.")
    words = ngettext(
        "It touches %(count)d visit: a new time for it is being worked out.",
        "It touches %(count)d visits: new times for them are being worked out.",
        count,
    )
    return f"{done} {words % {'count': count}}"


def visits_touched(during: QuerySet[Appointment], row: Absence | Closure) -> list[Appointment]:
    """Return the visits of those days that overlap the times of an absence or closure, by time."""
    found = during.select_related("patient", "lead", "site", "session__step", "session__course").order_by("during")
    if row.from_time is None or row.until_time is None:
        return list(found)
    from_minute, until_minute = (at.hour * 60 + at.minute for at in (row.from_time, row.until_time))
    return [visit for visit in found if _minute(visit) < until_minute and from_minute < _minute(visit) + visit.minutes]


def with_proposals(visits: list[Appointment]) -> list[tuple[Appointment, Proposal | None]]:
    """Return each visit with the proposal that would move it, or will when it is worked out, if there is one."""
    courses = {visit.session.course for visit in visits}
    found: dict[int | None, Proposal] = {}
    for proposal in Proposal.objects.concerning(courses).prefetch_related("touched"):
        found |= {course.pk: proposal for course in proposal.touched.all()}
    found |= {proposal.course_id: proposal for proposal in Proposal.objects.open().filter(course__in=courses)}
    return [(visit, found.get(visit.session.course_id)) for visit in visits]


def worked_out_with(touched: list[tuple[Appointment, Proposal | None]]) -> list[Proposal]:
    """Return the proposals that are for several patients."""
    return list(dict.fromkeys(one for _visit, one in touched if one is not None and one.course_id is None))


def _minute(visit: Appointment) -> int:
    return visit.at_time.hour * 60 + visit.at_time.minute


# --- protocols --------------------------------------------------------------------------------------------------------


@admin.register(ProtocolVersion)
class ProtocolVersionAdmin(ReadOnlyAdmin):
    """How treatments are given: to read, approve and retire. Versions are loaded from files, never edited."""

    list_display = ("title", "state_shown", "effective", "product", "in_use")
    list_display_links = ("title",)
    list_filter = ("state", "protocol")
    list_select_related = ("protocol",)

    def get_urls(self) -> list[Any]:
        pages = {"approve": self.approve, "retire": self.retire}
        return [
            path(f"<uuid:uid>/{word}/", self.admin_site.admin_view(view), name=f"scheduling_protocolversion_{word}")
            for word, view in pages.items()
        ] + super().get_urls()

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(courses_in_use=Count("courses", filter=Q(courses__state="open")))

    @admin.display(description=gettext_lazy("protocol"), ordering="protocol__name")
    def title(self, version: ProtocolVersion) -> str:
        return str(version)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state_shown(self, version: ProtocolVersion) -> str:
        tone = {VersionState.APPROVED: "good", VersionState.DRAFT: "warn"}.get(VersionState(version.state), "off")
        return badge(tone, str(version.get_state_display()))

    @admin.display(description=gettext_lazy("in force"))
    def effective(self, version: ProtocolVersion) -> str:
        return in_force(version)

    @admin.display(description=gettext_lazy("open courses"))
    def in_use(self, version: Any) -> int:
        return int(version.courses_in_use)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        version = self.get_object(request, object_id)
        if version is None:
            raise Http404
        whole = ProtocolVersion.objects.whole().prefetch_related("approvals__by").get(pk=version.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Protocol"),
            "opts": self.opts,
            "version": whole,
            "in_force": in_force(whole),
            "may_approve": whole.state == VersionState.DRAFT and has_role(request, self.right.change),
            "may_retire": whole.state != VersionState.RETIRED and has_role(request, self.right.change),
            "source": protocols.export(whole),
        }
        return TemplateResponse(request, "scheduling/protocol.html", context)

    def approve(self, request: HttpRequest, uid: Any) -> HttpResponse:
        """Approve a version, in the person's own name."""
        version = self._posted(request, uid)
        note = request.POST.get("note", "")
        if carried_out(request, lambda: protocols.approve(version, by=person(request), now=timezone.now(), note=note)):
            messages.success(request, _("The protocol is approved. Courses can be started by it."))
        return HttpResponseRedirect(page_of(version))

    def retire(self, request: HttpRequest, uid: Any) -> HttpResponse:
        """Retire a version, in the person's own name and with their reason."""
        version = self._posted(request, uid)
        why = request.POST.get("reason", "")
        if carried_out(request, lambda: protocols.retire(version, by=person(request), now=timezone.now(), reason=why)):
            messages.success(request, _("The protocol is retired. Courses that run by it go on."))
        return HttpResponseRedirect(page_of(version))

    def _posted(self, request: HttpRequest, uid: Any) -> ProtocolVersion:
        """Return the version that a person with the right decides about."""
        version = ProtocolVersion.objects.select_related("protocol").filter(uid=uid).first()
        if version is None or request.method != "POST":
            raise Http404
        if not has_role(request, self.right.change):
            raise PermissionDenied
        return version


def in_force(version: ProtocolVersion) -> str:
    first, last = version.effective_from, version.effective_to
    if first and last:
        return days_in_words(first, last)
    if first:
        return _("from %(date)s") % {"date": date_format(first, "j M Y")}
    if last:
        return _("until %(date)s") % {"date": date_format(last, "j M Y")}
    return _("always")
