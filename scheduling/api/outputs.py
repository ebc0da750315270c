"""What clients are shown: the shapes of the answers, stable and in the schema. Objects are named by uid.

Shapes read rows, or the small values that `shown.py` makes of rows and the planner's answers.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from patients.models import MailState
from scheduling.models import AppointmentState, Assessment, CourseState, Outcome, SessionState, Step
from scheduling.models.proposals import ProposalState
from scheduling.planner import facts

from .inputs import Clock

Field = serializers.Field[Any, Any, Any, Any]


class Output(serializers.Serializer[Any]):
    """An answer's shape."""


def uid_of(**kwargs: Any) -> serializers.UUIDField:
    return serializers.UUIDField(**kwargs)


def words(**kwargs: Any) -> serializers.CharField:
    return serializers.CharField(**kwargs)


def day(**kwargs: Any) -> serializers.DateField:
    return serializers.DateField(**kwargs)


def maybe_day(**kwargs: Any) -> serializers.DateField:
    return serializers.DateField(allow_null=True, **kwargs)


def clock(**kwargs: Any) -> Clock:
    return Clock(**kwargs)


def moment(**kwargs: Any) -> serializers.DateTimeField:
    """A UTC instant."""
    return serializers.DateTimeField(**kwargs)


def maybe_moment(**kwargs: Any) -> serializers.DateTimeField:
    return serializers.DateTimeField(allow_null=True, **kwargs)


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class Codes(serializers.Field[Any, Any, Any, Any]):
    """Rows of a vocabulary, by their codes."""

    def __init__(self, *, called: str = "code", **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)
        self.called = called

    def to_representation(self, value: Any) -> list[str]:
        return [getattr(row, self.called) for row in value.all()]


# --- who and where ----------------------------------------------------------------------------------------------------


class Named(Output):
    uid = uid_of()
    name = words()


class SiteOutput(Named):
    zone = words(help_text="IANA name")
    country = words()
    today = day(help_text="the date there now")


class RolesAtSite(Output):
    site = Named()
    roles = serializers.ListField(child=words())


class MeOutput(Output):
    uid = uid_of()
    name = words()
    email = words()
    roles = RolesAtSite(many=True)
    resource = Named(allow_null=True, help_text="the practitioner who signs in as this user")


class SignInOutput(Output):
    token = words(help_text="send it as “Authorization: Token …”; it is shown once")
    expires_at = moment()
    user = MeOutput()


class CodeOutput(Output):
    code = words()
    name = words()


class AreaOutput(CodeOutput):
    side = words()
    region = words()


class ComplicationOutput(CodeOutput):
    is_expected = serializers.BooleanField()


class QuestionOutput(Output):
    code = words()
    text = words()
    texts = serializers.DictField(child=words(), help_text="by language")
    choices = serializers.ListField(child=words())


# --- patients -------------------------------------------------------------------------------------------------------


class PatientBrief(Named):
    born_on = maybe_day()


class PhoneOutput(Output):
    number = words(help_text="E.164")
    label = words()  # type: ignore[assignment]  # a field's attribute of that name is none of ours
    is_preferred = serializers.BooleanField()


class IdentifierOutput(Output):
    system = words()
    value = words()


class GuardianOutput(Output):
    name = words()
    relationship = words()
    email = words()
    phone = words()
    from_on = maybe_day()
    until_on = maybe_day()


class PatientOutput(PatientBrief):
    given_name = words()
    family_name = words()
    site = uid_of(source="site.uid", default=None, allow_null=True, help_text="the usual one")
    language = words()
    email = words()
    mail_state = serializers.ChoiceField(MailState.choices)
    mail_consent_at = maybe_moment()
    mail_opted_out_at = maybe_moment()
    interpreter_language = words()
    access_needs = words()
    identifiers = IdentifierOutput(many=True)
    phones = PhoneOutput(many=True)
    guardians = GuardianOutput(many=True)
    deceased_on = maybe_day()
    merged_into = uid_of(source="merged_into.uid", default=None, allow_null=True)
    registered_at = moment()


class AnswerOutput(Output):
    uid = uid_of()
    question = words(source="question.code")
    value = words()
    given_on = day()
    note = words()
    source = words()  # type: ignore[assignment]  # a field's attribute of that name is none of ours
    recorded_at = moment()
    reviewed_at = maybe_moment()
    error_at = maybe_moment()


class FoundPatients(Output):
    results = PatientBrief(many=True)
    has_more = serializers.BooleanField(help_text="true: there are more than were asked for; type more of the name")


# --- protocols ------------------------------------------------------------------------------------------------------


class StepOutput(Output):
    key = words()
    name = words()
    kind = serializers.ChoiceField(Step.Kind.choices)


