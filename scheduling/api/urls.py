"""Routes of the REST API. Every view names the right of each of its actions; a route without one lets nobody in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import path, re_path

from .courses import (
    AssessmentEndpoint,
    ConsentEndpoint,
    CourseEndpoint,
    HoldEndpoint,
    OverrideEndpoint,
    ProtocolEndpoint,
)
from .diary import AppointmentEndpoint, DayEndpoint, SessionEndpoint
from .people import AccountEndpoint, AnswerEndpoint, PatientEndpoint, SignInView, VocabularyEndpoint
from .proposals import ProposalEndpoint
from .schema import DocsView, NothingHereView, SchemaView
from .waiting import OfferEndpoint, WaitingListEndpoint, WaitingSessionEndpoint

View = Callable[..., HttpResponseBase]


def to(endpoint: Any, **actions: str) -> View:
    """Return the view of an endpoint that answers each method with an action."""
    view: View = endpoint.as_view(actions)
    return view


app_name = "api"
urlpatterns = [
    path("sign-in/", SignInView.as_view(), name="sign-in"),
    path("sign-out/", to(AccountEndpoint, post="sign_out"), name="sign-out"),
    path("me/", to(AccountEndpoint, get="me"), name="me"),
    path("my-day/", to(DayEndpoint, get="my_day"), name="my-day"),
    path("sites/", to(DayEndpoint, get="sites"), name="sites"),
    path("sites/<uuid:uid>/day/", to(DayEndpoint, get="day"), name="site-day"),
    path("patients/", to(PatientEndpoint, post="create"), name="patients"),
    path("patients/search/", to(PatientEndpoint, post="search"), name="patient-search"),
    path("patients/<uuid:uid>/", to(PatientEndpoint, get="retrieve", patch="partial_update"), name="patient"),
    path(
        "patients/<uuid:uid>/answers/",
        to(PatientEndpoint, get="answers", post="record_answer"),
        name="patient-answers",
    ),
    path("patients/<uuid:uid>/courses/", to(PatientEndpoint, get="courses"), name="patient-courses"),
    path("patients/<uuid:uid>/death/", to(PatientEndpoint, post="record_death"), name="patient-death"),
    path(
        "patients/<uuid:uid>/death/take-back/",
        to(PatientEndpoint, post="take_back_death"),
        name="patient-death-take-back",
    ),
    path("answers/<uuid:uid>/review/", to(AnswerEndpoint, post="review"), name="answer-review"),
    path("answers/<uuid:uid>/strike/", to(AnswerEndpoint, post="strike"), name="answer-strike"),
    path("questions/", to(VocabularyEndpoint, get="questions"), name="questions"),
    path("areas/", to(VocabularyEndpoint, get="areas"), name="areas"),
    path("complications/", to(VocabularyEndpoint, get="complications"), name="complications"),
    path("protocols/", to(ProtocolEndpoint, get="list"), name="protocols"),
    path("protocols/<uuid:uid>/", to(ProtocolEndpoint, get="retrieve"), name="protocol"),
    path("courses/", to(CourseEndpoint, post="create"), name="courses"),
    path("courses/<uuid:uid>/", to(CourseEndpoint, get="retrieve"), name="course"),
    path("courses/<uuid:uid>/plan/", to(CourseEndpoint, post="plan"), name="course-plan"),
    path("courses/<uuid:uid>/book/", to(CourseEndpoint, post="book"), name="course-book"),
    path("courses/<uuid:uid>/replan/", to(CourseEndpoint, post="replan"), name="course-replan"),
    path("courses/<uuid:uid>/wishes/", to(CourseEndpoint, post="wishes"), name="course-wishes"),
    path("courses/<uuid:uid>/assessments/", to(CourseEndpoint, post="assessments"), name="course-assessments"),
    path("courses/<uuid:uid>/consents/", to(CourseEndpoint, post="consents"), name="course-consents"),
    path("courses/<uuid:uid>/events/", to(CourseEndpoint, post="events"), name="course-events"),
    path("courses/<uuid:uid>/holds/", to(CourseEndpoint, post="holds"), name="course-holds"),
    path("courses/<uuid:uid>/overrides/", to(CourseEndpoint, post="overrides"), name="course-overrides"),
    path("courses/<uuid:uid>/sessions/", to(CourseEndpoint, post="add_session"), name="course-sessions"),
    path("courses/<uuid:uid>/planned-areas/", to(CourseEndpoint, post="plan_areas"), name="course-planned-areas"),
    path("courses/<uuid:uid>/preview-version/", to(CourseEndpoint, post="preview_version"), name="course-preview"),
    path("courses/<uuid:uid>/move-version/", to(CourseEndpoint, post="move_version"), name="course-move-version"),
    path("courses/<uuid:uid>/end/", to(CourseEndpoint, post="end"), name="course-end"),
    path("assessments/<uuid:uid>/strike/", to(AssessmentEndpoint, post="strike"), name="assessment-strike"),
    path("consents/<uuid:uid>/sign/", to(ConsentEndpoint, post="sign"), name="consent-sign"),
    path("consents/<uuid:uid>/withdraw/", to(ConsentEndpoint, post="withdraw"), name="consent-withdraw"),
    path("holds/<uuid:uid>/lift/", to(HoldEndpoint, post="lift"), name="hold-lift"),
    path("holds/<uuid:uid>/free-visits/", to(HoldEndpoint, post="free_visits"), name="hold-free-visits"),
    path("overrides/", to(OverrideEndpoint, get="list"), name="overrides"),
    path("overrides/<uuid:uid>/revoke/", to(OverrideEndpoint, post="revoke"), name="override-revoke"),
    path("sessions/<uuid:uid>/", to(SessionEndpoint, get="retrieve"), name="session"),
    path("sessions/<uuid:uid>/free-times/", to(SessionEndpoint, get="free_times"), name="session-free-times"),
    path("sessions/<uuid:uid>/book/", to(SessionEndpoint, post="book"), name="session-book"),
    path(
        "sessions/<uuid:uid>/check-in/",
        to(SessionEndpoint, get="to_ask", post="check_in"),
        name="session-check-in",
    ),
    path("sessions/<uuid:uid>/perform/", to(SessionEndpoint, post="perform"), name="session-perform"),
    path("sessions/<uuid:uid>/outcome/", to(SessionEndpoint, post="outcome"), name="session-outcome"),
    path("sessions/<uuid:uid>/clear-review/", to(SessionEndpoint, post="clear_review"), name="session-clear-review"),
    path("sessions/<uuid:uid>/correct/", to(SessionEndpoint, post="correct"), name="session-correct"),
    path("sessions/<uuid:uid>/skip/", to(SessionEndpoint, post="skip"), name="session-skip"),
    path("sessions/<uuid:uid>/late/", to(SessionEndpoint, post="late"), name="session-late"),
    path("sessions/<uuid:uid>/wait/", to(WaitingSessionEndpoint, post="wait"), name="session-wait"),
    path(
        "sessions/<uuid:uid>/stop-waiting/",
        to(WaitingSessionEndpoint, post="stop_waiting"),
        name="session-stop-waiting",
    ),
    path("sites/<uuid:uid>/waiting-list/", to(WaitingListEndpoint, get="entries"), name="site-waiting-list"),
    path("offers/<uuid:uid>/", to(OfferEndpoint, get="retrieve"), name="offer"),
    path("offers/<uuid:uid>/accept/", to(OfferEndpoint, post="accept"), name="offer-accept"),
    path("offers/<uuid:uid>/decline/", to(OfferEndpoint, post="decline"), name="offer-decline"),
    path("appointments/<uuid:uid>/", to(AppointmentEndpoint, get="retrieve"), name="appointment"),
    path("appointments/<uuid:uid>/confirm/", to(AppointmentEndpoint, post="confirm"), name="appointment-confirm"),
    path("appointments/<uuid:uid>/move/", to(AppointmentEndpoint, post="move"), name="appointment-move"),
    path("appointments/<uuid:uid>/cancel/", to(AppointmentEndpoint, post="cancel"), name="appointment-cancel"),
    path("appointments/<uuid:uid>/arrive/", to(AppointmentEndpoint, post="arrive"), name="appointment-arrive"),
    path("appointments/<uuid:uid>/miss/", to(AppointmentEndpoint, post="miss"), name="appointment-miss"),
    path("proposals/", to(ProposalEndpoint, get="list"), name="proposals"),
    path("proposals/<uuid:uid>/", to(ProposalEndpoint, get="retrieve"), name="proposal"),
    path("proposals/<uuid:uid>/apply/", to(ProposalEndpoint, post="apply"), name="proposal-apply"),
    path("proposals/<uuid:uid>/stop/", to(ProposalEndpoint, post="stop"), name="proposal-stop"),
    path("proposals/<uuid:uid>/again/", to(ProposalEndpoint, post="again"), name="proposal-again"),
    path("proposals/<uuid:uid>/discard/", to(ProposalEndpoint, post="discard"), name="proposal-discard"),
    path("worklist/", to(DayEndpoint, get="worklist"), name="worklist"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocsView.as_view(), name="docs"),
    re_path(r"", NothingHereView.as_view(), name="nothing"),
]
