"""Who we treat: finding, registering and correcting patients. What touches courses is `scheduling.admin.patients`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django import forms
from django.conf.locale import LANG_INFO
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.admin import ClinicAdmin, ClinicInline, ReadOnlyAdmin, RefusableForm, kept_rows, page_of, person

from . import records
from .models import Area, Complication, Guardian, Identifier, Patient, Phone, Question

LANGUAGES = sorted(
    ((code, str(known["name"])) for code, known in LANG_INFO.items() if "name" in known and len(code) == 2),
    key=lambda pair: pair[1],
)
TYPED_DATES = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y")


class PatientForm(RefusableForm):
    agrees_to_mail = forms.BooleanField(
        label=gettext_lazy("Agrees to e-mail about visits"),
        required=False,
        help_text=gettext_lazy("Without this, only advice that safety needs is sent."),
    )
    is_another_person = forms.BooleanField(
        label=gettext_lazy("I have checked: this is another person"), required=False, widget=forms.HiddenInput
    )
    language = forms.ChoiceField(label=gettext_lazy("Language of messages"), choices=LANGUAGES, initial="en")
    interpreter_language = forms.ChoiceField(
        label=gettext_lazy("Interpreter needed for"),
        choices=[("", gettext_lazy("no interpreter")), *LANGUAGES],
        required=False,
    )

    class Meta:
        model = Patient
        fields = ("given_name", "family_name", "born_on", "email", "site", "access_needs")
        widgets = {"access_needs": forms.Textarea(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["agrees_to_mail"] = self.instance.mail_consent_at is not None
        else:
            self.initial.setdefault("agrees_to_mail", True)

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if self.instance.pk or said.get("is_another_person") or not said.get("family_name"):
            return said
        known = records.likely_duplicates(
            records.PatientDetails(
                family_name=said["family_name"], given_name=said.get("given_name", ""), born_on=said.get("born_on")
            )
        )
        if known:
            self.fields["is_another_person"].widget = forms.CheckboxInput()
            raise ValidationError(
                format_html(
                    "{} {}. {}",
                    _("A patient of this name and birth date is registered already:"),
                    format_html_join(
                        ", ",
                        '<a href="{}">{}</a>',
                        ((page_of(patient), name_and_birth_date(patient)) for patient in known),
                    ),
                    _("Use that record. If this is another person, tick the box and save again."),
                ),
                code="likely_duplicate",
            )
        return said


def name_and_birth_date(patient: Patient) -> str:
    """Return the two identifiers by which a patient is shown everywhere.

    The name is isolated, so that one written from right to left leaves the date in its order.
    """
    born = date_format(patient.born_on, "j M Y") if patient.born_on else _("birth date unknown")
    return f"\N{FIRST STRONG ISOLATE}{patient.name}\N{POP DIRECTIONAL ISOLATE} · {born}"


class AsTyped(RefusableForm):
    """A row with a phone number, taken as typed: the act reads a national one as the usual site's country does."""

    typed = ""

    def _get_validation_exclusions(self) -> set[str]:
        return {*super()._get_validation_exclusions(), self.typed}  # type: ignore[misc]  # unknown to the stubs


class PhoneForm(AsTyped):
    typed = "number"
    number = forms.CharField(label=gettext_lazy("number"), max_length=40)


class GuardianForm(AsTyped):
    typed = "phone"
    phone = forms.CharField(label=gettext_lazy("phone"), max_length=40, required=False)


class PhoneInline(ClinicInline):
    model = Phone
    form = PhoneForm
    fields = ("number", "label", "is_preferred")


class IdentifierInline(ClinicInline):
    model = Identifier
    fields = ("system", "value")


class GuardianInline(ClinicInline):
    model = Guardian
    form = GuardianForm
    fields = ("name", "relationship", "phone", "email", "from_on", "until_on")


