"""“Plan a course”: what is asked, plans side by side, what each costs and why, and one button to book one whole."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from clinic import idempotency
from clinic.admin import page_of, person
from clinic.errors import Problem, Refusal
from scheduling import booking, explaining, roster, visits
from scheduling.models import Course, Resource
from scheduling.planner import facts

from .acts import allowed, standing_for
from .asks import asked
from .conditions import GateLine, gate_line, grouped
from .desk import course_or_404, needs, read, shown, zone_label
from .timeline import Card, course_page

KINDS = {
    "closest_to_target": (
        gettext_lazy("Closest to target"),
        gettext_lazy("Each session as near to its best date as the diary allows."),
    ),
    "soonest": (gettext_lazy("Soonest"), gettext_lazy("The course is over as early as the rules allow.")),
    "same_practitioner": (
        gettext_lazy("Same practitioner"),
        gettext_lazy("One person from the first session to the last."),
    ),
    "wishes_first": (
        gettext_lazy("Wishes first"),
        gettext_lazy("As few of the patient's wishes missed as the rules allow."),
    ),
    "other_weekdays": (gettext_lazy("Other weekdays"), gettext_lazy("None of the weekdays of the best plan.")),
    "other_practitioner": (
        gettext_lazy("Another practitioner"),
        gettext_lazy("With nobody who leads a session of the best plan."),
    ),
}
COST_PARTS = {
    "spacing": gettext_lazy("Days away from the best date"),
    "lateness": gettext_lazy("Waiting for the first session"),
    "continuity": gettext_lazy("Changes of practitioner"),
    "wishes": gettext_lazy("Wishes not met"),
    "holes": gettext_lazy("Short gaps left in the diary"),
    "moves": gettext_lazy("Visits moved"),
}
ICONS = {"practitioner": "supervisor_account", "room": "meeting_room", "device": "settings_input_component"}


@dataclass(frozen=True)
class Cost:
    """One part of what a plan costs."""

    name: str
    points: int
    share: float


@dataclass(frozen=True)
class Line:
    """One session of a plan, in words."""

    card: Card
    on: date
    at: str
    ends_at: str
    is_second_pass: bool
    lead: str
    others: list[tuple[str, str]]
    distance: str
    is_kept: bool
    costs: list[Cost]
    points: int
    gates: list[GateLine]
    better: list[tuple[date, date, str]]  # dates that would themselves be better, and why they are not taken
    best_on: date | None


@dataclass(frozen=True)
class Choice:
    """One plan on the page."""

    kind: str
    title: str
    about: str
    lines: list[Line]
    costs: list[Cost]
    points: int
    proven: bool
    key: str
    data: str
    last_on: date
    is_best: bool
    differs: list[str]

    @property
    def is_closed(self) -> bool:
        return any(not gate.is_pending for line in self.lines if not line.is_kept for gate in line.gates)


@needs("scheduling.course", "change")
def plan(request: HttpRequest, uid: UUID) -> HttpResponse:
    """Show plans for every session left; book the one that is posted back."""
    course = course_or_404(request, uid)
    now = timezone.now()
    refused: tuple[Problem, ...] = ()
    if "plan" in request.POST:
        try:
            count = _book(request, course, now)
        except Refusal as refusal:
            refused = refusal.problems or (Problem(refusal.code, str(refusal.title)),)
        else:
            text = ngettext("%(count)d visit is booked.", "%(count)d visits are booked.", count) % {"count": count}
            messages.success(request, text)
            return HttpResponseRedirect(page_of(course))
    page = course_page(course, now=now)
    choices: list[Choice] = []
    stuck: tuple[Problem, ...] = ()
    form, ask = asked(request, course, page.cards, roster.today(course.site, now))
    if page.is_open and ask is not None:
        try:
            found = booking.propose_course(course, now=now, ask=ask, explained=True)
        except booking.NoPlan as none:
            stuck = none.problems
        except booking.AskContradicts as wrong:
            form.put(wrong)
        else:
            choices = choices_of(found, course, page.cards, page.names)
    read(request, "scheduling.Course", [course.patient], uid=course.uid)
    cards = {str(card.session.uid): card for card in page.cards}
    # On the dates of the plans themselves, where there are any.
    shut = ((line, one.card.session.position) for choice in choices for one in choice.lines for line in one.gates)
    needed = grouped(shut) if choices else page.needed
    return shown(
        request,
        "scheduling/plan.html",
        _("Plan a course"),
        {
            "page": page,
            "course": course,
            "patient": course.patient,
            "choices": choices,
            "form": form,
            "stuck": [(cards.get(problem.where), problem) for problem in stuck],
            "is_nothing_left": [problem.code for problem in stuck] == ["nothing_to_plan"],
            "ways": [way for problem in stuck for way in problem.details.get("relaxations", ())],
            "is_smallest": all(problem.details.get("is_smallest", True) for problem in stuck),
            "refused": [(cards.get(problem.where), problem) for problem in refused],
            "needed": [group for group in needed if group.code != "course_on_hold"],  # the holds stand above
            "is_closed": any(not group.is_pending for group in needed),
            "allowed": allowed(request),
            "standing": standing_for(request, page.holds),
            "zone": zone_label(course.site.zone, now),
        },
        status=409 if refused else 200,
    )


def _book(request: HttpRequest, course: Course, now: datetime) -> int:
    """Book the plan that was posted back, once for each time that the page was shown."""
    posted = request.POST.get("plan", "")
    try:
        data: Any = json.loads(posted)
    except ValueError:
        data = None
    slots = booking.slots_from(data, course)

    def act() -> tuple[int, Any]:
        booked = visits.book_course(course, slots, by=person(request), now=now)
        return 200, {"booked": len(booked)}

    body = json.dumps(data, sort_keys=True).encode()
    _status, answer, _replayed = idempotency.once(
        person(request), request.POST.get("key", ""), "POST", request.path, body, act
    )
    return int(answer["booked"])


def choices_of(
    found: Sequence[facts.Alternative], course: Course, cards: Sequence[Card], names: Mapping[str, str]
) -> list[Choice]:
    """Return the planner's alternatives in words, the cheapest marked."""
    by_id = {card.session.uid: card for card in cards}
    used = {use.resource for one in found for planned in one.plan.sessions for use in planned.slot.uses}
    used |= {planned.slot.lead for one in found for planned in one.plan.sessions}
    resources = {one.uid: one for one in Resource.objects.filter(uid__in=used)}
    least = min((one.plan.cost.total for one in found), default=0)
    positions = {uid: card.session.position for uid, card in by_id.items()}
    choices: list[Choice] = []
    for one in found:
        title, about = KINDS.get(one.kind, (one.kind, ""))
        new = [planned.slot for planned in one.plan.sessions if not planned.pinned]
        better = {near.session: near for near in one.nearer}
        choices.append(
            Choice(
                kind=one.kind,
                title=str(title),
                about=str(about),
                lines=[
                    replace(
                        _line(planned, by_id, course, resources, names),
                        **_better(better.get(planned.slot.session), positions),
                    )
                    for planned in one.plan.sessions
                ],
                costs=_costs(one.plan.cost),
                points=one.plan.cost.total,
                proven=one.plan.proven,
                key=str(uuid.uuid4()),
                data=json.dumps([booking.slot_as_data(slot, course.site) for slot in new]),
                last_on=max(planned.slot.on for planned in one.plan.sessions),
                is_best=one.plan.cost.total == least and not choices,
                differs=explaining.difference(one.differs) if choices else [],
            )
        )
    return choices


