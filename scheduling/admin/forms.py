"""The forms of our own pages. They read what was typed; whether it may be is for the acts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.models import Role, Site
from patients.admin import LANGUAGES, typed_date
from patients.models import Answer, Area, Complication, Guardian, Question
from scheduling import check_in, holds, intake, visits, waitlist
from scheduling.models import (
    Assessment,
    CancelReason,
    ConsentText,
    Course,
    LateBand,
    Outcome,
    ProtocolVersion,
    Resource,
    ResourceKind,
    RiskRule,
    Session,
    SessionState,
)
from scheduling.models.appointments import AskedBy
from scheduling.models.resources import Weekday
from scheduling.planner import facts

DATE = {"type": "date"}
TIME = {"type": "time"}


class DateField(forms.DateField):
    """The browser's own date field."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.DateInput(attrs=DATE, format="%Y-%m-%d"))
        super().__init__(**kwargs)


class TimeField(forms.TimeField):
    """The browser's own time field, on the site's clocks."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.TimeInput(attrs=TIME, format="%H:%M"))
        super().__init__(**kwargs)


class Reason(forms.CharField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=300, widget=forms.Textarea(attrs={"rows": 2}), **kwargs)


class DeathForm(forms.Form):
    died_on = DateField()


class ManyOf(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Several of a short list, as ticks."""

    def __init__(self, queryset: Any, **kwargs: Any) -> None:
        super().__init__(queryset, widget=forms.CheckboxSelectMultiple, required=False, **kwargs)


