"""Proposals: wait for one, look at the moves, then apply all or some of them, or discard the lot."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from clinic.admin import ReadOnlyAdmin, has_role, page_of, person, tell
from clinic.errors import Problem, Refusal
from clinic.rights import FRONT_DESK
from patients.admin import name_and_birth_date
from scheduling import replanning
from scheduling.models import Course, Proposal
from scheduling.models.proposals import ProposalState

from .desk import moment_in_words, needs, read, shown
from .words import badge, moves_in_words

TONES = {
    "making": "busy",
    "open": "warn",
    "failed": "bad",
    "applied": "good",
    "partly": "good",
    "discarded": "off",
    "stale": "off",
    "needless": "off",
}
REASONS = {
    "performed": gettext_lazy("A session took place on another day"),
    "missed": gettext_lazy("A visit was missed"),
    "moved": gettext_lazy("A visit was moved"),
    "booked": gettext_lazy("A visit was booked"),
    "corrected": gettext_lazy("The date of a session was corrected"),
    "session_added": gettext_lazy("A session was added"),
    "session_skipped": gettext_lazy("A session was left out"),
    "late": gettext_lazy("A session comes late"),
    "areas_planned": gettext_lazy("Sessions are to treat other areas"),
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
    "asked": gettext_lazy("The whole course was planned anew"),
}
STAGES = {
    "": gettext_lazy("waiting for a moment to begin"),
    "reading": gettext_lazy("reading the diary"),  # of the job, then of the search
    "first": gettext_lazy("the first answer is found"),
    "bounding": gettext_lazy("finding out how good an answer can be"),
    "combining": gettext_lazy("combining the courses"),
    "explaining": gettext_lazy("finding out why some visits have no other time"),
}
NO_GAP = 0.05  # per cent: less than this is rounding


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


def gap_in_words(proposal: Proposal) -> str:
    """Return how far the proposal may be from the best possible, as far as that is known."""
    gap = proposal.gap_percent
    if gap is None or (gap == 100 and proposal.cost):  # nothing is known but its cost
        return _("How far it is from the best possible is not known.")
    if gap < NO_GAP:
        return _("Nothing better is possible: that is proven.")
    return _("At most %(gap).1f %% from the best possible.") % {"gap": gap}


@needs("scheduling.proposal")
def proposal_view(request: HttpRequest, object_id: str) -> HttpResponse:
    """Show a proposal, old beside new; apply what is ticked, or discard it. One that is worked out shows how far."""
    proposal = _proposal_or_404(request, object_id)
    refused: Refusal | None = None
    if request.method == "POST":
        try:
            if answer := decide(request, proposal):
                return answer
        except Refusal as refusal:
            refused = refusal
            if proposal.course_id is not None:
                tell(request, refusal)
        proposal.refresh_from_db()
    if proposal.state in (ProposalState.MAKING, ProposalState.FAILED):
        return _progress(request, proposal)
    if request.GET.get("part") == "progress":
        return HttpResponse(status=204)  # it is done: there is no progress to show
    if proposal.course_id is None:
        return _together(request, proposal, refused)
    moves = _moves_of(proposal)
    read(request, "scheduling.Proposal", [move.session.course.patient for move in moves], uid=proposal.uid)
    return shown(
        request,
        "scheduling/proposal.html",
        _("Proposed moves"),
        {**_about(request, proposal), "moves": moves_in_words(moves)},
    )


def _proposal_or_404(request: HttpRequest, object_id: str) -> Proposal:
    try:
        uid = UUID(object_id)
    except ValueError:
        raise Http404 from None
    proposal = (
        Proposal.objects.visible_to(person(request))
        .select_related("site", "course__patient", "course__version__protocol", "made_by", "decided_by", "overtaken_by")
        .filter(uid=uid)
        .first()
    )
    if proposal is None:
        raise Http404
    return proposal


def _moves_of(proposal: Proposal) -> list[Any]:
    return list(
        proposal.moves.select_related(
            "session__step", "session__course__patient", "session__course__version__protocol", "appointment"
        ).order_by("session__course__patient__search_name", "session__course_id", "session__position")
    )


def _about(request: HttpRequest, proposal: Proposal) -> dict[str, Any]:
    return {
        "proposal": proposal,
        "reason": reason_in_words(proposal),
        "made": moment_in_words(proposal.made_at, proposal.site.zone),
        "is_open": proposal.state == ProposalState.OPEN,
        "tone": TONES[proposal.state],
        "may_decide": has_role(request, FRONT_DESK),
        "gap": gap_in_words(proposal),
    }


# --- being worked out -------------------------------------------------------------------------------------------------


def _progress(request: HttpRequest, proposal: Proposal) -> HttpResponse:
    """Show how far a proposal is: the whole page, or the part of it that changes, which the page asks for itself."""
    context = {
        **_about(request, proposal),
        "is_failed": proposal.state == ProposalState.FAILED,
        "stage": STAGES.get(proposal.stage, proposal.stage),
        "courses": proposal.touched.count(),
        "said": f"{proposal.stage} {proposal.progress // 20}",  # what is new enough to be read out
    }
    if request.GET.get("part") == "progress" and proposal.state == ProposalState.MAKING:
        return shown(request, "scheduling/parts/proposal_progress.html", "", context)
    if request.GET.get("part") == "progress":
        return HttpResponse(status=204)
    return shown(request, "scheduling/proposal_making.html", _("Proposed moves"), context)


# --- for many patients ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One visit of a proposal, in words."""

    move: Any
    old: str
    new: str
    difference: str
    why: Sequence[str]
    against: Sequence[str]  # what has come in between since it was proposed
    is_ticked: bool

    @property
    def is_done(self) -> bool:
        return self.move.applied_at is not None

    @property
    def is_gone(self) -> bool:
        """Whether somebody has dealt with the visit in another way."""
        visit = self.move.appointment
        return not self.is_done and visit is not None and visit.revision != self.move.appointment_revision


