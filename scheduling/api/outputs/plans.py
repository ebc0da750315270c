"""Plans for a whole course, with what they cost, and what was booked of one."""

from __future__ import annotations

from rest_framework import serializers

from .fields import Output, day, uid_of, words
from .proposals import ProposalOutput
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


class NotOnOutput(Output):
    """A date that would itself be better, and why it is not taken."""

    on = day()
    code = words(help_text="a rule that leaves no time on it; dearer, as_good, others_stuck or not_tried")
    message = words()
    costs_more = CostOutput(allow_null=True, help_text="dearer: the whole plan, with the session on that date")
    session = serializers.UUIDField(allow_null=True, help_text="others_stuck: which session has no time then")


class DifferenceOutput(Output):
    """How a plan differs from the first one; less or sooner is negative."""

    starts_days = serializers.IntegerField()
    ends_days = serializers.IntegerField()
    changes = serializers.IntegerField(help_text="of practitioner")
    wishes_missed = serializers.IntegerField()
    cost = serializers.IntegerField()
    moved = serializers.IntegerField(help_text="sessions on another date")
    other_leads = serializers.IntegerField(help_text="sessions with another practitioner")
    messages = serializers.ListField(child=words())


class PlannedSessionOutput(TimeOutput):
    position = serializers.IntegerField()
    step = StepOutput()
    is_booked = serializers.BooleanField(help_text="true: booked already and left where it is; do not post it")
    window = WindowOutput()
    cost = CostOutput()
    gates = GateOutput(many=True)
    not_on = NotOnOutput(many=True, help_text="of the first plan; empty on the best date")


class AlternativeOutput(Output):
    kind = words(
        help_text="closest_to_target, soonest, same_practitioner, wishes_first, other_weekdays, other_practitioner"
    )
    is_proven = serializers.BooleanField(help_text="no plan of its kind that breaks no rule costs less")
    differs = DifferenceOutput(allow_null=True, help_text="null for the first")
    cost = CostOutput()
    sessions = PlannedSessionOutput(many=True)


class PlanOutput(Output):
    course = uid_of()
    alternatives = AlternativeOutput(many=True)


class BookedOutput(Output):
    appointments = VisitOutput(many=True)
    proposal = ProposalOutput(allow_null=True, help_text="visits booked before that should move because of these")
