"""Forms about a whole course: its start, wishes, holds, events and end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, time
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.models import Role, Site
from patients.admin import LANGUAGES, typed_date
from patients.models import Area
from scheduling import intake
from scheduling.models import Course, ProtocolVersion, Resource, ResourceKind
from scheduling.models.appointments import AskedBy
from scheduling.models.resources import Weekday
from scheduling.planner import facts

from .base import ActForm, DateField, ManyOf, Reason, TimeField, visits_field


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
