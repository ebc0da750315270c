"""Forms about what is known of a patient: questions, assessment, consent, overrides."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from patients.models import Answer, Guardian, Question
from scheduling import check_in, intake
from scheduling.models import Assessment, ConsentText, RiskRule, Session, SessionState
from scheduling.planner import facts

from .base import ActForm, DateField, Reason, visits_field


class DeathForm(forms.Form):
    died_on = DateField()


class CheckInForm(ActForm):
    """The questions that are due for this visit, each with its last answer and what a bad one does."""

    def prepare(self) -> None:
        self.due = check_in.due_questions(self.of.session, now=timezone.now())
        self.held_by = {one.code: (one.rule.refused_answers, one.decided_by.label) for one in self.due}
        for one in self.due:
            question = one.rule.question
            self.fields[_field_of(question)] = forms.ChoiceField(
                label=question.text_in(self.course.site.language),
                choices=[(choice, _answer_label(choice)) for choice in question.choices],
                required=False,
                widget=forms.RadioSelect,
                help_text=_last_answer(one.last),
            )
        if self.due:
            self.fields["visits"] = visits_field(_("If an answer speaks against the treatment: the visits"))

    @property
    def asked(self) -> list[tuple[forms.BoundField, Any, Any]]:
        """Return each question with the answers that hold the course, and who decides then."""
        return [(self[_field_of(one.rule.question)], *self.held_by[one.code]) for one in self.due]

    def clean(self) -> dict[str, Any]:
        if self.due and not self.answers() and self.of.on == self.today:
            raise forms.ValidationError(_("Ask these questions first."), code="answers_missing")
        return self.cleaned_data

    def answers(self) -> dict[str, str]:
        found = {one.code: self.cleaned_data.get(_field_of(one.rule.question), "") for one in self.due}
        return {code: value for code, value in found.items() if value}


def _field_of(question: Question) -> str:
    return f"question_{question.code}"


def _last_answer(known: Answer | None) -> str:
    if known is None:
        return _("Never asked.")
    return _("Last answer: %(value)s, %(on)s") % {
        "value": _answer_label(known.value),
        "on": known.given_on.isoformat(),
    }


class StrikeForm(ActForm):
    reason = Reason(label=gettext_lazy("Why it is an error"))


class AssessmentForm(ActForm):
    together = (
        ("assessed_on", "expires_on"),
        ("reflux", "reflux_treated_on", "reflux_clear_on"),
        ("risks_explained", "expectations_discussed"),
    )

    assessed_on = DateField(label=gettext_lazy("Assessed on"))
    is_suitable = forms.TypedChoiceField(
        label=gettext_lazy("Is the treatment suitable for this patient?"),
        choices=[("yes", gettext_lazy("Yes, suitable")), ("no", gettext_lazy("No, not suitable"))],
        coerce=lambda said: said == "yes",
        widget=forms.RadioSelect,
    )
    reflux = forms.ChoiceField(
        label=gettext_lazy("Underlying varicose veins"),
        choices=[("", gettext_lazy("Choose what was found")), *Assessment.Reflux.choices],
    )
    reflux_treated_on = DateField(label=gettext_lazy("Treated on"), required=False)
    reflux_clear_on = DateField(
        label=gettext_lazy("Sessions may follow from"),
        required=False,
        help_text=gettext_lazy("The prescriber's decision for this patient, where veins were treated."),
    )
    expires_on = DateField(label=gettext_lazy("Counts until before"), required=False)
    risks_explained = forms.BooleanField(label=gettext_lazy("Risks were explained"), required=False)
    expectations_discussed = forms.BooleanField(label=gettext_lazy("Expectations were discussed"), required=False)
    notes = forms.CharField(label=gettext_lazy("Notes"), widget=forms.Textarea(attrs={"rows": 3}), required=False)

    def prepare(self) -> None:
        self.fields["assessed_on"].initial = self.today

    def assessment(self) -> intake.AssessmentInput:
        return intake.AssessmentInput(**self.cleaned_data)


class GuardianField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """A guardian of the patient, by name."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} ({obj.relationship})" if obj.relationship else str(obj.name)


def _guardian_field() -> GuardianField:
    return GuardianField(
        Guardian.objects.none(),
        label=gettext_lazy("Given by"),
        required=False,
        empty_label=gettext_lazy("the patient"),
    )


