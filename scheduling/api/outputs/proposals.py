"""Proposals: which visits should move, where to, and why."""

from __future__ import annotations

from rest_framework import serializers

from scheduling.models.proposals import ProposalState

from .fields import Field, Named, Output, maybe_moment, moment, uid_of, words
from .visits import VisitOutput


class MoveTimeOutput(Output):
    on = words()
    at = words()
    lead = uid_of()


class WhyOutput(Output):
    code = words()
    message = words()
    where = uid_of(help_text="the session it lies with: as a rule the move's own")
    relaxations = serializers.ListField(
        child=serializers.JSONField(), default=list, help_text="where the course got stuck: as in 409 no_plan"
    )


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
    bound = serializers.IntegerField(allow_null=True, help_text="no answer costs less; null: not known yet")
    gap_percent = serializers.FloatField(
        allow_null=True, help_text="by how much the best possible may be better, at the most"
    )
    progress = serializers.IntegerField(help_text="per cent, while it is being worked out (`making`)")
    stage = words(help_text="what is being done while it is worked out")
    stop_asked_at = maybe_moment(help_text="since when it is asked to end with the best found so far")
    overtaken_by = uid_of(source="overtaken_by.uid", default=None, allow_null=True)
    made_at = moment()
    decided_at = maybe_moment()
    moves = MoveOutput(many=True)


class ProposalApplied(Output):
    proposal = ProposalOutput()
    appointments = VisitOutput(many=True)


class Replanned(Output):
    """What was found for a whole course."""

    proposal = ProposalOutput(allow_null=True, help_text="null: nothing is better, all visits may stay")


class VisitBooked(VisitOutput):
    """A visit that was booked."""

    proposal = ProposalOutput(allow_null=True, help_text="other visits of the course that should move because of it")


class VisitChanged(Output):
    """A visit after something happened to it."""

    appointment = VisitOutput()
    proposal = ProposalOutput(allow_null=True, help_text="booked visits of the course that should move because of it")
