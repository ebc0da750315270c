"""Courses: their sessions, and all that was wished, assessed, agreed, held and overridden."""

from __future__ import annotations

from rest_framework import serializers

from scheduling.models import Assessment, CourseState, LateBand, Outcome, SessionState
from scheduling.planner.evaluation import Verdict

from .fields import Codes, Named, Output, clock, day, maybe_day, maybe_moment, moment, uid_of, words
from .people import PatientBrief
from .problems import ProblemItem
from .proposals import ProposalOutput
from .protocols import ProtocolOutput, StepOutput
from .visits import GateOutput, VisitOutput, WindowOutput
from .waiting import WaitingOutput


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


class LateOutput(Output):
    """The late band in which a date lies."""

    action = serializers.ChoiceField(LateBand.Action.choices, help_text="what the protocol then says")
    note = words()
    first_on = day(help_text="of the band")
    last_on = maybe_day(help_text="null: it has no end")


class DecidingSpacing(Output):
    reference = words()
    reference_key = words()
    floor = words(allow_null=True)
    minimum = words(allow_null=True)
    overdue = words(allow_null=True)
    lapse = words(allow_null=True)


class EvaluationOutput(Output):
    """What a performed session is worth, and the dates that decided it."""

    verdict = serializers.ChoiceField([(verdict.value, verdict.value) for verdict in Verdict])
    code = words(help_text="stable")
    message = words(help_text="a sentence that can be read out")
    spacing = DecidingSpacing(allow_null=True, help_text="the one that decided")
    reference_on = maybe_day(help_text="what it is counted from")
    floor_on = maybe_day(help_text="before it, it does not count")
    minimum_on = maybe_day(help_text="before it, it came within the days of grace")
    overdue_on = maybe_day(help_text="the first day that is late")
    lapse_on = maybe_day(help_text="the first day that is too late")
    band = LateOutput(allow_null=True)


class SessionOutput(Output):
    uid = uid_of()
    course = uid_of(source="course.uid")
    position = serializers.IntegerField()
    step = StepOutput()
    state = serializers.ChoiceField(SessionState.choices)
    state_reason = words()
    counts = serializers.BooleanField()
    counts_reason = words(help_text="too_soon, restarted")
    planned_areas = Codes()
    treated_areas = Codes()
    performed_on = maybe_day()
    performed_at = maybe_moment()
    performed_minutes = serializers.IntegerField(allow_null=True)
    window = WindowOutput()
    evaluation = EvaluationOutput(allow_null=True, help_text="of a performed session")
    late = LateOutput(allow_null=True, help_text="the late band on gates_on")
    late_action = serializers.ChoiceField(
        LateBand.Action.choices, allow_blank=True, help_text="what a clinician decided for a session that comes late"
    )
    gates_on = maybe_day(help_text="the date for which the gates were asked; null: the session is not open")
    gates = GateOutput(many=True, help_text="what is not open")
    appointment = VisitOutput(allow_null=True, help_text="the live one")
    former_appointments = VisitOutput(many=True, help_text="performed, missed or cancelled")
    outcome = OutcomeOutput(allow_null=True)
    waiting = WaitingOutput(allow_null=True, help_text="on the waiting list for an earlier time")


class SessionChanged(Output):
    session = SessionOutput()
    proposal = ProposalOutput(allow_null=True, help_text="booked visits of the course that should move because of it")


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
    error_reason = words()


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
    given_by_guardian = Named(allow_null=True, help_text="null: by the patient")


class HoldOutput(Output):
    uid = uid_of()
    course = uid_of(source="course.uid")
    code = words()
    reason = words()
    lifted_by_role = words(help_text="the role that may lift it")
    placed_at = moment()
    lifted_at = maybe_moment()
    lift_reason = words()
    is_settled = serializers.BooleanField(
        default=False, help_text="true: what placed it is no longer so; a person looks, and lifts it"
    )


class HoldLifted(Output):
    hold = HoldOutput()
    proposal = ProposalOutput(
        allow_null=True, help_text="times for what is not booked, and for visits that should move because of the wait"
    )


class LastAnswerOutput(Output):
    value = words()
    given_on = day()


class QuestionDueOutput(Output):
    question = words(source="code")
    text = words(help_text="in the language of the site")
    choices = serializers.ListField(child=words())
    why = words(help_text="answer_missing, answer_expired, answer_due_again, answer_before_last_session")
    last = LastAnswerOutput(allow_null=True)
    holds_if = serializers.ListField(child=words(), help_text="answers that put the course on hold at once")
    decided_by = words(help_text="the role that decides about that hold")


class CheckInOutput(Output):
    """What is to be asked before a session on its day."""

    session = uid_of()
    appointment = uid_of(allow_null=True, help_text="the live one")
    on = day(help_text="the date for which it was asked")
    questions = QuestionDueOutput(many=True)
    gates = GateOutput(many=True, help_text="what else keeps the visit from beginning")


class CheckedInOutput(Output):
    """What became of it; the answers are recorded either way."""

    admitted = serializers.BooleanField()
    problems = ProblemItem(many=True, help_text="why the visit does not begin; empty when it does")
    holds = HoldOutput(many=True, help_text="those that stand now")
    appointment = VisitOutput()


class VisitsFreed(Output):
    hold = HoldOutput()
    appointments = VisitOutput(many=True, help_text="cancelled; their sessions wait to be planned again")


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
    revoked_by = Named(allow_null=True)
    revoke_reason = words()


class OverrideRow(OverrideOutput):
    """An override in the report."""

    state = words(help_text="valid, expired or revoked")
    course = uid_of(source="course.uid")
    patient = uid_of(source="course.patient.uid")
    site = Named(source="course.site")


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
