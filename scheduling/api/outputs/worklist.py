"""What needs a person."""

from __future__ import annotations

from rest_framework import serializers

from .fields import Output, maybe_day, uid_of, words
from .people import PatientBrief


class WorkOutput(Output):
    """Something that needs a person: look it up by its type and uid."""

    type = words(help_text="session, appointment, course, proposal, offer, follow_up_task, message, freed_time")
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
