"""Proposals: moves that a person looks at, then applies or discards."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api import roles_of
from scheduling import replanning
from scheduling.models import Proposal

from . import inputs, outputs, shown
from .endpoint import Endpoint
from .rights import RIGHTS


class ProposalEndpoint(Endpoint):
    """Proposals at the sites where the user works."""

    site_path = "site_id"
    rights: ClassVar = {
        "list": "see_patients",
        "retrieve": "see_patients",
        "apply": "apply_proposal",
        "discard": "apply_proposal",
        "stop": "apply_proposal",
        "again": "apply_proposal",
    }

    def get_queryset(self) -> QuerySet[Proposal]:
        return shown.proposals_visible_to(self.user)

    @extend_schema(
        summary="Proposals that wait for a decision, or are still being worked out, newest first",
        tags=["proposals"],
        parameters=[inputs.UidPageInput],
        responses=outputs.page_of(outputs.ProposalOutput),
    )
    def list(self, request: Request) -> Response:
        rows = self.get_queryset().filter(pk__in=Proposal.objects.undecided())
        roles = roles_of(request)
        if not roles.everywhere:
            may = [site for site, held in roles.at_sites.items() if held & set(RIGHTS["see_patients"])]
            rows = rows.filter(site__in=may)
        found, page = self.page(rows, outputs.ProposalOutput)
        self.was_read("list", "scheduling.proposal", {uid for proposal in found for uid in shown.patients_in(proposal)})
        return page

    @extend_schema(summary="A proposal", tags=["proposals"], responses=outputs.ProposalOutput)
    def retrieve(self, request: Request, **_uid: Any) -> Response:
        proposal: Proposal = self.get_object()
        self.was_read("view", "scheduling.proposal", shown.patients_in(proposal), proposal.uid)
        return Response(outputs.ProposalOutput(proposal).data)

    @extend_schema(
        summary="Carry out a proposal's moves, all or those of the chosen sessions",
        tags=["proposals"],
        request=inputs.ApplyInput,
        responses=outputs.ProposalApplied,
    )
    def apply(self, request: Request, **_uid: Any) -> Response:
        proposal: Proposal = self.get_object()
        given = inputs.ApplyInput.checked(request.data)

        def answer() -> Any:
            self.was_read("view", "scheduling.proposal", shown.patients_in(proposal), proposal.uid)
            moved = replanning.apply(proposal, sessions=given["sessions"], by=self.user, now=timezone.now())
            rows = shown.appointments_visible_to(self.user).filter(pk__in=[one.pk for one in moved])
            fresh = self.get_queryset().get(pk=proposal.pk)
            return outputs.ProposalApplied({"proposal": fresh, "appointments": rows}).data

        return self.do(answer)

    @extend_schema(
        summary="Leave everything where it is; a search for new times ends",
        tags=["proposals"],
        request=None,
        responses=outputs.ProposalOutput,
    )
    def discard(self, request: Request, **_uid: Any) -> Response:
        inputs.Nothing.checked(request.data)
        proposal: Proposal = self.get_object()

        def answer() -> Any:
            return self._decided(replanning.discard(proposal, by=self.user, now=timezone.now()))

        return self.do(answer)

    @extend_schema(
        summary="End the search for new times with the best found so far",
        tags=["proposals"],
        request=None,
        responses=outputs.ProposalOutput,
    )
    def stop(self, request: Request, **_uid: Any) -> Response:
        inputs.Nothing.checked(request.data)
        proposal: Proposal = self.get_object()

        def answer() -> Any:
            return self._decided(replanning.stop(proposal, by=self.user, now=timezone.now()))

        return self.do(answer)

    @extend_schema(
        summary="Work out new times for what is left of a proposal for several patients; the answer is the new one",
        tags=["proposals"],
        request=None,
        responses=outputs.ProposalOutput,
    )
    def again(self, request: Request, **_uid: Any) -> Response:
        inputs.Nothing.checked(request.data)
        proposal: Proposal = self.get_object()

        def answer() -> Any:
            return self._decided(replanning.work_out_again(proposal, by=self.user, now=timezone.now()))

        return self.do(answer)

    def _decided(self, proposal: Proposal) -> Any:
        fresh: Proposal = self.get_queryset().get(pk=proposal.pk)
        self.was_read("view", "scheduling.proposal", shown.patients_in(fresh), fresh.uid)
        return outputs.ProposalOutput(fresh).data
