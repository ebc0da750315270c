"""Plans for a whole course, with what they cost, and what was booked of one."""

from __future__ import annotations

from rest_framework import serializers

from .fields import Output, uid_of, words
from .protocols import StepOutput
from .visits import GateOutput, TimeOutput, VisitOutput, WindowOutput


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
