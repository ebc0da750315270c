"""Choosing a time for one session: to book it by itself, or to move its visit."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic import idempotency
from clinic.admin import page_of, person
from clinic.errors import Problem, Refusal
from scheduling import booking, roster, visits
from scheduling.models import Appointment, Course, Resource, Session
from scheduling.planner import facts
from scheduling.planner.windows import window_of

from .acts import allowed
from .conditions import gate_lines, grouped, names_of
from .desk import course_or_404, given_date, needs, read, shown, zone_label
from .plans import distance

WEEKS_SHOWN = 2
MOST = 5000
EVERY_MINUTES = 30  # of the many starts of a day, one in each half hour is offered


@needs("scheduling.course", "change")
def choose(request: HttpRequest, uid: UUID, session_uid: UUID) -> HttpResponse:
    """Show lawful times for one session, by day; book or move to the one that is posted."""
    course, now = course_or_404(request, uid), timezone.now()
    session = course.sessions.select_related("course__site", "step").filter(uid=session_uid).first()
    if session is None:
        raise Http404
    visit = (
        Appointment.objects.live()
        .filter(session=session)
        .select_related("session__course", "session__step", "site", "lead")
        .first()
    )
    refused: tuple[Problem, ...] = ()
    if request.method == "POST":
        try:
            _take(request, course, session, visit, now)
        except Refusal as refusal:
            refused = refusal.problems or (Problem(refusal.code, str(refusal.title)),)
        else:
            messages.success(request, _("The visit is moved.") if visit else _("The visit is booked."))
            return HttpResponseRedirect(f"{page_of(course)}#session-{session.position}")
    return _page(request, course, session, visit, refused, now)


def _page(
    request: HttpRequest,
    course: Course,
    session: Session,
    visit: Appointment | None,
    refused: tuple[Problem, ...],
    now: datetime,
) -> HttpResponse:
    today = roster.today(course.site, now)
    as_it_stands = roster.course_facts(course)
    known = next(one for one in as_it_stands.sessions if one.id == session.uid)
    window = window_of(known, as_it_stands)
    first_on = given_date(request, "from", max(today, _begin(window, today)))
    last_on = first_on + timedelta(weeks=WEEKS_SHOWN) - timedelta(days=1)
    names = names_of(course, [session], as_it_stands)
    lines = gate_lines(known, visit.on if visit else first_on, as_it_stands, today, names)
    found = visits.free_times(session, first_on=first_on, last_on=last_on, now=now, limit=MOST)
    read(request, "scheduling.Course", [course.patient], uid=course.uid)
    return shown(
        request,
        "scheduling/times.html",
        _("Move the visit") if visit else _("Book a time"),
        {
            "course": course,
            "patient": course.patient,
            "session": session,
            "visit": visit,
            "window": window,
            "days": _by_day(found, course),
            "needed": grouped((line, session.position) for line in lines),
            "allowed": allowed(request),
            "first_on": first_on,
            "last_on": last_on,
            "earlier_on": max(today, first_on - timedelta(weeks=WEEKS_SHOWN)) if first_on > today else None,
            "later_on": last_on + timedelta(days=1),
            "refused": refused,
            "key": uuid.uuid4(),
            "zone": zone_label(course.site.zone, now),
            "back": f"{page_of(course)}#session-{session.position}",
        },
        status=409 if refused else 200,
    )


def _begin(window: facts.Window, today: date) -> date:
    """Return the first date worth showing: a week before the best date, but none that is too early."""
    best = window.target_on or window.earliest_on or today
    return max(window.earliest_on or today, best - timedelta(days=7))


def _by_day(found: list[facts.PlannedSession], course: Course) -> list[dict[str, Any]]:
    """Return the times by day and practitioner, one in each half hour; the cheapest of all is marked."""
    names = dict(Resource.objects.filter(uid__in={one.slot.lead for one in found}).values_list("uid", "name"))
    ordered = sorted(found, key=lambda one: (one.slot.on, names[one.slot.lead], one.slot.lead, one.slot.tick))
    best = min(ordered, key=lambda one: (one.cost.total, one.slot.on, one.slot.tick), default=None)
    days = []
    for on, on_day in groupby(ordered, key=lambda one: one.slot.on):
        rows, window = [], None
        for lead, of_lead in groupby(on_day, key=lambda one: one.slot.lead):
            offered: dict[int, facts.PlannedSession] = {}
            for one in of_lead:
                window = one.window
                half_hour = one.slot.tick // EVERY_MINUTES
                if half_hour not in offered or one is best or one.cost.total < offered[half_hour].cost.total:
                    offered[half_hour] = one
            rows.append((names[lead], [_time(one, course, is_best=one is best) for one in offered.values()]))
        days.append({"on": on, "distance": distance(on, window) if window else "", "rows": rows})
    return days


def _time(one: facts.PlannedSession, course: Course, *, is_best: bool) -> dict[str, Any]:
    data = booking.slot_as_data(one.slot, course.site)
    return {"at": data["at"], "data": json.dumps(data, separators=(",", ":")), "is_best": is_best}


def _take(request: HttpRequest, course: Course, session: Session, visit: Appointment | None, now: datetime) -> None:
    """Book the posted time, or move the visit there, once for each time that the page was shown."""
    try:
        data: Any = json.loads(request.POST.get("slot", ""))
    except ValueError:
        data = None
    (slot,) = booking.slots_from([data], course)
    by = person(request)

    def act() -> tuple[int, Any]:
        if visit is None:
            visits.book(session, slot, by=by, now=now)
        else:
            visits.move(visit, slot, by=by, now=now, reason=request.POST.get("reason", ""))
        return 200, {}

    # Another time under the key of the same page is another request.
    body = json.dumps(data, sort_keys=True).encode()
    key = f"{request.POST.get('key', '')}:{hashlib.sha256(body).hexdigest()[:32]}"
    idempotency.once(by, key, "POST", request.path, body, act)