@dataclass(frozen=True)
class Group:
    """The visits of one course."""

    course: Course
    lines: Sequence[Line]

    @property
    def is_done(self) -> bool:
        return all(line.is_done for line in self.lines)

    @property
    def is_overtaken(self) -> bool:
        return any(line.against for line in self.lines)


def _together(request: HttpRequest, proposal: Proposal, refused: Refusal | None) -> HttpResponse:
    moves = _moves_of(proposal)
    is_open = proposal.state == ProposalState.OPEN
    judged = replanning.Judged(frozenset(), {})
    if is_open:
        judged = replanning.judge(proposal, now=timezone.now(), among=_ticked(request) if refused else None)
    lines = _lines(moves, _against(judged.problems, refused), judged.good)
    placed = [line for line in lines if line.move.to_slot]
    read(request, "scheduling.Proposal", list({move.session.course.patient for move in moves}), uid=proposal.uid)
    left = [line for line in placed if not line.is_done]
    return shown(
        request,
        "scheduling/proposal_together.html",
        _("Proposed moves"),
        {
            **_about(request, proposal),
            "stuck": _groups([line for line in lines if not line.move.to_slot and not line.is_gone]),
            "groups": _groups(placed),
            "moved": len(placed),
            "patients": len({line.move.session.course.patient_id for line in placed}),
            "left": len(left),
            "overtaken": sum(line.move.session.uid not in judged.good for line in left) if is_open else 0,
            "ticked": sum(line.is_ticked for line in lines),
            "refused": refused,
            "elsewhere": _elsewhere(refused, moves),
        },
    )


def _against(problems: Mapping[UUID, Sequence[Problem]], refused: Refusal | None) -> dict[UUID, list[str]]:
    """Return, by session, what stands against a move: what was found now, and what refused it a moment ago."""
    found = {session: [problem.message for problem in those] for session, those in problems.items()}
    for problem in refused.problems if refused else ():
        if _is_uid(problem.where) and problem.message not in found.setdefault(UUID(problem.where), []):
            found[UUID(problem.where)].append(problem.message)
    return found


def _elsewhere(refused: Refusal | None, moves: Sequence[Any]) -> list[str]:
    """Return what was refused and is about none of the visits shown, each sentence once."""
    shown_here = {str(move.session.uid) for move in moves}
    problems = refused.problems if refused else ()
    return list(dict.fromkeys(problem.message for problem in problems if problem.where not in shown_here))


def _lines(moves: Sequence[Any], against: Mapping[UUID, Sequence[str]], ticked: Collection[UUID]) -> list[Line]:
    return [
        Line(
            move=one["move"],
            old=one["old"],
            new=one["new"],
            difference=one["difference"],
            why=[words for words in one["why"] if words not in against.get(one["move"].session.uid, ())],
            against=against.get(one["move"].session.uid, ()),
            is_ticked=one["move"].session.uid in ticked,
        )
        for one in moves_in_words(moves)
    ]


def _groups(lines: Sequence[Line]) -> list[Group]:
    by_course = groupby(lines, key=lambda line: line.move.session.course_id)
    groups = [list(those) for _course, those in by_course]
    return [Group(those[0].move.session.course, those) for those in groups]


# --- deciding ---------------------------------------------------------------------------------------------------------


def decide(request: HttpRequest, proposal: Proposal) -> HttpResponse | None:
    """Do what the button says, and return where to go next. Raises what the act refuses with."""
    by, now = person(request), timezone.now()
    home = HttpResponseRedirect(page_of(proposal.course) if proposal.course else page_of(proposal))
    match request.POST.get("decision"):
        case "discard":
            replanning.discard(proposal, by=by, now=now)
            messages.success(request, _("The proposal is discarded. Visits stay where they are."))
        case "stop":
            replanning.stop(proposal, by=by, now=now)
            messages.success(request, _("The search ends, with the best that is found by now."))
        case "again":
            again = replanning.work_out_again(proposal, by=by, now=now)
            messages.success(request, _("New times are being worked out for the visits that are left."))
            return HttpResponseRedirect(page_of(again))
        case "apply":
            count = len(replanning.apply(proposal, by=by, now=now, sessions=_ticked(request)))
            messages.success(
                request, ngettext("%(count)d visit is moved.", "%(count)d visits are moved.", count) % {"count": count}
            )
        case _:
            return None
    return home


def _ticked(request: HttpRequest) -> frozenset[UUID]:
    return frozenset(UUID(value) for value in request.POST.getlist("session") if _is_uid(value))


def _is_uid(value: str) -> bool:
    try:
        UUID(value)
    except ValueError:
        return False
    return True
