"""Forms about one session or visit: what became of it, and what is to become of it."""

from __future__ import annotations

from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy

from patients.models import Area, Complication
from scheduling import visits, waitlist
from scheduling.admin.words import day_in_words
from scheduling.models import CancelReason, LateBand, Outcome, Resource, Session, SessionState
from scheduling.models.appointments import AskedBy
from scheduling.planner import facts

from .base import ActForm, DateField, ManyOf, Reason, TimeField


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
        field.initial = list(session.planned_areas.all())
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


class AreasForm(ActForm):
    """The areas of the course for each open treatment, those ticked that it is to treat now; named by session.

    What is sent goes with what stood there when the page was opened: only what differs is said of a session.
    """

    def prepare(self) -> None:
        choices = [(area.code, area.name) for area in self.course.areas.all()]
        treatments = self.course.sessions.filter(step__kind=facts.StepKind.TREATMENT).select_related("step")
        for session in treatments.prefetch_related("planned_areas", "appointments").order_by("position"):
            if not self._is_on_the_page(session):
                continue
            visit = next((visit for visit in session.appointments.all() if visit.is_live), None)
            label = f"{session.position}. {session.step.name}"
            self.fields[str(session.uid)] = forms.MultipleChoiceField(
                label=f"{label} · {day_in_words(visit.on)}" if visit else label,
                choices=choices,
                widget=forms.CheckboxSelectMultiple,
                required=False,
                initial=[area.code for area in session.planned_areas.all()],
                show_hidden_initial=True,
            )

    def _is_on_the_page(self, session: Session) -> bool:
        """Whether the page shows a session, or showed it when it was opened: then it may be over by now."""
        if not self.is_bound:
            return session.state == SessionState.OPEN
        name = str(session.uid)
        return name in self.data or self.add_initial_prefix(name) in self.data

    def areas(self) -> dict[UUID, list[str]]:
        """Return the codes of the areas ticked, by session, where they are other than when the page was opened."""
        return {UUID(name): self.cleaned_data[name] for name in self.changed_data}


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
