"""Who and where: sites, who signs in, patients and what is known of them, and the words for it."""

from __future__ import annotations

from rest_framework import serializers

from patients.models import MailState

from .fields import Named, Output, day, maybe_day, maybe_moment, moment, uid_of, words


class SiteOutput(Named):
    zone = words(help_text="IANA name")
    country = words()
    today = day(help_text="the date there now")


class RolesAtSite(Output):
    site = Named()
    roles = serializers.ListField(child=words())


class MeOutput(Output):
    uid = uid_of()
    name = words()
    email = words()
    roles = RolesAtSite(many=True)
    resource = Named(allow_null=True, help_text="the practitioner who signs in as this user")


class SignInOutput(Output):
    token = words(help_text="send it as “Authorization: Token …”; it is shown once")
    expires_at = moment()
    user = MeOutput()


class CodeOutput(Output):
    code = words()
    name = words()


class AreaOutput(CodeOutput):
    side = words()
    region = words()


class ComplicationOutput(CodeOutput):
    is_expected = serializers.BooleanField()


class QuestionOutput(Output):
    code = words()
    text = words()
    texts = serializers.DictField(child=words(), help_text="by language")
    choices = serializers.ListField(child=words())


class PatientBrief(Named):
    born_on = maybe_day()


class PhoneOutput(Output):
    number = words(help_text="E.164")
    label = words()  # type: ignore[assignment]  # a field's attribute of that name is none of ours
    is_preferred = serializers.BooleanField()


class IdentifierOutput(Output):
    system = words()
    value = words()


class GuardianOutput(Named):
    relationship = words()
    email = words()
    phone = words()
    from_on = maybe_day()
    until_on = maybe_day()


class PatientOutput(PatientBrief):
    given_name = words()
    family_name = words()
    site = uid_of(source="site.uid", default=None, allow_null=True, help_text="the usual one")
    language = words()
    email = words()
    mail_state = serializers.ChoiceField(MailState.choices)
    mail_consent_at = maybe_moment()
    mail_opted_out_at = maybe_moment()
    interpreter_language = words()
    access_needs = words()
    identifiers = IdentifierOutput(many=True)
    phones = PhoneOutput(many=True)
    guardians = GuardianOutput(many=True)
    deceased_on = maybe_day()
    merged_into = uid_of(source="merged_into.uid", default=None, allow_null=True)
    registered_at = moment()


class AnswerOutput(Output):
    uid = uid_of()
    question = words(source="question.code")
    value = words()
    given_on = day()
    note = words()
    source = words()  # type: ignore[assignment]  # a field's attribute of that name is none of ours
    recorded_at = moment()
    reviewed_at = maybe_moment()
    error_at = maybe_moment()
    error_reason = words()


class FoundPatients(Output):
    results = PatientBrief(many=True)
    has_more = serializers.BooleanField(help_text="true: there are more than were asked for; type more of the name")
