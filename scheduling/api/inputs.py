"""What clients may send: the shape, and nothing else. Whether it may happen is the acts' business.

Strict: an unknown key, a number written as text or a date that is not YYYY-MM-DD is refused with the path of the field.
"""

from __future__ import annotations

import re
from datetime import date, time
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request

from clinic.models import Role
from clinic.validators import validate_one_line
from clinic.wellformed import FURTHEST_YEAR
from patients.models import Answer
from scheduling import holds, reports
from scheduling.models import Assessment, CancelReason, LateBand, Outcome
from scheduling.models.appointments import AskedBy

LONGEST_LIST = 200
VISITS = [one.value for one in holds.Visits]


class Input(serializers.Serializer[Any]):
    """An input: all of its keys known, or refused."""

    @classmethod
    def checked(cls, given: object) -> dict[str, Any]:
        """Return what was sent, as Python values; raise ValidationError with everything that is not in shape."""
        shape: Input = cls(data=given)
        shape.is_valid(raise_exception=True)
        return dict(shape.validated_data)

    @classmethod
    def checked_query(cls, request: Request) -> dict[str, Any]:
        """Return the query parameters, each given once at most."""
        if twice := [name for name, values in request.query_params.lists() if len(values) > 1]:
            raise ValidationError({name: [ErrorDetail(str(_("Give this once.")), "given_twice")] for name in twice})
        return cls.checked(request.query_params.dict())

    def to_internal_value(self, data: Any) -> Any:
        unknown = [name for name in data if name not in self.fields] if isinstance(data, dict) else []
        problems: dict[str, Any] = {
            name: [ErrorDetail(str(_("There is no such field here: leave it out.")), "unknown_field")]
            for name in unknown
        }
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            if not isinstance(error.detail, dict) or not unknown:
                raise
            problems |= error.detail
        if problems:
            raise ValidationError(problems)
        return values


# --- fields that take one thing for what it is ------------------------------------------------------------------------


class Text(serializers.CharField):
    """A text; a number is none."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Line(Text):
    """A text on one line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators.append(validate_one_line)


class Day(serializers.DateField):
    """A calendar date, YYYY-MM-DD."""

    default_error_messages = {"out_of_range": _("Choose a year from 1870 on, and before 2200.")}

    def to_internal_value(self, value: Any) -> date:
        if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
            self.fail("invalid", format="YYYY-MM-DD")
        on: date = super().to_internal_value(value)
        if not 1870 <= on.year < FURTHEST_YEAR:
            self.fail("out_of_range")
        return on


@extend_schema_field({"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}$", "examples": ["09:30"]})
class Clock(serializers.TimeField):
    """A wall-clock time, HH:MM."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="%H:%M", **kwargs)

    def to_internal_value(self, value: Any) -> time:
        if not isinstance(value, str) or not re.fullmatch(r"\d{2}:\d{2}", value, re.ASCII):
            self.fail("invalid", format="HH:MM")
        at: time = super().to_internal_value(value)
        return at


class Whole(serializers.IntegerField):
    """A whole number; neither a text nor true."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """True or false, not “yes”."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Uid(serializers.UUIDField):
    """A UUID with hyphens."""

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str) or not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", data):
            self.fail("invalid", value=data)
        uid: UUID = super().to_internal_value(data)
        return uid


def listed(child: Input, *, most: int, **kwargs: Any) -> serializers.ListField:
    """A list of things of one shape, of bounded length."""
    return serializers.ListField(child=child, max_length=most, **kwargs)


def codes(**kwargs: Any) -> serializers.ListField:
    """A list of codes from a vocabulary."""
    return serializers.ListField(child=Line(max_length=80), max_length=LONGEST_LIST, **kwargs)


class Nothing(Input):
    """An empty body, or {}."""


KEY_NEEDED = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="A value of your own, such as a random UUID: the same request under the same key books once.",
)

# --- signing in, lists ------------------------------------------------------------------------------------------------


class SignInInput(Input):
    email = Text(max_length=254)
    password = Text(max_length=1000, trim_whitespace=False, style={"input_type": "password"})


class LimitInput(Input):
    limit = serializers.IntegerField(min_value=1, max_value=100, default=50)


class PageInput(LimitInput):
    after = Line(max_length=80, required=False, help_text="as `next` of the page before says")


class UidPageInput(LimitInput):
    after = Uid(required=False, help_text="as `next` of the page before says")


