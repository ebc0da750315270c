"""Times and visits: windows, gates, slots to be posted back, appointments, and days full of them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from scheduling.models import AppointmentState
from scheduling.planner import facts

from .fields import Named, Output, clock, day, maybe_day, maybe_moment, moment, uid_of, words
from .people import PatientBrief, SiteOutput
from .protocols import StepOutput

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


class FreeTimesOutput(Output):
    session = uid_of()
    window = WindowOutput()
    results = TimeOutput(many=True)


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
