"""The waiting list: put a session on it, take it off, and answer what is offered."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.errors import Problem
from clinic.models import Site
from scheduling import waitlist
from scheduling.models import Offer, Session, WaitingListEntry

from . import inputs, outputs, shown
from .endpoint import Endpoint, Shows


class WaitingListEndpoint(Endpoint):
    """Who waits at a site."""

    site_path = "pk"
    rights: ClassVar = {"entries": "see_patients"}

    def get_queryset(self) -> QuerySet[Site]:
        return shown.sites_of(self.user)

    @extend_schema(
        summary="The waiting list of a site, with what is kept for whom",
        tags=["waiting list"],
        parameters=[inputs.UidPageInput],
        responses=outputs.page_of(outputs.WaitingOutput),
    )
    def entries(self, request: Request, **_uid: Any) -> Response:
        site: Site = self.get_object()
        waiting = shown.waiting_with_offers(timezone.now()).filter(session__course__site=site)
        rows, answer = self.page(waiting, outputs.WaitingOutput, show=shown.waiting)
        self.was_read("list", "scheduling.session", [row.session.course.patient.uid for row in rows], site.uid)
        return answer


class WaitingSessionEndpoint(Endpoint):
    """Sessions whose patient would take an earlier time."""

    site_path = "course.site_id"
    rights: ClassVar = {"wait": "book", "stop_waiting": "book"}

    def get_queryset(self) -> QuerySet[Session]:
        return shown.sessions_visible_to(self.user)

    @extend_schema(
        summary="Put a session on the waiting list",
        tags=["waiting list"],
        request=inputs.WaitInput,
        responses={201: outputs.WaitingOutput},
    )
    def wait(self, request: Request, **_uid: Any) -> Response:
        session: Session = self.get_object()
        given = inputs.WaitInput.checked(request.data)

        def answer() -> Any:
            return _entry(waitlist.put_on(session, **given, by=self.user, now=timezone.now()))

        return self.do(answer, status=201, shows=_shows(session))

    @extend_schema(
        summary="Take a session off the waiting list",
        tags=["waiting list"],
        request=None,
        responses=outputs.WaitingOutput,
    )
    def stop_waiting(self, request: Request, **_uid: Any) -> Response:
        session: Session = self.get_object()
        inputs.Nothing.checked(request.data)

        def answer() -> Any:
            entry = session.waiting.filter(closed_at=None).select_related("session__course__site").first()
            if entry is None:
                raise waitlist.DoesNotWait(
                    Problem("does_not_wait", _("This session is not on the waiting list."), str(session.uid))
                )
            return _entry(waitlist.take_off(entry, by=self.user, now=timezone.now()))

        return self.do(answer, shows=_shows(session))


class OfferEndpoint(Endpoint):
    """Times that are kept for patients of the sites where the user works."""

    site_path = "entry.session.course.site_id"
    rights: ClassVar = {"retrieve": "see_patients", "accept": "book", "decline": "book"}

    def get_queryset(self) -> QuerySet[Offer]:
        return shown.offers_visible_to(self.user)

    @extend_schema(summary="An offer", tags=["waiting list"], responses=outputs.OfferOutput)
    def retrieve(self, request: Request, **_uid: Any) -> Response:
        offer: Offer = self.get_object()
        inputs.Nothing.checked_query(request)
        self.was_read("view", "scheduling.offer", [offer.patient.uid], offer.uid)
        return Response(outputs.OfferOutput(offer).data)

    @extend_schema(
        summary="The patient takes the time: the visit moves there, or the session is booked",
        tags=["waiting list"],
        request=None,
        responses=outputs.VisitChanged,
    )
    def accept(self, request: Request, **_uid: Any) -> Response:
        offer: Offer = self.get_object()
        inputs.Nothing.checked(request.data)

        def answer() -> Any:
            booked = waitlist.accept(offer, by=self.user, now=timezone.now())
            fresh = shown.appointments_visible_to(self.user).get(pk=booked.pk)
            proposal = shown.open_proposal(fresh.session.course)
            return outputs.VisitChanged({"appointment": fresh, "proposal": proposal}).data

        return self.do(answer, shows=_offered(offer))

    @extend_schema(
        summary="The patient does not want the time: it goes to the next, and they stay on the list",
        tags=["waiting list"],
        request=None,
        responses=outputs.OfferOutput,
    )
    def decline(self, request: Request, **_uid: Any) -> Response:
        offer: Offer = self.get_object()
        inputs.Nothing.checked(request.data)

        def answer() -> Any:
            waitlist.decline(offer, by=self.user, now=timezone.now())
            return outputs.OfferOutput(self.get_queryset().get(pk=offer.pk)).data

        return self.do(answer, shows=_offered(offer))


def _entry(entry: WaitingListEntry) -> Any:
    whole = WaitingListEntry.objects.select_related("session__course__patient").get(pk=entry.pk)
    return outputs.WaitingOutput(shown.waiting(whole)).data


def _shows(session: Session) -> Shows:
    return Shows("scheduling.session", session.uid, session.course.patient.uid)


def _offered(offer: Offer) -> Shows:
    return Shows("scheduling.offer", offer.uid, offer.patient.uid)