class ActForm(forms.Form):
    """A form of the course page. `of` is what it is about: a session, a visit, a hold, or the course itself."""

    def __init__(self, *args: Any, course: Course, today: date, of: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.course, self.today, self.of = course, today, of
        self.prepare()

    together: tuple[tuple[str, ...], ...] = ()  # fields that stand side by side

    def prepare(self) -> None:
        """Fill choices and first values that depend on the course."""

    @property
    def rows(self) -> list[list[forms.BoundField]]:
        """The fields in their order, those that stand together in one row."""
        rows: list[list[forms.BoundField]] = []
        shown: set[str] = set()
        for name in self.fields:
            if name not in shown:
                row = next((names for names in self.together if name in names), (name,))
                rows.append([self[one] for one in row if one in self.fields])
                shown |= set(row)
        return rows


class ConfirmForm(ActForm):
    """Nothing to fill in."""


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


class CancelForm(ActForm):
    reason = forms.ChoiceField(label=gettext_lazy("Why"), choices=CancelReason.choices)
    asked_by = forms.ChoiceField(
        label=gettext_lazy("Who asked"), choices=AskedBy.choices, widget=forms.RadioSelect, initial=AskedBy.PATIENT
    )
    note = forms.CharField(label=gettext_lazy("Note"), max_length=300, required=False)


class OutcomeForm(ActForm):
    together: tuple[tuple[str, ...], ...] = (("product", "batch", "amount", "amount_unit"),)
    result = forms.ChoiceField(
        label=gettext_lazy("Result"),
        choices=Outcome.Result.choices,
        widget=forms.RadioSelect,
        initial=Outcome.Result.OK,
    )
    complications = ManyOf(Complication.objects.all(), label=gettext_lazy("Complications seen"))
    product = forms.CharField(label=gettext_lazy("Product"), max_length=120, required=False)
    batch = forms.CharField(label=gettext_lazy("Batch"), max_length=60, required=False)
    amount = forms.DecimalField(
        label=gettext_lazy("Amount"), min_value=0, max_digits=8, decimal_places=3, required=False
    )
    amount_unit = forms.CharField(label=gettext_lazy("Unit"), max_length=12, required=False, initial="mL")
    notes = forms.CharField(label=gettext_lazy("Notes"), widget=forms.Textarea(attrs={"rows": 3}), required=False)
    clearance = forms.CharField(
        label=gettext_lazy("Review done already: why the course may go on"),
        max_length=300,
        required=False,
        help_text=gettext_lazy("With the result “review”, if you have looked at it just now. Then nothing is held."),
    )

    def prepare(self) -> None:
        self.fields["product"].initial = self.course.version.product

    def outcome(self) -> visits.OutcomeInput:
        said = self.cleaned_data
        return visits.OutcomeInput(
            result=said["result"],
            complications=tuple(complication.code for complication in said["complications"]),
            product=said["product"],
            batch=said["batch"],
            amount=said["amount"],
            amount_unit=said["amount_unit"] if said["amount"] is not None else "",
            notes=said["notes"],
            clearance=said["clearance"],
        )


class PerformForm(OutcomeForm):
    together = (("performed_on", "at_time", "minutes", "lead"), *OutcomeForm.together)
    performed_on = DateField(label=gettext_lazy("Took place on"))
    at_time = TimeField(label=gettext_lazy("At"), required=False)
    minutes = forms.IntegerField(label=gettext_lazy("Took (minutes)"), min_value=1, max_value=1440, required=False)
    lead = forms.ModelChoiceField(
        Resource.objects.practitioners(),
        label=gettext_lazy("Practitioner"),
        required=False,
        empty_label=gettext_lazy("as booked"),
    )
    treated_areas = ManyOf(Area.objects.none(), label=gettext_lazy("Areas treated"))
    result = forms.ChoiceField(
        label=gettext_lazy("Result"),
        choices=[*Outcome.Result.choices, ("", gettext_lazy("record it later"))],
        widget=forms.RadioSelect,
        initial=Outcome.Result.OK,
        required=False,
    )
    field_order = ("performed_on", "at_time", "minutes", "lead", "treated_areas", "result")

    def prepare(self) -> None:
        super().prepare()
        session: Session = self.of
        live = session.appointments.filter(state__in=("booked", "arrived")).first()
        areas = Area.objects.filter(pk__in=self.course.areas.values("pk"))
        field = self.fields["treated_areas"]
        if isinstance(field, forms.ModelMultipleChoiceField):
            field.queryset = areas
        field.initial = list(areas)
        if not areas:
            del self.fields["treated_areas"]
        self.fields["performed_on"].initial = live.on if live and live.on <= self.today else self.today
        self.fields["performed_on"].widget.attrs["max"] = self.today.isoformat()
        if live and live.on <= self.today:
            self.fields["at_time"].initial = live.at_time
            self.fields["minutes"].initial = live.minutes

    def performed(self) -> visits.Performed:
        said = self.cleaned_data
        areas = said.get("treated_areas")
        return visits.Performed(
            performed_on=said["performed_on"],
            at_time=said["at_time"],
            outcome=self.outcome() if said["result"] else None,
            treated_areas=tuple(area.code for area in areas) if areas is not None else None,
            minutes=said["minutes"],
            lead=said["lead"],
        )


class AddSessionForm(ActForm):
    step = forms.ChoiceField(label=gettext_lazy("Which session"))
    reason = Reason(label=gettext_lazy("Why another one is needed"))

    def prepare(self) -> None:
        field = self.fields["step"]
        steps = list(self.course.version.steps.order_by("position"))
        if isinstance(field, forms.ChoiceField):
            field.choices = [(step.key, step.name) for step in steps]
        treatments = [step.key for step in steps if step.kind == facts.StepKind.TREATMENT]
        field.initial = treatments[-1] if treatments else None


class SkipForm(ActForm):
    reason = Reason(label=gettext_lazy("Why the session is left out"))


class WaitForm(ActForm):
    together = (("from_on", "until_on"),)
    from_on = DateField(label=gettext_lazy("Could come from"), required=False, help_text=gettext_lazy("blank: any day"))
    until_on = DateField(label=gettext_lazy("until"), required=False, help_text=gettext_lazy("the last day"))
    notice_hours = forms.IntegerField(
        label=gettext_lazy("Hours of notice that the patient needs"),
        min_value=0,
        max_value=waitlist.MOST_NOTICE_HOURS,
        initial=24,
    )


class CorrectForm(ActForm):
    together = (("performed_on", "at_time"),)
    performed_on = DateField(label=gettext_lazy("Really took place on"))
    at_time = TimeField(label=gettext_lazy("At"), required=False)
    reason = Reason(label=gettext_lazy("What was wrong"))

    def prepare(self) -> None:
        self.fields["performed_on"].initial = self.of.performed_on
        self.fields["performed_on"].widget.attrs["max"] = self.today.isoformat()


class LateForm(ActForm):
    action = forms.ChoiceField(
        label=gettext_lazy("What is done"),
        choices=LateBand.Action.choices,
        widget=forms.RadioSelect,
        help_text=gettext_lazy("Another choice than the protocol's is a prescriber's."),
    )
    on = DateField(label=gettext_lazy("It is to take place on"), required=False)
    reason = Reason(label=gettext_lazy("Why"))

    def prepare(self) -> None:
        live = self.of.appointments.filter(state__in=("booked", "arrived")).first()
        self.fields["on"].initial = live.on if live else self.today


class ClearForm(ActForm):
    note = Reason(label=gettext_lazy("What you found, and why the course may go on"))


def visits_field(label: Any) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        choices=[
            (holds.Visits.KEEP.value, gettext_lazy("keep them until someone decides")),
            (holds.Visits.FREE.value, gettext_lazy("cancel them: the times are free at once, the sessions stay")),
        ],
        widget=forms.RadioSelect,
        initial=holds.Visits.KEEP.value,
        required=False,
    )


