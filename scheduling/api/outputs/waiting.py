"""The waiting list: who would come sooner, and what is kept for them."""

from __future__ import annotations

from rest_framework import serializers

from scheduling.models import OfferEnd

from .fields import Output, clock, day, maybe_day, maybe_moment, moment, uid_of, words
from .people import PatientBrief


class OfferOutput(Output):
    """A time that is kept for a patient until it is answered, or over."""

    uid = uid_of()
    session = uid_of(source="entry.session.uid")
    course = uid_of(source="entry.session.course.uid")
    patient = PatientBrief()
    on = day(source="reservation.on")
    at = clock(source="reservation.at_time")
    fold = serializers.IntegerField(source="reservation.fold")
    zone = words(source="entry.session.course.site.zone")
    minutes = serializers.IntegerField(source="reservation.minutes")
    made_at = moment()
    kept_until = moment(source="reservation.expires_at")
    ended_at = maybe_moment()
    ended_as = serializers.ChoiceField(OfferEnd.choices, allow_blank=True, help_text="blank: nobody has answered")


class WaitingOutput(Output):
    """A session whose patient would take an earlier time."""

    uid = uid_of()
    session = uid_of(source="session.uid")
    course = uid_of(source="session.course.uid")
    patient = PatientBrief(source="session.course.patient")
    since = moment()
    from_on = maybe_day(help_text="the first date that would suit")
    until_on = maybe_day(help_text="the last date that would suit")
    notice_hours = serializers.IntegerField()
    is_set_aside = serializers.BooleanField(
        help_text="true: looking for a time fails, and nothing is offered until it is taken off and put on again"
    )
    closed_at = maybe_moment()
    close_reason = words(help_text="taken, taken_off, session_over, course_over, too_late")
    offer = OfferOutput(allow_null=True, help_text="a time that is kept for the patient")