class ProtocolOutput(Output):
    uid = uid_of(help_text="of this version")
    key = words(source="protocol.key")
    name = words(source="protocol.name")
    number = serializers.IntegerField(help_text="of the version")


class NeedOutput(Output):
    role = words()
    capability = words(source="capability.code")


class PhaseOutput(Output):
    name = words()
    minutes = serializers.IntegerField()
    before_minutes = serializers.IntegerField()
    after_minutes = serializers.IntegerField()
    needs = NeedOutput(many=True)


class SpacingOutput(Output):
    reference = words()
    reference_key = words()
    floor = words()
    minimum = words()
    target = words()
    tolerance_days = serializers.IntegerField()
    overdue = words()
    lapse = words()
    areas = Codes()


class ProtocolStepOutput(StepOutput):
    sessions = serializers.IntegerField()
    max_sessions = serializers.IntegerField(allow_null=True)
    lead_role = words()
    planned_with_course = serializers.BooleanField()
    phases = PhaseOutput(many=True)
    spacings = SpacingOutput(many=True)
    gates = Codes(called="name")


class RiskOutput(Output):
    question = words(source="question.code")
    text = words(source="question.text")
    severity = words()
    valid_days = serializers.IntegerField()
    refused_answers = serializers.ListField(child=words())


class ConsentTextOutput(Output):
    language = words()
    number = serializers.IntegerField()
    body = words()
    valid_from = maybe_day()


class WholeProtocolOutput(ProtocolOutput):
    product = words()
    jurisdiction = words()
    effective_from = maybe_day()
    effective_to = maybe_day()
    areas = Codes()
    consent_at = words()
    steps = ProtocolStepOutput(many=True)
    risks = RiskOutput(source="risk_rules", many=True)
    consent_texts = ConsentTextOutput(source="protocol.consent_texts", many=True)


# --- windows, gates, slots, visits ------------------------------------------------------------------------------------

LOINC = {"30981-5": "earliest", "30980-7": "due", "59778-1": "overdue", "59777-3": "latest"}


@extend_schema_field(
    {
        "type": "object",
        "properties": {
            code: {"type": ["string", "null"], "format": "date", "description": name} for code, name in LOINC.items()
        },
        "required": list(LOINC),
    }
)
class LoincDates(serializers.Field[Any, Any, Any, Any]):
    """The four dates as CDSi publishes them: its overdue and latest are the day before ours."""

    def to_representation(self, value: facts.Window) -> dict[str, str | None]:
        def iso(on: date | None, days: int = 0) -> str | None:
            return (on - timedelta(days=days)).isoformat() if on else None

        return {
            "30981-5": iso(value.earliest_on),
            "30980-7": iso(value.target_on),
            "59778-1": iso(value.overdue_on, 1),
            "59777-3": iso(value.lapse_on, 1),
        }


class WindowOutput(Output):
    floor_on = maybe_day()
    earliest_on = maybe_day()
    target_on = maybe_day()
    overdue_on = maybe_day(help_text="the first day that is late")
    lapse_on = maybe_day(help_text="the first day that is too late")
    tolerance_days = serializers.IntegerField()
    is_provisional = serializers.BooleanField(source="provisional", help_text="counted from a visit still to come")
    loinc = LoincDates(source="*")


class GateOutput(Output):
    code = words()
    state = serializers.ChoiceField(["closed", "pending"])
    subject = words()
    message = words(help_text="a sentence that can be read out")
    opens_on = maybe_day()
    changes_on = serializers.ListField(child=day())
    override = words(allow_null=True, help_text="the role that may override it; null: nobody")


class UseOutput(Output):
    phase = serializers.IntegerField()
    role = words()
    resource = uid_of()
    place = serializers.IntegerField()


class SlotOutput(Output):
    """A time for a session, to be posted back as it is."""

    session = uid_of()
    on = words(help_text="local date at the site")
    at = words(help_text="local time at the site, HH:MM")
    fold = serializers.IntegerField(help_text="1: the second time the clock shows this, when it is set back")
    lead = uid_of()
    uses = UseOutput(many=True)


class TimeOutput(Output):
    slot = SlotOutput()
    zone = words()
    starts_at = moment()
    ends_at = moment()
    lead = Named()


class VisitOutput(Output):
    """An appointment: local time with its zone, and the instants in UTC."""

    uid = uid_of()
    session = uid_of(source="session.uid")
    course = uid_of(source="session.course.uid")
    state = serializers.ChoiceField(AppointmentState.choices)
    on = day()
    at = clock(source="at_time")
    fold = serializers.IntegerField()
    zone = words()
    starts_at = moment(source="during.lower")
    ends_at = moment(source="during.upper")
    minutes = serializers.IntegerField()
    site = Named()
    lead = Named()
    revision = serializers.IntegerField()
    arrived_at = maybe_moment()
    confirmed_at = maybe_moment()
    cancelled_at = maybe_moment()
    cancel_reason = words()
    cancel_asked_by = words()
    note = words()