class OverridesInput(UidPageInput):
    site = Uid(required=False)
    rule = serializers.SlugField(max_length=50, required=False, help_text="the code of the rule or gate")
    given_by = Uid(required=False)
    state = serializers.ChoiceField(reports.OVERRIDE_STATES, required=False)


class DayInput(Input):
    on = Day(required=False, help_text="a date at the site; today when left out")


# --- patients -------------------------------------------------------------------------------------------------------


class IdentifierInput(Input):
    system = Line(max_length=120)
    value = Line(max_length=80)


class PhoneInput(Input):
    number = Line(max_length=40)
    label = Line(max_length=40, required=False, default="", allow_blank=True)  # type: ignore[assignment]  # a field's
    is_preferred = Flag(required=False, default=False)


class GuardianInput(Input):
    uid = Uid(required=False, help_text="of the guardian to correct; left out: a new one")
    name = Line(max_length=200)
    relationship = Line(max_length=60, required=False, default="", allow_blank=True)
    email = Text(max_length=254, required=False, default="", allow_blank=True)
    phone = Line(max_length=40, required=False, default="", allow_blank=True)
    from_on = Day(required=False, default=None, allow_null=True)
    until_on = Day(required=False, default=None, allow_null=True)


class PatientInput(Input):
    """Texts are taken as typed: what is wrong with a name or an address, the record's own rules say."""

    family_name = Text(max_length=500)
    given_name = Text(max_length=500, required=False, allow_blank=True)
    born_on = Day(required=False, allow_null=True)
    site = Uid(required=False, allow_null=True, help_text="the usual one")
    language = Text(max_length=20, required=False)
    email = Text(max_length=500, required=False, allow_blank=True, trim_whitespace=False)
    agrees_to_mail = Flag(required=False)
    interpreter_language = Text(max_length=20, required=False, allow_blank=True)
    access_needs = Text(max_length=5000, required=False, allow_blank=True)
    identifiers = listed(IdentifierInput(), most=20, required=False)
    phones = listed(PhoneInput(), most=20, required=False)
    guardians = listed(GuardianInput(), most=10, required=False)


class PatientChangesInput(PatientInput):
    """What is left out stays; lists are given whole."""

    family_name = Text(max_length=500, required=False)


class SearchInput(Input):
    words = Text(max_length=200, help_text="parts of the name, a number or an e-mail address: all must be found")
    limit = Whole(min_value=1, max_value=50, default=20)


def visits_choice() -> serializers.ChoiceField:
    return serializers.ChoiceField(
        VISITS, required=False, default="keep", help_text="what becomes of the visits of a course that it holds"
    )


class AnswerInput(Input):
    visits = visits_choice()
    question = Line(max_length=80, help_text="its code")
    value = Line(max_length=40)
    given_on = Day(required=False, help_text="today when left out")
    note = Text(max_length=2000, required=False, default="", allow_blank=True)
    source = serializers.ChoiceField(  # type: ignore[assignment]  # a field's attribute of that name is none of ours
        [Answer.Source.STAFF, Answer.Source.PATIENT], required=False, default=Answer.Source.STAFF
    )


# --- courses --------------------------------------------------------------------------------------------------------


class WishesInput(Input):
    weekdays = serializers.ListField(
        child=Whole(min_value=0, max_value=6), required=False, default=list, max_length=7, help_text="0 is Monday"
    )
    from_time = Clock(required=False, default=None, allow_null=True)
    until_time = Clock(required=False, default=None, allow_null=True)
    practitioner = Uid(required=False, default=None, allow_null=True, help_text="about the steps that they can lead")
    avoid_dates = serializers.ListField(child=Day(), required=False, default=list, max_length=LONGEST_LIST)
    language = Line(max_length=10, required=False, default="", allow_blank=True)
    strict = Flag(required=False, default=False, help_text="true: a missed wish makes a time impossible")


class CourseInput(Input):
    patient = Uid()
    protocol = Uid(help_text="the uid of a usable version")
    site = Uid()
    lead = Uid(required=False, default=None, allow_null=True)
    areas = codes(required=False, default=list)
    wishes = WishesInput(required=False)


class SpanInput(Input):
    first_on = Day()
    last_on = Day(help_text="inclusive; the same as first_on for one date")