class ConsentForm(ActForm):
    together = (("informed_on", "signed_on"),)

    text = forms.ModelChoiceField(ConsentText.objects.none(), label=gettext_lazy("Text"), empty_label=None)
    informed_on = DateField(label=gettext_lazy("Patient informed on"))
    signed_on = DateField(
        label=gettext_lazy("Signed on"), required=False, help_text=gettext_lazy("Leave empty until it is signed.")
    )
    given_by_guardian = _guardian_field()
    session = forms.ModelChoiceField(
        Session.objects.none(), label=gettext_lazy("For the session"), empty_label=gettext_lazy("Choose a session")
    )
    expires_on = DateField(
        label=gettext_lazy("Counts until before"),
        required=False,
        help_text=gettext_lazy("Leave empty for what the protocol says."),
    )

    def prepare(self) -> None:
        field = self.fields["text"]
        if isinstance(field, forms.ModelChoiceField):
            texts = ConsentText.objects.filter(protocol=self.course.version.protocol_id).select_related("protocol")
            field.queryset = texts
            # The newest text in the patient's language, else the newest.
            field.initial = min(
                texts, key=lambda text: (text.language != self.course.patient.language, -text.number), default=None
            )
        self.fields["informed_on"].initial = self.today

        _only_where_there_are(self, "given_by_guardian", self.course.patient.guardians.all())
        is_for_each = self.course.version.consent_scope == facts.ConsentScope.SESSION
        sessions = self.course.sessions.filter(state=SessionState.OPEN) if is_for_each else Session.objects.none()
        _only_where_there_are(self, "session", sessions.order_by("position"))

    def consent(self) -> intake.ConsentInput:
        return intake.ConsentInput(**self.cleaned_data)


def _only_where_there_are(form: ActForm, name: str, rows: QuerySet[Any]) -> None:
    """Give a choice its rows, or take it off the form where there are none."""
    field = form.fields[name]
    if rows.exists() and isinstance(field, forms.ModelChoiceField):
        field.queryset = rows
    else:
        del form.fields[name]


class SignForm(ActForm):
    signed_on = DateField(label=gettext_lazy("Signed on"))
    given_by_guardian = _guardian_field()

    def prepare(self) -> None:
        self.fields["signed_on"].initial = self.today
        _only_where_there_are(self, "given_by_guardian", self.course.patient.guardians.all())


class WithdrawForm(ActForm):
    """Names the visits that the consent covers, and asks what is to become of them."""

    on = DateField(label=gettext_lazy("Withdrawn on"))
    cancel_visits = forms.TypedChoiceField(
        label=gettext_lazy("The visits named above"),
        choices=[
            ("yes", gettext_lazy("cancel them: the patient is told, the times are free")),
            ("no", gettext_lazy("keep them for now: a clinician talks with the patient first")),
        ],
        coerce=lambda said: said == "yes",
        widget=forms.RadioSelect,
    )

    def prepare(self) -> None:
        self.fields["on"].initial = self.today
        self.visits = intake.visits_under(self.of, now=timezone.now())
        if not self.visits:
            del self.fields["cancel_visits"]


class OverrideForm(ActForm):
    rule = forms.CharField(widget=forms.HiddenInput)
    subject = forms.CharField(widget=forms.HiddenInput, required=False)
    reason = forms.CharField(
        label=gettext_lazy("Medical reason"), max_length=500, widget=forms.Textarea(attrs={"rows": 3})
    )
    expires_on = DateField(label=gettext_lazy("Valid until"), help_text=gettext_lazy("The last day."))


class AnswersForm(ActForm):
    """Every risk question of the protocol; what is left blank stays as it was."""

    given_on = DateField(label=gettext_lazy("Answered on"))

    def prepare(self) -> None:
        self.fields["given_on"].initial = self.today
        newest = {
            answer.question_id: answer
            for answer in self.course.patient.answers.filter(error_at=None)
            .select_related("question")
            .order_by("given_on", "recorded_at", "id")
        }
        self.newest = {answer.question.code: answer for answer in newest.values()}
        self.rules = list(self.course.version.risk_rules.select_related("question"))
        self.fields["visits"] = visits_field(_("If an answer speaks against the treatment: the visits"))
        for rule in self.rules:
            known = newest.get(rule.question_id)
            self.fields[_field_of(rule.question)] = forms.ChoiceField(
                label=rule.question.text_in(self.course.site.language),
                choices=[("", _("not asked today")), *((one, _answer_label(one)) for one in rule.question.choices)],
                required=False,
                widget=forms.RadioSelect,
                help_text=_last_answer(known),
            )

    def to_look_at(self) -> list[Answer]:
        """Return the newest answers that a clinician must have looked at, and has not."""
        asked = [rule for rule in self.rules if rule.severity == RiskRule.Severity.ASK]
        known = [(rule, self.newest.get(rule.question.code)) for rule in asked]
        return [
            answer
            for rule, answer in known
            if answer and answer.reviewed_at is None and answer.value in rule.refused_answers
        ]

    def answers(self) -> list[tuple[str, str]]:
        """Return (question code, value) for each question that was answered."""
        found = ((rule.question.code, self.cleaned_data[_field_of(rule.question)]) for rule in self.rules)
        return [(code, value) for code, value in found if value]


def _answer_label(value: str) -> str:
    return {"yes": _("yes"), "no": _("no")}.get(value, value.replace("_", " "))