class VisitStepOutput(StepOutput):
    position = serializers.IntegerField(help_text="of the session in its course")


class DayVisitOutput(VisitOutput):
    patient = PatientBrief()
    protocol = words()
    step = VisitStepOutput()
    areas = serializers.ListField(child=words(), help_text="planned")
    gates = GateOutput(many=True, help_text="what is not open for check-in; empty when the visit is over")


class SiteDayOutput(Output):
    site = SiteOutput()
    on = day()
    visits = DayVisitOutput(many=True)


class SiteOnDate(SiteOutput):
    on = day()


class MyDayOutput(Output):
    practitioner = Named()
    days = SiteOnDate(many=True, help_text="the date that was looked at, at each site")
    visits = DayVisitOutput(many=True)


# --- courses --------------------------------------------------------------------------------------------------------


class OutcomeOutput(Output):
    outcome = serializers.ChoiceField(Outcome.Result.choices, source="result")
    complications = Codes()
    product = words()
    batch = words()
    amount = serializers.DecimalField(max_digits=8, decimal_places=3, allow_null=True)
    amount_unit = words()
    notes = words()
    recorded_at = moment()
    cleared_at = maybe_moment()
    cleared_note = words()


class SessionOutput(Output):
    uid = uid_of()
    course = uid_of(source="course.uid")
    position = serializers.IntegerField()
    step = StepOutput()
    state = serializers.ChoiceField(SessionState.choices)
    state_reason = words()
    counts = serializers.BooleanField()
    counts_reason = words()
    planned_areas = Codes()
    treated_areas = Codes()
    performed_on = maybe_day()
    performed_at = maybe_moment()
    performed_minutes = serializers.IntegerField(allow_null=True)
    window = WindowOutput()
    gates_on = maybe_day(help_text="the date for which the gates were asked; null: the session is not open")
    gates = GateOutput(many=True, help_text="what is not open")
    appointment = VisitOutput(allow_null=True, help_text="the live one")
    former_appointments = VisitOutput(many=True, help_text="performed, missed or cancelled")
    outcome = OutcomeOutput(allow_null=True)


class WishesOutput(Output):
    weekdays = serializers.ListField(child=serializers.IntegerField(), source="wish_weekdays")
    from_time = clock(source="wish_from_time", allow_null=True)
    until_time = clock(source="wish_until_time", allow_null=True)
    practitioner = uid_of(source="wish_practitioner.uid", default=None, allow_null=True)
    avoid_dates = serializers.ListField(child=day(), source="wish_avoid_dates")
    language = words(source="wish_language")
    strict = serializers.BooleanField(source="wish_is_strict")


class EventOutput(Output):
    key = words()
    happened_on = day()
    note = words()


class AssessmentOutput(Output):
    uid = uid_of()
    assessed_on = day()
    assessed_by = Named()
    is_suitable = serializers.BooleanField()
    reflux = serializers.ChoiceField(Assessment.Reflux.choices)
    reflux_treated_on = maybe_day()
    reflux_clear_on = maybe_day()
    expires_on = maybe_day()
    risks_explained = serializers.BooleanField()
    expectations_discussed = serializers.BooleanField()
    notes = words()
    error_at = maybe_moment()


class ConsentOutput(Output):
    uid = uid_of()
    session = uid_of(source="session.uid", default=None, allow_null=True)
    language = words(source="text.language")
    number = serializers.IntegerField(source="text.number")
    informed_on = day()
    signed_on = maybe_day()
    expires_on = maybe_day()
    withdrawn_on = maybe_day()
    sought_by = Named()


class HoldOutput(Output):
    uid = uid_of()
    course = uid_of(source="course.uid")
    code = words()
    reason = words()
    lifted_by_role = words(help_text="the role that may lift it")
    placed_at = moment()
    lifted_at = maybe_moment()
    lift_reason = words()


class OverrideOutput(Output):
    uid = uid_of()
    session = uid_of(source="session.uid", default=None, allow_null=True)
    rule = words()
    subject = words()
    reason = words()
    expires_on = day()
    given_at = moment()
    given_by = Named()
    revoked_at = maybe_moment()


class MoveTimeOutput(Output):
    on = words()
    at = words()
    lead = uid_of()


class WhyOutput(Output):
    code = words()
    message = words()


