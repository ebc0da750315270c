"""Protocol versions, whole and in brief."""

from __future__ import annotations

from rest_framework import serializers

from scheduling.models import Step

from .fields import Codes, Output, maybe_day, uid_of, words


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
