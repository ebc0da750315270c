"""What moving a course to another version of its protocol would change."""

from __future__ import annotations

from rest_framework import serializers

from scheduling.models import SessionState
from scheduling.versions import Fate

from .fields import Output, maybe_day, moment, uid_of, words
from .visits import GateOutput, WindowOutput


class BrokenOutput(Output):
    code = words()
    message = words(help_text="a sentence that can be read out")


class SessionDifferenceOutput(Output):
    session = uid_of(allow_null=True, help_text="null: it would be added")
    position = serializers.IntegerField(help_text="that it would have")
    step = words()
    name = words()
    fate = serializers.ChoiceField([(fate.value, fate.value) for fate in Fate])
    state = serializers.ChoiceField(SessionState.choices)
    is_different = serializers.BooleanField()
    old_window = WindowOutput(allow_null=True, source="old", help_text="null: not open")
    new_window = WindowOutput(allow_null=True, source="new")
    gates_on = maybe_day(source="asked_on", help_text="the date for which the gates were asked")
    closing = GateOutput(many=True, help_text="what would not be open any more")
    opening = GateOutput(many=True, help_text="what would be open then")
    visit_on = maybe_day(help_text="the day of its visit")
    broken = BrokenOutput(many=True, help_text="why its visit could not stay: a proposal would move it")


class MessageDifferenceOutput(Output):
    kind = words()
    days = serializers.IntegerField(help_text="before the visit")
    position = serializers.IntegerField(allow_null=True, help_text="of the session, as it is now")
    due_at = moment()


class VersionPreviewOutput(Output):
    course = uid_of()
    protocol = uid_of(source="version", help_text="the version that was looked at")
    sessions = SessionDifferenceOutput(many=True)
    promised = MessageDifferenceOutput(many=True)
    withdrawn = MessageDifferenceOutput(many=True)
    stamp = words(help_text="post it back to move the course as shown")
