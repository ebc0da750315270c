"""Proposals: look at the moves, then apply all or some of them, or discard the lot."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from clinic.admin import ReadOnlyAdmin, carried_out, has_role, page_of, person
from clinic.rights import FRONT_DESK
from patients.admin import name_and_birth_date
from scheduling import replanning
from scheduling.models import Proposal
from scheduling.models.proposals import ProposalState

from .desk import needs, read, shown
from .timeline import badge, moves_in_words

TONES = {"open": "warn", "applied": "good", "partly": "good", "discarded": "off", "stale": "off"}
REASONS = {
    "performed": gettext_lazy("A session took place on another day"),
    "missed": gettext_lazy("A visit was missed"),
    "moved": gettext_lazy("A visit was moved"),
    "corrected": gettext_lazy("The date of a session was corrected"),
    "session_added": gettext_lazy("A session was added"),
    "session_skipped": gettext_lazy("A session was left out"),
    "late": gettext_lazy("A session comes late"),
    "version_moved": gettext_lazy("The course follows another version"),
    "cancelled": gettext_lazy("A visit was cancelled"),
    "absence": gettext_lazy("Somebody is away"),
    "closure": gettext_lazy("The site is closed"),
    "hold_lifted": gettext_lazy("A hold was lifted"),
    "review_cleared": gettext_lazy("A review was cleared"),
    "assessed": gettext_lazy("A new assessment"),
    "consent": gettext_lazy("A consent changed"),
    "answer_reviewed": gettext_lazy("A clinician looked at an answer"),
    "event": gettext_lazy("Something happened that the spacing counts from"),
    "absence_taken_back": gettext_lazy("An absence was taken back"),
    "closure_taken_back": gettext_lazy("A closure was taken back"),
    "nightly": gettext_lazy("Found in the night: no longer possible where it is"),
    "hours": gettext_lazy("Working hours have changed"),
    "skills": gettext_lazy("Somebody or something can do less than before"),
    "no_longer_there": gettext_lazy("Somebody or something is not there any more"),
    "other_course": gettext_lazy("Something changed in another course of the patient"),
}


def reason_in_words(proposal: Proposal) -> str:
    return str(REASONS.get(proposal.reason, proposal.reason.replace("_", " ")))


@admin.register(Proposal)
class ProposalAdmin(ReadOnlyAdmin):
    """Moves that wait for a decision, and what became of earlier ones."""

    shown_patient = "course.patient.uid"
    list_display = ("because", "who", "where", "how_many", "standing", "made_at")
    list_display_links = ("because",)
    list_select_related = ("site", "course__patient")
    list_filter = ("state", "reason", "site")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(visits_moved=Count("moves"))

    @admin.display(description=gettext_lazy("because"), ordering="reason")
    def because(self, proposal: Proposal) -> str:
        return reason_in_words(proposal)

    @admin.display(description=gettext_lazy("patient"))
    def who(self, proposal: Proposal) -> str:
        return name_and_birth_date(proposal.course.patient) if proposal.course else _("several patients")

    @admin.display(description=gettext_lazy("site"), ordering="site__name")
    def where(self, proposal: Proposal) -> str:
        return proposal.site.name

    @admin.display(description=gettext_lazy("visits"))
    def how_many(self, proposal: Any) -> int:
        return int(proposal.visits_moved)

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def standing(self, proposal: Proposal) -> str:
        return badge(TONES[proposal.state], str(proposal.get_state_display()))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return proposal_view(request, object_id)


@needs("scheduling.proposal")
def proposal_view(request: HttpRequest, object_id: str) -> HttpResponse:
    """Show a proposal, old beside new; apply what is ticked, or discard it."""
    try:
        uid = UUID(object_id)
    except ValueError:
        raise Http404 from None
    proposal = (
        Proposal.objects.visible_to(person(request))
        .select_related("site", "course__patient", "course__version__protocol", "made_by", "decided_by")
        .filter(uid=uid)
        .first()
    )
    if proposal is None:
        raise Http404
    if request.method == "POST":
        if decide(request, proposal):
            return HttpResponseRedirect(page_of(proposal.course) if proposal.course else page_of(proposal))
        proposal.refresh_from_db()
    moves = list(
        proposal.moves.select_related(
            "session__step", "session__course__patient", "session__course__version__protocol", "appointment"
        ).order_by("session__course_id", "session__position")
    )
    read(request, "scheduling.Proposal", [move.session.course.patient for move in moves], uid=proposal.uid)
    return shown(
        request,
        "scheduling/proposal.html",
        _("Proposed moves"),
        {
            "proposal": proposal,
            "reason": reason_in_words(proposal),
            "moves": moves_in_words(moves),
            "is_open": proposal.state == ProposalState.OPEN,
            "tone": TONES[proposal.state],
            "may_decide": has_role(request, FRONT_DESK),
        },
    )


def decide(request: HttpRequest, proposal: Proposal) -> bool:
    """Apply or discard, as the button says; tell what was done, or why it was not."""
    by, now = person(request), timezone.now()
    if request.POST.get("decision") == "discard":
        if not carried_out(request, lambda: replanning.discard(proposal, by=by, now=now)):
            return False
        messages.success(request, _("The proposal is discarded. Visits stay where they are."))
        return True
    chosen = {UUID(value) for value in request.POST.getlist("session") if _is_uid(value)}
    moved: list[Any] = []

    def apply() -> None:
        moved.extend(replanning.apply(proposal, by=by, now=now, sessions=chosen or None))

    if not carried_out(request, apply):
        return False
    count = len(moved)
    messages.success(
        request, ngettext("%(count)d visit is moved.", "%(count)d visits are moved.", count) % {"count": count}
    )
    return True


def _is_uid(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True
