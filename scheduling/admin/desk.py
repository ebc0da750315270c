"""What our own pages inside the admin share: how one is rendered, and how a row is found for who asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import wraps
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from clinic import audit, localtime
from clinic.admin import RIGHTS, has_role, person
from clinic.models import Site
from patients.models import Patient
from scheduling import roster
from scheduling.models import Course

from .words import day_in_words

View = Callable[..., HttpResponse]

# Where an act is begun that opens the way for something else: people go back there and on.
PEOPLE_COME_BACK_TO = frozenset(
    f"admin:scheduling_{name}" for name in ("appointment_day", "course_act_on", "course_plan", "course_times")
)


def needs(label: str, right: str = "see") -> Callable[[View], View]:
    """Show a page only to roles with that right on that kind of record (`clinic.admin.RIGHTS`)."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not has_role(request, getattr(RIGHTS[label], right)):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return checked

    return decorate


def shown(
    request: HttpRequest, template: str, title: str, context: Mapping[str, Any], status: int = 200
) -> HttpResponse:
    """Render a page of our own within the admin's frame."""
    whole = {**admin.site.each_context(request), "title": title, "now": timezone.now(), **context}
    return TemplateResponse(request, template, whole, status=status)


def came_from(request: HttpRequest) -> str:
    """Return the page of ours that the request names as `back`, with what is asked there; nothing for any other."""
    wanted = request.POST.get("back") or request.GET.get("back") or ""
    if not (wanted.startswith("/") and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)):
        return ""
    try:
        found = resolve(urlsplit(wanted).path)
    except Resolver404:
        return ""
    return wanted if found.view_name in PEOPLE_COME_BACK_TO else ""


def course_or_404(request: HttpRequest, uid: UUID) -> Course:
    """Return a course at a site where the person works; another's does not exist."""
    course = (
        Course.objects.visible_to(person(request))
        .select_related("patient", "site", "version__protocol", "lead", "wish_practitioner")
        .filter(uid=uid)
        .first()
    )
    if course is None:
        raise Http404
    return course


def sites_of(request: HttpRequest) -> list[Site]:
    """Return the sites at work where the person works, by name."""
    user, rows = person(request), roster.sites_at_work(timezone.now())
    return list(rows if user.is_superuser else rows.filter(roles__user=user).distinct())


def read(
    request: HttpRequest, subject: str, patients: list[Patient], *, uid: UUID | None = None, action: str = "view"
) -> None:
    """Note which patients a page of ours has shown."""
    if patients:
        audit.record_read(
            request,
            action=action,
            subject=subject,
            subject_uid=uid,
            patients=[patient.uid for patient in patients],
            door="admin",
        )


def posted_to(request: HttpRequest) -> QueryDict | None:
    """Return what was sent, be it nothing; None when the page is only looked at."""
    return request.POST if request.method == "POST" else None


def given_date(request: HttpRequest, name: str, default: date) -> date:
    """Return a date from the address, or the default when it is missing or nonsense."""
    try:
        return date.fromisoformat(request.GET.get(name, ""))
    except ValueError:
        return default


def given_uid(request: HttpRequest, name: str) -> UUID | None:
    try:
        return UUID(request.GET.get(name, ""))
    except ValueError:
        return None


def zone_label(zone: str, at: datetime) -> str:
    """Return a zone as people read it: its city, and how far it is from UTC then."""
    local = localtime.wall(at, zone)
    name, offset = local.tzname() or "", local.strftime("%z")
    said = name if name.isalpha() else f"UTC{offset[:3]}:{offset[3:]}"
    return f"{zone.rpartition('/')[2].replace('_', ' ')} ({said})"


def moment_in_words(at: datetime, zone: str) -> str:
    """Return when something was, on the clocks of a site, with the zone."""
    local = localtime.wall(at, zone)
    return f"{day_in_words(local.date())}, {local:%H:%M}, {zone_label(zone, at)}"