class StrikeForm(ActForm):
    reason = Reason(label=gettext_lazy("Why it is an error"))


class HoldForm(ActForm):
    code = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        choices=[
            ("patient_wish", gettext_lazy("the patient wants to wait")),
            ("clinician", gettext_lazy("a clinician asked for it")),
            ("payment", gettext_lazy("an open question of payment")),
            ("other", gettext_lazy("something else")),
        ],
    )
    reason = Reason(label=gettext_lazy("Why the course must not go on for now"))
    lifted_by_role = forms.ChoiceField(
        label=gettext_lazy("Who may lift it"),
        choices=[(role.value, role.label) for role in Role if role is not Role.OPERATOR],
        initial=Role.RECEPTION,
    )
    visits = visits_field(gettext_lazy("Booked visits"))


class ReasonForm(ActForm):
    reason = Reason(label=gettext_lazy("Why"))


class LiftForm(ActForm):
    reason = Reason(label=gettext_lazy("Why the course may go on"))


class EndForm(ActForm):
    reason = Reason(label=gettext_lazy("Why the course ends"))
    asked_by = forms.ChoiceField(
        label=gettext_lazy("Who asked"), choices=AskedBy.choices, widget=forms.RadioSelect, initial=AskedBy.PATIENT
    )


class EventForm(ActForm):
    key = forms.ChoiceField(label=gettext_lazy("What happened"))
    happened_on = DateField(label=gettext_lazy("On"))
    note = forms.CharField(label=gettext_lazy("Note"), max_length=200, required=False)

    def prepare(self) -> None:
        field = self.fields["key"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [(key, key.replace("_", " ")) for key in intake.events_of(self.course)]


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


# --- starting a course, and its wishes --------------------------------------------------------------------------------


class WishesForm(ActForm):
    """What the patient would like."""

    together = (("wish_from_time", "wish_until_time", "wish_practitioner", "wish_language"),)

    wish_weekdays = forms.TypedMultipleChoiceField(
        label=gettext_lazy("Days"),
        choices=Weekday.choices,
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=gettext_lazy("None ticked: any day."),
    )
    wish_from_time = TimeField(label=gettext_lazy("Not before"), required=False)
    wish_until_time = TimeField(label=gettext_lazy("Done by"), required=False)
    wish_practitioner = forms.ModelChoiceField(
        Resource.objects.practitioners(),
        label=gettext_lazy("Practitioner"),
        required=False,
        empty_label=gettext_lazy("anyone"),
    )
    wish_language = forms.ChoiceField(
        label=gettext_lazy("Language spoken"), choices=[("", gettext_lazy("any")), *LANGUAGES], required=False
    )
    wish_avoid_dates = forms.CharField(
        label=gettext_lazy("Dates to avoid"),
        required=False,
        help_text=gettext_lazy("Several with commas between, such as 2027-03-01, 2027-03-02."),
    )
    wish_is_strict = forms.BooleanField(
        label=gettext_lazy("The patient can only come then"),
        required=False,
        help_text=gettext_lazy("Ticked, other times are not offered. Otherwise they only count as less good."),
    )

    def prepare(self) -> None:
        for name in self.base_fields:
            if name.startswith("wish_") and self.course.pk:
                self.fields[name].initial = getattr(self.course, name)
        if self.course.pk:
            self.fields["wish_avoid_dates"].initial = ", ".join(on.isoformat() for on in self.course.wish_avoid_dates)

    def clean_wish_avoid_dates(self) -> frozenset[date]:
        typed = [word.strip() for word in self.cleaned_data["wish_avoid_dates"].replace(";", ",").split(",")]
        dates = {word: typed_date(word) for word in typed if word}
        wrong = [word for word, on in dates.items() if on is None]
        if wrong:
            raise forms.ValidationError(_("Not a date: %(words)s") % {"words": ", ".join(wrong)}, code="invalid")
        return frozenset(on for on in dates.values() if on)

    def wishes(self) -> facts.Wishes:
        said = self.cleaned_data
        practitioner: Resource | None = said["wish_practitioner"]
        return facts.Wishes(
            weekdays=frozenset(said["wish_weekdays"]),
            from_minute=_minute(said["wish_from_time"], 0),
            until_minute=_minute(said["wish_until_time"], 24 * 60),
            practitioner=practitioner.uid if practitioner else None,
            avoid_dates=said["wish_avoid_dates"],
            language=said["wish_language"],
            strict=said["wish_is_strict"],
        )


def _minute(at: time | None, default: int) -> int:
    return default if at is None else at.hour * 60 + at.minute


class StartForm(WishesForm):
    """A new course: what, where, by whom, and what the patient would like."""

    version = forms.ModelChoiceField(
        ProtocolVersion.objects.none(), label=gettext_lazy("Treatment"), empty_label=gettext_lazy("Choose a treatment")
    )
    site = forms.ModelChoiceField(Site.objects.none(), label=gettext_lazy("Site"), empty_label=None)
    lead = forms.ModelChoiceField(
        Resource.objects.none(),
        label=gettext_lazy("Lead practitioner"),
        required=False,
        empty_label=gettext_lazy("not decided yet"),
        help_text=gettext_lazy("Sessions with anyone else then count as a change of practitioner."),
    )
    areas = ManyOf(Area.objects.none(), label=gettext_lazy("Areas to treat"))
    field_order = ("version", "site", "lead", "areas")

    def __init__(self, *args: Any, sites: Iterable[Site], today: date, **kwargs: Any) -> None:
        self.sites = list(sites)
        super().__init__(*args, course=Course(), today=today, **kwargs)

    def prepare(self) -> None:
        versions = ProtocolVersion.objects.usable_on(self.today).select_related("protocol")
        practitioners = Resource.objects.filter(kind=ResourceKind.PRACTITIONER)
        choices = {
            "version": versions,
            "site": Site.objects.filter(pk__in=[site.pk for site in self.sites]),
            "lead": practitioners,
            "areas": Area.objects.filter(pk__in=versions.values("areas")),
        }
        for name, queryset in choices.items():
            field = self.fields[name]
            if isinstance(field, forms.ModelChoiceField):
                field.queryset = queryset
