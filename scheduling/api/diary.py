"""Sessions and their visits: my day, a site's day, free times, and everything that happens to a visit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api import InvalidInput, roles_of
from clinic.errors import Conflict, Problem
from clinic.models import Site
from scheduling import booking, check_in, roster, sessions, visits, worklists
from scheduling.models import Appointment, AppointmentState, Occupancy, Outcome, Resource, Session

from . import inputs, outputs, shown
from .courses import slot_as_sent
from .endpoint import Endpoint, Shows, named
from .rights import RIGHTS


class NotAPractitioner(Conflict):
    """The user has no place in the diary."""

    code = "not_a_practitioner"


class OutcomeMissing(Conflict):
    """There is no outcome that could be looked at."""

    code = "outcome_missing"


class NothingBooked(Conflict):
    """There is no visit that could begin."""

    code = "nothing_booked"


class DayEndpoint(Endpoint):
    """Who comes when."""

    site_path = "pk"
    rights: ClassVar = {
        "my_day": "see_own_day",
        "sites": "see_protocols",
        "day": "see_patients",
        "worklist": "see_patients",
    }

    def get_queryset(self) -> QuerySet[Site]:
        return shown.sites_of(self.user)

    def _readable_sites(self) -> list[Site]:
        """Return the sites at which the user may read about patients."""
        roles = roles_of(self.request)
        return [site for site in self.get_queryset() if set(RIGHTS["see_patients"]) & roles.at(site.pk)]

    @extend_schema(
        summary="My visits of a day, at every site",
        tags=["days"],
        parameters=[inputs.DayInput],
        responses=outputs.MyDayOutput,
    )
    def my_day(self, request: Request) -> Response:
        given = inputs.DayInput.checked_query(request)
        me: Resource | None = getattr(self.user, "resource", None)
        if me is None:
            raise NotAPractitioner(
                Problem("not_a_practitioner", _("You have no diary here. Ask a manager to give you one."))
            )
        now = timezone.now()
        on_dates = {site: given.get("on") or roster.today(site, now) for site in self._readable_sites()}
        that_day = Q(pk__in=())
        for site, on in on_dates.items():
            that_day |= Q(site=site, on=on)
        takes_part = Exists(Occupancy.objects.standing().filter(appointment=OuterRef("pk"), resource=me))
        mine = _not_cancelled(self).filter(that_day).filter(Q(lead=me) | takes_part)
        found = shown.visits(mine, now)
        self.was_read("list", "scheduling.appointment", [visit.patient.uid for visit in found])
        days = [shown.site(site, now, on=on) for site, on in on_dates.items()]
        return Response(outputs.MyDayOutput({"practitioner": me, "days": days, "visits": found}).data)

    @extend_schema(
        summary="Sites where I work",
        tags=["days"],
        parameters=[inputs.UidPageInput],
        responses=outputs.page_of(outputs.SiteOutput),
    )
    def sites(self, request: Request) -> Response:
        now = timezone.now()
        return self.page(self.get_queryset(), outputs.SiteOutput, show=lambda row: shown.site(row, now))[1]

    @extend_schema(
        summary="All visits of a day at a site",
        tags=["days"],
        parameters=[inputs.DayInput],
        responses=outputs.SiteDayOutput,
    )
    def day(self, request: Request, **_uid: Any) -> Response:
        site: Site = self.get_object()
        given = inputs.DayInput.checked_query(request)
        now = timezone.now()
        on = given.get("on") or roster.today(site, now)
        found = shown.visits(_not_cancelled(self).filter(site=site, on=on), now)
        self.was_read("list", "scheduling.appointment", [visit.patient.uid for visit in found], site.uid)
        return Response(outputs.SiteDayOutput({"site": shown.site(site, now), "on": on, "visits": found}).data)

    @extend_schema(
        summary="What needs a person, the most pressing first", tags=["days"], responses=outputs.WorklistOutput
    )
    def worklist(self, request: Request) -> Response:
        inputs.Nothing.checked_query(request)
        found = shown.work(worklists.worklist(self._readable_sites(), now=timezone.now()))
        patients = {row["patient"].uid for kind in found for row in kind["rows"] if row["patient"]}
        self.was_read("list", "scheduling.session", patients)
        return Response(outputs.WorklistOutput({"results": found}).data)


def _not_cancelled(endpoint: Endpoint) -> QuerySet[Appointment]:
    return shown.appointments_visible_to(endpoint.user).exclude(state=AppointmentState.CANCELLED)


class SessionEndpoint(Endpoint):
    """Sessions of courses at the sites where the user works."""

    site_path = "course.site_id"
    rights: ClassVar = {
        "retrieve": "see_patients",
        "free_times": "plan",
        "book": "book",
        "perform": "perform",
        "outcome": "perform",
        "clear_review": "clear_review",
        "correct": "perform",
        "skip": "change_sessions",
        "late": "change_sessions",
        "to_ask": "book",
        "check_in": "book",
    }

    def get_queryset(self) -> QuerySet[Session]:
        if self.action == "free_times":
            return shown.sessions_to_plan(roles_of(self.request))
        return shown.sessions_visible_to(self.user)

    def _shown(self, session: Session, now: datetime) -> Any:
        fresh = self.get_queryset().get(pk=session.pk)
        (one,) = shown.sessions(fresh.course, now, only=session.uid)
        return one

    def _changed(self, session: Session, now: datetime) -> Any:
        proposal = shown.open_proposal(session.course)
        return outputs.SessionChanged({"session": self._shown(session, now), "proposal": proposal}).data

    def _act(self, act: Callable[[Session, datetime], Any]) -> Response:
        session: Session = self.get_object()
        now = timezone.now()

        def answer() -> Any:
            act(session, now)
            return self._changed(session, now)

        return self.do(answer, shows=_shows(session))

    @extend_schema(summary="A session", tags=["sessions"], responses=outputs.SessionOutput)
    def retrieve(self, request: Request, **_uid: Any) -> Response:
        session: Session = self.get_object()
        self.was_read("view", "scheduling.session", [session.course.patient.uid], session.uid)
        return Response(outputs.SessionOutput(self._shown(session, timezone.now())).data)

    @extend_schema(
        summary="Times at which the session may be booked",
        tags=["sessions"],
        parameters=[inputs.FreeTimesInput],
        responses=outputs.FreeTimesOutput,
    )
    def free_times(self, request: Request, **_uid: Any) -> Response:
        session: Session = self.get_object()
        given = inputs.FreeTimesInput.checked_query(request)
        now = timezone.now()
        site = session.course.site
        first_on = given.get("from") or roster.today(site, now)
        last_on = given.get("until") or first_on + timedelta(days=site.booking_horizon_days)
        if last_on < first_on:
            raise InvalidInput(Problem("ends_before_it_begins", _("The last day lies before the first."), "until"))
        free = visits.find_free(session, first_on=first_on, last_on=last_on, now=now, limit=given["limit"])
        self.was_read("view", "scheduling.session", [free.course.patient.id], session.uid)
        return Response(shown.free_times(session, free))

    @extend_schema(
        summary="Book one session: post a slot back",
        tags=["sessions"],
        request=inputs.BookSessionInput,
        responses={201: outputs.VisitBooked},
        parameters=[inputs.KEY_NEEDED],
    )
    def book(self, request: Request, **_uid: Any) -> Response:
        session: Session = self.get_object()
        given = inputs.BookSessionInput.checked(request.data)
        now = timezone.now()

        def answer() -> Any:
            (slot,) = booking.slots_from([slot_as_sent(given["slot"])], session.course)
            booked = visits.book(_the_slots(session, slot.session), slot, by=self.user, now=now)
            visit = shown.appointments_visible_to(self.user).get(pk=booked.pk)
            visit.proposal = shown.open_proposal(session.course)  # type: ignore[attr-defined]  # shown beside it
            return outputs.VisitBooked(visit).data

        return self.do(answer, status=201, key_needed=True, shows=_shows(session))

    @extend_schema(
        summary="Record that the session took place, with its outcome",
        tags=["sessions"],
        request=inputs.PerformInput,
        responses=outputs.SessionChanged,
    )
    def perform(self, request: Request, **_uid: Any) -> Response:
        given = inputs.PerformInput.checked(request.data)
        what = visits.Performed(
            performed_on=given["performed_on"],
            at_time=given["at"],
            outcome=_outcome(given) if given["outcome"] else None,
            treated_areas=None if given["areas"] is None else tuple(given["areas"]),
            minutes=given["minutes"],
            lead=named(Resource.objects.practitioners(), "lead", uid=given["lead"]) if given["lead"] else None,
        )
        return self._act(lambda session, now: visits.perform(session, what, by=self.user, now=now))

    @extend_schema(
        summary="Record the outcome of a performed session",
        tags=["sessions"],
        request=inputs.OutcomeInput,
        responses=outputs.SessionChanged,
    )
    def outcome(self, request: Request, **_uid: Any) -> Response:
        what = _outcome(inputs.OutcomeInput.checked(request.data))
        return self._act(lambda session, now: visits.record_outcome(session, what, by=self.user, now=now))

    @extend_schema(
        summary="Say, as a clinician, that the course may go on after a review",
        tags=["sessions"],
        request=inputs.NoteInput,
        responses=outputs.SessionChanged,
    )
    def clear_review(self, request: Request, **_uid: Any) -> Response:
        given = inputs.NoteInput.checked(request.data)

        def clear(session: Session, now: datetime) -> Any:
            reviewed: Outcome | None = getattr(session, "outcome", None)
            if reviewed is None:
                raise OutcomeMissing(
                    Problem("outcome_missing", _("Record the outcome of this session first."), str(session.uid))
                )
            return visits.clear_review(reviewed, note=given["note"], by=self.user, now=now)

        return self._act(clear)

    @extend_schema(
        summary="Correct when a performed session took place; history is judged anew",
        tags=["sessions"],
        request=inputs.CorrectInput,
        responses=outputs.SessionChanged,
    )
    def correct(self, request: Request, **_uid: Any) -> Response:
        given = inputs.CorrectInput.checked(request.data)
        return self._act(lambda session, now: visits.correct_performed(session, **given, by=self.user, now=now))

    @extend_schema(
        summary="Give up a session; its visit is cancelled with it",
        tags=["sessions"],
        request=inputs.SkipInput,
        responses=outputs.SessionChanged,
    )
    def skip(self, request: Request, **_uid: Any) -> Response:
        given = inputs.SkipInput.checked(request.data)
        return self._act(lambda session, now: sessions.skip_session(session, **given, by=self.user, now=now))

    @extend_schema(
        summary="Decide what is done with a session that comes late",
        tags=["sessions"],
        request=inputs.LateInput,
        responses=outputs.SessionChanged,
    )
    def late(self, request: Request, **_uid: Any) -> Response:
        given = inputs.LateInput.checked(request.data)
        return self._act(lambda session, now: sessions.act_on_lateness(session, **given, by=self.user, now=now))

    @extend_schema(
        summary="What is to be asked before this session, and what else keeps it from beginning",
        tags=["sessions"],
        responses=outputs.CheckInOutput,
    )
    def to_ask(self, request: Request, **_uid: Any) -> Response:
        session: Session = self.get_object()
        inputs.Nothing.checked_query(request)
        self.was_read("view", "scheduling.session", [session.course.patient.uid], session.uid)
        return Response(outputs.CheckInOutput(shown.check_in_form(session, timezone.now())).data)

    @extend_schema(
        summary="Record the answers given at the desk, and check the patient in if nothing stands in the way",
        description="The answers are recorded whether or not the visit may begin: look at `admitted`.",
        tags=["sessions"],
        request=inputs.CheckInInput,
        responses=outputs.CheckedInOutput,
    )
    def check_in(self, request: Request, **_uid: Any) -> Response:
        session: Session = self.get_object()
        given = inputs.CheckInInput.checked(request.data)
        visit = Appointment.objects.live().filter(session=session).select_related("session__course", "site").first()
        if visit is None:
            raise NothingBooked(
                Problem("nothing_booked", _("This session has no visit. Book it first."), str(session.uid))
            )

        def answer() -> Any:
            values = {one["question"]: one["value"] for one in given["answers"]}
            done = check_in.check_in(visit, values, visits_of_held=given["visits"], by=self.user, now=timezone.now())
            fresh = shown.appointments_visible_to(self.user).get(pk=visit.pk)
            return outputs.CheckedInOutput(
                {
                    "admitted": done.admitted,
                    "problems": done.problems,
                    "holds": done.holds,
                    "appointment": fresh,
                }
            ).data

        return self.do(answer, shows=_shows(session))


def _shows(session: Session) -> Shows:
    return Shows("scheduling.session", session.uid, session.course.patient.uid)


def _the_slots(session: Session, named_in_slot: Any) -> Session:
    """Return the session of the URL; the slot posted to it must be one of its own."""
    if named_in_slot != session.uid:
        raise InvalidInput(Problem("another_session", _("This time belongs to another session."), "slot.session"))
    return session


def _outcome(given: dict[str, Any]) -> visits.OutcomeInput:
    return visits.OutcomeInput(
        result=given["outcome"],
        complications=tuple(given["complications"]),
        product=given["product"],
        batch=given["batch"],
        amount=given["amount"],
        amount_unit=given["amount_unit"],
        notes=given["notes"],
        clearance=given["clearance"],
    )


class AppointmentEndpoint(Endpoint):
    """Visits at the sites where the user works."""

    site_path = "site_id"
    rights: ClassVar = {
        "retrieve": "see_patients",
        **dict.fromkeys(("confirm", "move", "cancel", "arrive", "miss"), "book"),
    }

    def get_queryset(self) -> QuerySet[Appointment]:
        return shown.appointments_visible_to(self.user)

    def _act(self, act: Callable[[Appointment, datetime], Any]) -> Response:
        appointment: Appointment = self.get_object()
        now = timezone.now()

        def answer() -> Any:
            act(appointment, now)
            fresh = self.get_queryset().get(pk=appointment.pk)
            proposal = shown.open_proposal(fresh.session.course)
            return outputs.VisitChanged({"appointment": fresh, "proposal": proposal}).data

        return self.do(answer, shows=Shows("scheduling.appointment", appointment.uid, appointment.patient.uid))

    @extend_schema(summary="A visit", tags=["appointments"], responses=outputs.VisitOutput)
    def retrieve(self, request: Request, **_uid: Any) -> Response:
        appointment: Appointment = self.get_object()
        self.was_read("view", "scheduling.appointment", [appointment.patient.uid], appointment.uid)
        return Response(outputs.VisitOutput(appointment).data)

    @extend_schema(
        summary="Note that the patient has confirmed the visit",
        tags=["appointments"],
        request=None,
        responses=outputs.VisitChanged,
    )
    def confirm(self, request: Request, **_uid: Any) -> Response:
        inputs.Nothing.checked(request.data)
        return self._act(lambda appointment, now: visits.confirm(appointment, by=self.user, now=now))

    @extend_schema(
        summary="Move a visit to another time",
        tags=["appointments"],
        request=inputs.MoveInput,
        responses=outputs.VisitChanged,
    )
    def move(self, request: Request, **_uid: Any) -> Response:
        given = inputs.MoveInput.checked(request.data)

        def move(appointment: Appointment, now: datetime) -> Any:
            (slot,) = booking.slots_from([slot_as_sent(given["slot"])], appointment.session.course)
            return visits.move(appointment, slot, reason=given["reason"], by=self.user, now=now)

        return self._act(move)

    @extend_schema(
        summary="Cancel a visit; its session waits to be booked again",
        tags=["appointments"],
        request=inputs.CancelInput,
        responses=outputs.VisitChanged,
    )
    def cancel(self, request: Request, **_uid: Any) -> Response:
        given = inputs.CancelInput.checked(request.data)
        return self._act(lambda appointment, now: visits.cancel(appointment, **given, by=self.user, now=now))

    @extend_schema(summary="Check the patient in", tags=["appointments"], request=None, responses=outputs.VisitChanged)
    def arrive(self, request: Request, **_uid: Any) -> Response:
        inputs.Nothing.checked(request.data)
        return self._act(lambda appointment, now: visits.arrive(appointment, by=self.user, now=now))

    @extend_schema(
        summary="Record that the patient did not come",
        tags=["appointments"],
        request=None,
        responses=outputs.VisitChanged,
    )
    def miss(self, request: Request, **_uid: Any) -> Response:
        inputs.Nothing.checked(request.data)
        return self._act(lambda appointment, now: visits.miss(appointment, by=self.user, now=now))