class TermsInput(Input):
    """What must be so for a session of a plan; what is left out, or null, may be anything."""

    first_on = Day(required=False, default=None, allow_null=True)
    last_on = Day(required=False, default=None, allow_null=True, help_text="inclusive")
    forbidden = listed(SpanInput(), most=LONGEST_LIST, required=False, default=list)
    weekdays = serializers.ListField(
        child=Whole(min_value=0, max_value=6), required=False, default=list, max_length=7, help_text="0 is Monday"
    )
    from_time = Clock(required=False, default=None, allow_null=True, help_text="the session does not begin before it")
    until_time = Clock(required=False, default=None, allow_null=True, help_text="and ends by it")
    only_with = serializers.ListField(
        child=Uid(),
        required=False,
        default=list,
        max_length=LONGEST_LIST,
        help_text="one of these practitioners leads what they can",
    )
    not_with = serializers.ListField(child=Uid(), required=False, default=list, max_length=LONGEST_LIST)


class SessionTermsInput(TermsInput):
    """Terms for one session: with `on`, and `at` if wanted, it is pinned."""

    session = Uid()
    on = Day(required=False, default=None, allow_null=True)
    at = Clock(required=False, default=None, allow_null=True)


class AskInput(Input):
    """What is asked of the plans; kept nowhere. Unlike a wish it is never missed."""

    starts_from = Day(required=False, default=None, allow_null=True, help_text="the first session is not before it")
    starts_by = Day(required=False, default=None, allow_null=True, help_text="nor after it")
    ends_before = Day(required=False, default=None, allow_null=True, help_text="the last session is before it")
    every = TermsInput(required=False)
    sessions = listed(SessionTermsInput(), most=100, required=False, default=list)


class UseInput(Input):
    phase = Whole(min_value=0, max_value=100)
    role = Line(max_length=80)
    resource = Uid()
    place = Whole(min_value=1, max_value=50)


class SlotInput(Input):
    """A time for a session, as a plan or the free times gave it."""

    session = Uid()
    on = Day()
    at = Clock()
    fold = Whole(min_value=0, max_value=1, required=False, default=0)
    lead = Uid()
    uses = listed(UseInput(), most=100)


class BookCourseInput(Input):
    slots = listed(SlotInput(), most=100, allow_empty=False)


class BookSessionInput(Input):
    slot = SlotInput()


class GivenInput(Input):
    question = Line(max_length=80, help_text="its code")
    value = Line(max_length=40)


class CheckInInput(Input):
    answers = listed(GivenInput(), most=LONGEST_LIST, required=False, default=list)
    visits = visits_choice()

    def validate_answers(self, given: list[dict[str, str]]) -> list[dict[str, str]]:
        if len({one["question"] for one in given}) < len(given):
            raise ValidationError([ErrorDetail(str(_("Answer each question once.")), "given_twice")])
        return given


class MoveInput(Input):
    slot = SlotInput()
    reason = Line(max_length=300, required=False, default="", allow_blank=True)


class AssessmentInput(Input):
    assessed_on = Day()
    is_suitable = Flag()
    reflux = serializers.ChoiceField(Assessment.Reflux.choices, required=False, default=Assessment.Reflux.NOT_CHECKED)
    reflux_treated_on = Day(required=False, default=None, allow_null=True)
    reflux_clear_on = Day(required=False, default=None, allow_null=True)
    expires_on = Day(required=False, default=None, allow_null=True)
    risks_explained = Flag(required=False, default=False)
    expectations_discussed = Flag(required=False, default=False)
    notes = Text(max_length=20000, required=False, default="", allow_blank=True)


class ConsentInput(Input):
    language = Line(max_length=10, required=False, default="en")
    number = Whole(min_value=1, max_value=32767, help_text="of the consent text, as the protocol lists them")
    informed_on = Day()
    signed_on = Day(required=False, default=None, allow_null=True)
    session = Uid(required=False, default=None, allow_null=True, help_text="left out: the whole course")
    expires_on = Day(required=False, default=None, allow_null=True)
    given_by_guardian = Uid(required=False, default=None, allow_null=True, help_text="left out: by the patient")


class SignInput(Input):
    signed_on = Day()
    given_by_guardian = Uid(required=False, default=None, allow_null=True, help_text="left out: by the patient")


class DeathInput(Input):
    on = Day()


class WithdrawInput(Input):
    withdrawn_on = Day()
    cancel_visits = Flag(
        help_text="whether the visits to come that it covers are cancelled: say so, there is no default"
    )


class EventInput(Input):
    key = Line(max_length=50)
    happened_on = Day()
    note = Line(max_length=200, required=False, default="", allow_blank=True)