class PatientAdmin(ClinicAdmin):
    """Patients by name (accents and case aside), number, address or birth date."""

    add_label = gettext_lazy("Register a patient")
    form = PatientForm
    shown_patient = "uid"
    list_display = ("name", "born", "numbers", "mail", "usual_site")
    list_display_links = ("name",)
    list_select_related = ("site",)
    list_filter = ("mail_state", "site")
    search_fields = ("search_name",)
    search_help_text = gettext_lazy("Name, birth date, patient number or e-mail")
    ordering = ("search_name", "id")
    inlines = (PhoneInline, IdentifierInline, GuardianInline)
    fieldsets = (
        (None, {"fields": (("given_name", "family_name"), "is_another_person", ("born_on", "site"))}),
        (
            gettext_lazy("Reaching the patient"),
            {"fields": (("email", "language"), "agrees_to_mail")},
        ),
        (gettext_lazy("What helps"), {"fields": ("interpreter_language", "access_needs")}),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        rows: Any = super().get_queryset(request)
        # Lists show who is treated; an old link to a merged or pseudonymised record still leads to its page.
        is_list = (
            request.resolver_match is not None and request.resolver_match.url_name == "patients_patient_changelist"
        )
        return (rows.current() if is_list else rows).prefetch_related("identifiers")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Patient], search_term: str
    ) -> tuple[QuerySet[Patient], bool]:
        words, born_on = [], None
        for word in search_term.split():
            typed = typed_date(word)
            born_on = typed or born_on
            if typed is None:
                words.append(word)
        found = queryset.matching(" ".join(words)) if words else queryset  # type: ignore[attr-defined]
        return (found.filter(born_on=born_on) if born_on else found), False

    @admin.display(description=gettext_lazy("name"), ordering="search_name")
    def name(self, patient: Patient) -> str:
        return patient.name

    @admin.display(description=gettext_lazy("born"), ordering="born_on")
    def born(self, patient: Patient) -> str:
        return date_format(patient.born_on, "j M Y") if patient.born_on else "–"

    @admin.display(description=gettext_lazy("patient number"))
    def numbers(self, patient: Patient) -> str:
        return ", ".join(identifier.value for identifier in patient.identifiers.all()) or "–"

    @admin.display(description=gettext_lazy("e-mail"), ordering="mail_state")
    def mail(self, patient: Patient) -> str:
        return _("opted out") if patient.mail_opted_out_at else str(patient.get_mail_state_display())

    @admin.display(description=gettext_lazy("usual site"), ordering="site")
    def usual_site(self, patient: Patient) -> str:
        return patient.site.name if patient.site else "–"

    # writing

    def carry_out(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        by, now = person(request), timezone.now()
        lists: dict[str, Any] = {**_lists(formsets)}
        said = {name: form.cleaned_data[name] for name in form.cleaned_data if name in records.CORRECTABLE}
        patient = form.instance
        if change:
            changed = {name: said[name] for name in form.changed_data if name in said}
            changed |= {name: rows for name, rows in lists.items() if _has_changed(formsets, name)}
            # `patient` carries what was typed: the act reads the row itself, under its lock.
            records.correct(patient, changed, by=by, now=now)
            return
        form.instance = records.register(records.PatientDetails(**said, **lists), by=by, now=now)

    def saved_message(self, obj: Any, *, change: bool) -> str:
        return _("The details are corrected.") if change else _("The patient is registered.")


def _lists(formsets: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {"phones": [], "identifiers": [], "guardians": []}
    for formset in formsets:
        for row in kept_rows(formset):
            found[_list_of(formset)].append(_details(formset.model, row))
    return found


def _list_of(formset: Any) -> str:
    return {Phone: "phones", Identifier: "identifiers", Guardian: "guardians"}[formset.model]


def _details(model: type, row: Mapping[str, Any]) -> Any:
    said = {name: value for name, value in row.items() if name not in {"id", "patient", "DELETE"}}
    if model is Phone:
        return records.PhoneDetails(**said)
    if model is Identifier:
        return records.IdentifierDetails(**said)
    kept = row.get("id")
    return records.GuardianDetails(**said, pk=kept.pk if kept else None)


def _has_changed(formsets: Any, name: str) -> bool:
    return any(formset.has_changed() for formset in formsets if _list_of(formset) == name)


def typed_date(word: str) -> date | None:
    """Return the date that a word is, in the ways in which people type one; None when it is none."""
    for known in TYPED_DATES:
        try:
            return datetime.strptime(word, known).date()  # noqa: DTZ007  (a date has no zone)
        except ValueError:
            continue
    return None


@admin.register(Question)
class QuestionAdmin(ReadOnlyAdmin):
    list_display = ("code", "text")
    search_fields = ("code", "text")


@admin.register(Area)
class AreaAdmin(ReadOnlyAdmin):
    list_display = ("code", "name", "region", "side")
    search_fields = ("code", "name")


@admin.register(Complication)
class ComplicationAdmin(ReadOnlyAdmin):
    list_display = ("code", "name", "is_expected")
    search_fields = ("code", "name")
