"""The day: who comes when, to whom, in which room; and checking patients in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic import localtime
from clinic.admin import ReadOnlyAdmin
from patients.admin import name_and_birth_date
from patients.models import Patient
from patients.models.people import searchable
from scheduling import roster, worklists
from scheduling.models import Appointment, AppointmentState

from .acts import allowed
from .conditions import missing_in_words
from .desk import given_date, given_uid, needs, read, shown, sites_of, zone_label
from .words import badge

TONES = {"booked": "busy", "arrived": "good", "performed": "good", "cancelled": "off", "missed": "bad"}


@dataclass(frozen=True)
class Visit:
    """One line of the day."""

    appointment: Any
    ends_at: str
    tone: str
    state: str
    phases: list[tuple[str, int, list[str]]]
    warnings: list[str]
    phone: str
    is_here_now: bool
    has_begun: bool
    is_assessed: bool
    left: float
    width: float


@dataclass(frozen=True)
class Lane:
    """One practitioner's day; visits that overlap (a patient still under observation) lie on levels of their own."""

    name: str
    visits: list[tuple[Visit, int]]
    levels: int


def lanes_of(visits: list[Visit]) -> list[Lane]:
    """Return the practitioners by name with their visits, each on the first level that is free by then."""
    ordered = sorted(visits, key=lambda visit: (visit.appointment.lead.name, visit.appointment.lead_id, visit.left))
    lanes = []
    for _lead, those in groupby(ordered, key=lambda visit: visit.appointment.lead_id):
        placed: list[tuple[Visit, int]] = []
        free_from: list[float] = []
        for visit in those:
            level = next((at for at, free in enumerate(free_from) if free <= visit.left + 0.01), len(free_from))
            free_from[level : level + 1] = [visit.left + visit.width]
            placed.append((visit, level))
        lanes.append(Lane(placed[0][0].appointment.lead.name, placed, len(free_from)))
    return lanes


@admin.register(Appointment)
class AppointmentAdmin(ReadOnlyAdmin):
    """All visits, to search in; and the list of a day."""

    shown_patient = "patient.uid"
    list_display = ("when", "who", "what", "lead", "where", "standing")
    list_display_links = ("when",)
    list_select_related = ("patient", "site", "lead", "session__step", "session__course__version__protocol")
    list_filter = ("state", "site", "cancel_reason")
    search_fields = ("patient__search_name",)
    search_help_text = gettext_lazy("Patient’s name or number")
    date_hierarchy = "on"
    ordering = ("-on", "-at_time", "-id")
    fields = (
        "patient_shown",
        "when",
        "what",
        "lead",
        "site",
        "standing",
        "minutes",
        "revision",
        "booked_at",
        "booked_by",
        "arrived_at",
        "confirmed_at",
        "cancelled_at",
        "cancel_reason",
        "cancel_asked_by",
        "note",
    )
    readonly_fields = ("patient_shown", "when", "what", "standing", "revision")
    change_form_outer_before_template = "scheduling/parts/visit_links.html"

    def get_urls(self) -> list[Any]:
        return [
            path("day/", self.admin_site.admin_view(day), name="scheduling_appointment_day"),
            *super().get_urls(),
        ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Appointment], search_term: str
    ) -> tuple[QuerySet[Appointment], bool]:
        found = Patient.objects.matching(search_term) if searchable(search_term).split() else None
        return (queryset if found is None else queryset.filter(patient__in=found)), False

    @admin.display(description=gettext_lazy("when"), ordering="during")
    def when(self, visit: Appointment) -> str:
        return f"{date_format(visit.on, 'D j M Y')}, {visit.at_time:%H:%M}"

    @admin.display(description=gettext_lazy("patient"), ordering="patient__search_name")
    def who(self, visit: Appointment) -> str:
        return name_and_birth_date(visit.patient)

    patient_shown = who

    @admin.display(description=gettext_lazy("session"))
    def what(self, visit: Appointment) -> str:
        return f"{visit.session.course.version.protocol.name} · {visit.session.step.name}"

    @admin.display(description=gettext_lazy("site"), ordering="site__name")
    def where(self, visit: Appointment) -> str:
        return visit.site.name

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def standing(self, visit: Appointment) -> str:
        return badge(TONES[visit.state], str(visit.get_state_display()))


