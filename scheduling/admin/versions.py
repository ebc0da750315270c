"""Move a course to another version of its protocol: choose it, see what would change, move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.admin import has_role, page_of, person, put_into
from clinic.errors import Refusal
from clinic.rights import MANAGING, PRESCRIBING
from scheduling import roster, versions, wording
from scheduling.models import Course, MessageKind
from scheduling.planner import facts
from scheduling.versions import Fate

from .desk import course_or_404, given_uid, needs, posted_to, read, shown
from .forms import Reason

ROLES = (*PRESCRIBING, *MANAGING)
FATES = {
    Fate.KEPT: ("idle", gettext_lazy("goes on")),
    Fate.ADDED: ("good", gettext_lazy("added")),
    Fate.DROPPED: ("bad", gettext_lazy("dropped")),
}


class MoveForm(forms.Form):
    """The preview's stamp stands beside it on the page: it is always that of what is shown."""

    reason = Reason(label=gettext_lazy("Why the course is moved"))


@dataclass(frozen=True)
class Line:
    """One session of the preview, in words."""

    difference: versions.SessionDifference
    tone: str
    fate: str
    dates: list[tuple[str, Any, Any]]  # what is called so, before and after
    closing: list[str]
    pending: list[str]  # what would only be known at the visit
    opening: list[str]
    broken: list[str]


def may_move(request: HttpRequest) -> bool:
    return has_role(request, ROLES)


@needs("scheduling.course", "change")
def move(request: HttpRequest, uid: UUID) -> HttpResponse:
    """Show what a move would change, and carry it out when it is sent as shown."""
    course = course_or_404(request, uid)
    if not may_move(request):
        raise PermissionDenied
    now = timezone.now()
    choices = versions.others(course, now)
    wanted = given_uid(request, "version")
    version = next((one for one in choices if one.uid == wanted), choices[0] if len(choices) == 1 else None)
    form = MoveForm(posted_to(request))
    if request.method == "POST" and version is not None and form.is_valid():
        try:
            _course, proposal = versions.move(
                course,
                version,
                stamp=request.POST.get("stamp", ""),
                reason=form.cleaned_data["reason"],
                by=person(request),
                now=now,
            )
        except Refusal as refusal:
            put_into(form, refusal)
        else:
            messages.success(
                request,
                _("The course follows the new version. Look at the proposed moves.")
                if proposal
                else _("The course follows the new version."),
            )
            return HttpResponseRedirect(page_of(course))
    context: dict[str, Any] = {"course": course, "patient": course.patient, "choices": choices, "version": version}
    if version is not None:
        context |= _preview(course, version, form)
    read(request, "scheduling.Course", [course.patient], uid=course.uid)
    return shown(request, "scheduling/version.html", _("Move to another version"), context)


def _preview(course: Course, version: Any, form: MoveForm) -> dict[str, Any]:
    """Return the preview in words."""
    try:
        found = versions.preview(course, version, now=timezone.now())
    except versions.NotMovable as refusal:
        put_into(form, refusal)
        return {"form": form}
    names = roster.subjects() | {one.step: one.name for one in found.sessions}
    return {
        "form": form,
        "preview": found,
        "lines": [_line(one, names) for one in found.sessions if one.is_different],
        "same": [one for one in found.sessions if not one.is_different],
        "promised": [(one, MessageKind(one.kind).label) for one in found.promised],
        "withdrawn": [(one, MessageKind(one.kind).label) for one in found.withdrawn],
    }


def _line(one: versions.SessionDifference, names: Mapping[str, str]) -> Line:
    tone, fate = FATES[one.fate]
    old, new = one.old or facts.Window(), one.new or facts.Window()
    dates = [
        (str(label), getattr(old, name), getattr(new, name))
        for name, label in (
            ("earliest_on", _("Earliest")),
            ("target_on", _("Best")),
            ("overdue_on", _("Overdue from")),
            ("lapse_on", _("Lapses on")),
        )
        if getattr(old, name) != getattr(new, name)
    ]
    closing = [answer for answer in one.closing if answer.code != "outcome_awaited"]  # that is the order of things
    return Line(
        difference=one,
        tone=tone,
        fate=str(fate),
        dates=dates,
        closing=[_gate(answer, names) for answer in closing if answer.state is facts.GateState.CLOSED],
        # Of a session that is added, all that is pending would be new.
        pending=[_gate(answer, names) for answer in closing if answer.state is facts.GateState.PENDING and one.session],
        opening=[_gate(answer, names) for answer in one.opening if answer.code != "outcome_awaited"],
        broken=[problem.message for problem in wording.problems(one.broken, names)],
    )


def _gate(answer: facts.GateAnswer, names: Mapping[str, str]) -> str:
    return wording.sentence(answer.code, subject=answer.subject, opens_on=answer.opens_on, names=names)