class MoveOutput(Output):
    session = uid_of(source="session.uid")
    appointment = uid_of(source="appointment.uid", default=None, allow_null=True)
    to = MoveTimeOutput(source="to_slot", allow_null=True, help_text="null: there is no time for it; see why")
    why = WhyOutput(many=True)
    cost = serializers.IntegerField()
    applied_at = maybe_moment()

    def get_fields(self) -> dict[str, Field]:
        # `from` is a word of Python's
        was = MoveTimeOutput(source="from_slot", allow_null=True, help_text="null: it had no time")
        return {"from": was, **super().get_fields()}


class ProposalOutput(Output):
    uid = uid_of()
    course = uid_of(source="course.uid", default=None, allow_null=True)
    site = Named()
    reason = words()
    state = serializers.ChoiceField(ProposalState.choices)
    cost = serializers.IntegerField()
    made_at = moment()
    decided_at = maybe_moment()
    moves = MoveOutput(many=True)


class CourseBrief(Output):
    uid = uid_of()
    state = serializers.ChoiceField(CourseState.choices)
    protocol = ProtocolOutput(source="version")
    site = Named()
    lead = Named(allow_null=True)
    started_on = day()
    ended_at = maybe_moment()
    end_reason = words()


class CourseOutput(CourseBrief):
    patient = PatientBrief()
    areas = Codes()
    revision = serializers.IntegerField()
    wishes = WishesOutput(source="*")
    events = EventOutput(many=True)
    is_held = serializers.BooleanField()
    holds = HoldOutput(many=True)
    assessments = AssessmentOutput(many=True, help_text="of the patient for this protocol; the newest counts")
    consents = ConsentOutput(many=True)
    overrides = OverrideOutput(many=True)
    sessions = SessionOutput(many=True)
    proposal = ProposalOutput(allow_null=True, help_text="the open one")


class CostOutput(Output):
    spacing = serializers.IntegerField()
    lateness = serializers.IntegerField()
    continuity = serializers.IntegerField()
    wishes = serializers.IntegerField()
    holes = serializers.IntegerField()
    moves = serializers.IntegerField()
    total = serializers.IntegerField()


class PlannedSessionOutput(TimeOutput):
    position = serializers.IntegerField()
    step = StepOutput()
    is_booked = serializers.BooleanField(help_text="true: booked already and left where it is; do not post it")
    window = WindowOutput()
    cost = CostOutput()
    gates = GateOutput(many=True)


class AlternativeOutput(Output):
    kind = words(help_text="closest_to_target, soonest, same_practitioner")
    is_proven = serializers.BooleanField(help_text="no plan that breaks no rule costs less")
    cost = CostOutput()
    sessions = PlannedSessionOutput(many=True)


class PlanOutput(Output):
    course = uid_of()
    alternatives = AlternativeOutput(many=True)


class BookedOutput(Output):
    appointments = VisitOutput(many=True)


class FreeTimesOutput(Output):
    session = uid_of()
    window = WindowOutput()
    results = TimeOutput(many=True)


# --- what stands by itself --------------------------------------------------------------------------------------------


class VisitChanged(Output):
    """A visit after something happened to it."""

    appointment = VisitOutput()
    proposal = ProposalOutput(allow_null=True, help_text="booked visits of the course that should move because of it")


class SessionChanged(Output):
    session = SessionOutput()
    proposal = ProposalOutput(allow_null=True, help_text="booked visits of the course that should move because of it")


class HoldLifted(Output):
    hold = HoldOutput()
    proposal = ProposalOutput(allow_null=True, help_text="booked visits that should move because of the wait")


class ProposalApplied(Output):
    proposal = ProposalOutput()
    appointments = VisitOutput(many=True)


class WorkOutput(Output):
    """Something that needs a person: look it up by its type and uid."""

    type = words(help_text="session, appointment, course, proposal, follow_up_task, message")
    uid = uid_of()
    course = uid_of(allow_null=True)
    patient = PatientBrief(allow_null=True)
    on = maybe_day(help_text="the date that it is about: overdue since, due, of the visit, performed")


class WorkKindOutput(Output):
    kind = words(help_text="a stable code, such as overdue or reviews")
    title = words()
    about = words()
    count = serializers.IntegerField(help_text="how many there are; the first 25 are shown")
    rows = WorkOutput(many=True)


class WorklistOutput(Output):
    results = WorkKindOutput(many=True)


@cache
def page_of(shape: type[Output]) -> type[Output]:
    """Return the shape of a page of a list."""
    following = words(allow_null=True, help_text="where the page after this one begins; null: nowhere")
    return type(
        f"PageOf{shape.__name__.removesuffix('Output')}", (Output,), {"results": shape(many=True), "next": following}
    )


class ProblemItem(Output):
    code = words()
    message = words()
    where = words(help_text="path of the field, or the uid of the session")


class ProblemOutput(Output):
    """RFC 9457 problem details."""

    type = words()
    title = words()
    status = serializers.IntegerField()
    code = words()
    detail = words()
    violations = ProblemItem(many=True)