@needs("scheduling.appointment")
def day(request: HttpRequest) -> HttpResponse:
    """Show the visits of a date at a site, by time; today by the site's own clocks unless another date is asked for."""
    sites, now = sites_of(request), timezone.now()
    asked = given_uid(request, "site")
    site = next((one for one in sites if one.uid == asked), sites[0] if sites else None)
    if site is None:
        return shown(request, "scheduling/day.html", _("Day list"), {"site": None, "sites": []})
    today = localtime.local_date(now, site.zone)
    on = given_date(request, "on", today)
    rows = worklists.day_list(site, on)
    first, last = _hours_shown(rows)
    live = [row for row in rows if row.is_live]
    gates, names = worklists.gates_of(live, now=now), roster.subjects()
    warnings = {row.pk: missing_in_words(row, gates[row.pk], names) for row in live}
    visits = [_visit(row, warnings.get(row.pk, []), now, is_today=on == today, hours=(first, last)) for row in rows]
    standing = [visit for visit in visits if visit.appointment.state != AppointmentState.CANCELLED]
    read(request, "scheduling.Appointment", [row.patient for row in rows], action="list")
    return shown(
        request,
        "scheduling/day.html",
        _("Day list"),
        {
            "site": site,
            "sites": sites,
            "on": on,
            "today": today,
            "before": on - timedelta(days=1),
            "after": on + timedelta(days=1),
            "visits": standing,
            "cancelled": [visit for visit in visits if visit.appointment.state == AppointmentState.CANCELLED],
            "lanes": lanes_of(standing),
            "hours": [
                (f"{hour:02d}:00", round(100 * (hour - first) / (last - first), 3)) for hour in range(first, last)
            ],
            "now_at": _share(localtime.wall(now, site.zone), on, first, last),
            "arrived": sum(visit.appointment.state == AppointmentState.ARRIVED for visit in standing),
            "done": sum(visit.appointment.state == AppointmentState.PERFORMED for visit in standing),
            "zone": zone_label(site.zone, now),
            "allowed": allowed(request),
        },
    )


def _hours_shown(rows: list[Any]) -> tuple[int, int]:
    """Return the hours of the lanes: the usual day, wider where visits need it."""
    first = min([8, *(row.at_time.hour for row in rows)])
    ends = [row.at_time.hour * 60 + row.at_time.minute + row.minutes for row in rows]
    return first, min(24, max([18, *(-(-minute // 60) for minute in ends)]))


def _share(at: datetime, on: date, first: int, last: int) -> float | None:
    share = (at.hour + at.minute / 60 - first) / (last - first)
    return round(100 * share, 3) if at.date() == on and 0 <= share <= 1 else None


def _visit(row: Any, warnings: list[str], now: datetime, *, is_today: bool, hours: tuple[int, int]) -> Visit:
    first, last = hours
    begins = row.at_time.hour * 60 + row.at_time.minute
    minutes = (last - first) * 60
    phones = sorted(row.patient.phones.all(), key=lambda phone: (not phone.is_preferred, phone.pk))
    is_live = row.state in (AppointmentState.BOOKED, AppointmentState.ARRIVED)
    is_over = is_live and row.during.upper <= now
    return Visit(
        appointment=row,
        ends_at=f"{localtime.wall(row.during.upper, row.zone):%H:%M}",
        tone="warn" if is_over else TONES[row.state],
        state=_("over · not recorded") if is_over else str(row.get_state_display()),
        phases=_phases(row),
        warnings=[*warnings, *_needs(row)] if is_live else [],
        phone=phones[0].number.as_international if phones else "",
        is_here_now=is_today and row.state == AppointmentState.BOOKED,
        has_begun=row.during.lower <= now,
        is_assessed=_is_assessed(row),
        left=round(100 * (begins - first * 60) / minutes, 3),
        width=round(100 * row.minutes / minutes, 3),
    )


def _is_assessed(row: Any) -> bool:
    steps = roster.protocol_facts(row.session.course.version).steps
    return any(step.key == row.session.step_key and step.is_assessed for step in steps)


def _phases(row: Any) -> list[tuple[str, int, list[str]]]:
    """Return each phase with its minutes and the rooms and people it takes, the practitioner aside."""
    taken = [one for one in row.occupancies.all() if one.released_at is None or row.state == AppointmentState.PERFORMED]
    return [
        (
            phase.name,
            phase.minutes,
            [one.resource.name for one in taken if one.phase == number and one.resource_id != row.lead_id],
        )
        for number, phase in enumerate(sorted(row.session.step.phases.all(), key=lambda phase: phase.position))
    ]


def _needs(row: Any) -> list[str]:
    """Return what the front desk should have ready for the patient."""
    found = []
    if row.patient.interpreter_language:
        found.append(_("Interpreter: %(language)s") % {"language": row.patient.interpreter_language})
    if row.patient.access_needs:
        found.append(row.patient.access_needs)
    return found