def _better(near: facts.Nearer | None, positions: Mapping[UUID, int]) -> dict[str, Any]:
    if near is None or not near.dates:
        return {}
    return {"better": explaining.nearer(near, positions), "best_on": near.best_on}


def _line(
    planned: facts.PlannedSession,
    cards: Mapping[UUID, Card],
    course: Course,
    resources: Mapping[UUID, Resource],
    names: Mapping[str, str],
) -> Line:
    slot = planned.slot
    shown_as = booking.slot_as_data(slot, course.site)
    last = facts.Slot(slot.session, slot.on, slot.tick + slot.minutes, 0, slot.lead, ())
    taken = dict.fromkeys(use.resource for use in slot.uses if use.resource != slot.lead)
    return Line(
        card=cards[slot.session],
        on=slot.on,
        at=shown_as["at"],
        ends_at=booking.slot_as_data(last, course.site)["at"],
        is_second_pass=shown_as["fold"] == 1,
        lead=resources[slot.lead].name,
        others=[(ICONS[resources[uid].kind], resources[uid].name) for uid in taken],
        distance=distance(slot.on, planned.window),
        is_kept=planned.pinned,
        costs=_costs(planned.cost),
        points=planned.cost.total,
        gates=[gate_line(answer, names) for answer in planned.gates if answer.code != "outcome_awaited"],
        better=[],
        best_on=None,
    )


def distance(on: date, window: facts.Window) -> str:
    """Return how far a date is from the window's target, in words."""
    if window.target_on is None:
        return _("no best date: the sooner the better")
    days = (on - window.target_on).days
    if days == 0:
        return _("on the best date")
    if days < 0:
        words = ngettext("%(days)d day before the best date", "%(days)d days before the best date", -days)
    else:
        words = ngettext("%(days)d day after the best date", "%(days)d days after the best date", days)
    said = words % {"days": abs(days)}
    return _("%(distance)s, as good as on it") % {"distance": said} if abs(days) <= window.tolerance_days else said


def _costs(parts: facts.CostParts) -> list[Cost]:
    """Return the parts of a cost that are not nothing, the dearest first."""
    found = [(field.name, getattr(parts, field.name)) for field in fields(parts)]
    return [
        Cost(str(COST_PARTS[name]), points, round(100 * points / parts.total, 1))
        for name, points in sorted(found, key=lambda one: -one[1])
        if points
    ]


__all__ = ["Choice", "choices_of", "distance", "plan"]