class HoldInput(Input):
    visits = visits_choice()
    code = serializers.SlugField(max_length=50)
    reason = Line(max_length=300)
    lifted_by_role = serializers.ChoiceField(Role.choices, required=False, default=Role.CLINICIAN)


class LiftInput(Input):
    reason = Line(max_length=300)


class StrikeInput(Input):
    reason = Line(max_length=300, help_text="why")


class EndInput(Input):
    reason = Line(max_length=300)


class AddSessionInput(Input):
    step = Line(max_length=50, help_text="a step's key, as the course's protocol lists them")
    reason = Line(max_length=300)


class SkipInput(Input):
    reason = Line(max_length=300)


class CorrectInput(Input):
    performed_on = Day()
    at_time = Clock(required=False, default=None, allow_null=True)
    reason = Line(max_length=300)


class LateInput(Input):
    action = serializers.ChoiceField(LateBand.Action.choices)
    reason = Line(max_length=300)
    on = Day(required=False, default=None, allow_null=True, help_text="when it is to take place")


class PlannedInput(Input):
    session = Uid()
    areas = codes(help_text="codes of areas of the course")


class PlannedAreasInput(Input):
    """What each of these sessions is to treat; those that are not named keep their areas."""

    sessions = listed(PlannedInput(), most=100, allow_empty=False)

    def validate_sessions(self, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len({one["session"] for one in given}) < len(given):
            raise ValidationError([ErrorDetail(str(_("Name each session once.")), "given_twice")])
        return given


class VersionInput(Input):
    protocol = Uid(help_text="the uid of a version of the course's protocol")


class MoveVersionInput(VersionInput):
    stamp = Line(max_length=64, help_text="of the preview that was looked at")
    reason = Line(max_length=300)


class OverrideInput(Input):
    rule = serializers.SlugField(max_length=50, help_text="the code of the gate's answer, or of the rule")
    subject = Line(max_length=80, required=False, default="", allow_blank=True, help_text="as the answer names it")
    session = Uid(required=False, default=None, allow_null=True, help_text="left out: the whole course")
    reason = Text(max_length=500)
    expires_on = Day(help_text="last session date that it covers")


# --- visits ---------------------------------------------------------------------------------------------------------


class FreeTimesInput(Input):
    until = Day(required=False)
    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a word of Python's
        return {"from": Day(required=False, help_text="today when left out"), **super().get_fields()}


class WaitInput(Input):
    from_on = Day(required=False, default=None, allow_null=True, help_text="the first date that would suit")
    until_on = Day(required=False, default=None, allow_null=True, help_text="the last date that would suit")
    notice_hours = Whole(required=False, default=24, help_text="that the patient needs, at most two weeks")


class OutcomeInput(Input):
    outcome = serializers.ChoiceField(Outcome.Result.choices)
    complications = codes(required=False, default=list)
    product = Line(max_length=120, required=False, default="", allow_blank=True)
    batch = Line(max_length=60, required=False, default="", allow_blank=True)
    amount = serializers.DecimalField(
        max_digits=8, decimal_places=3, min_value=0, required=False, default=None, allow_null=True
    )
    amount_unit = Line(max_length=12, required=False, default="", allow_blank=True, help_text="UCUM, such as mL")
    notes = Text(max_length=20000, required=False, default="", allow_blank=True)
    clearance = Line(
        max_length=300,
        required=False,
        default="",
        allow_blank=True,
        help_text="of a review that you have done: why the course may go on",
    )


class PerformInput(OutcomeInput):
    """What took place; the outcome may follow later."""

    performed_on = Day(help_text="date at the site")
    at = Clock(required=False, default=None, allow_null=True)
    areas = codes(required=False, default=None, allow_null=True, help_text="treated; left out: as planned")
    minutes = Whole(min_value=1, max_value=1440, required=False, default=None, allow_null=True)
    lead = Uid(required=False, default=None, allow_null=True, help_text="who did it; left out: as booked")
    outcome = serializers.ChoiceField(Outcome.Result.choices, required=False, default=None, allow_null=True)


class CancelInput(Input):
    reason = serializers.ChoiceField(CancelReason.choices)
    asked_by = serializers.ChoiceField(AskedBy.choices)
    note = Line(max_length=300, required=False, default="", allow_blank=True)


class NoteInput(Input):
    note = Line(max_length=300)


class ApplyInput(Input):
    sessions = serializers.ListField(
        child=Uid(), required=False, default=None, allow_null=True, max_length=500, help_text="left out: all of them"
    )
