"""What a person asks of the plans on “Plan a course”: the form, which is kept on the page and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, time
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.errors import Problem, Refusal
from patients.admin import typed_date
from scheduling import roster
from scheduling.models import Course, Resource
from scheduling.models.resources import Weekday
from scheduling.planner import facts
from scheduling.wording import day

from .forms import ActForm, DateField, TimeField
from .timeline import Card

MOST_SPANS = 50


class Practitioners(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Several people, as ticks."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Resource.objects.none(), widget=forms.CheckboxSelectMultiple, required=False, **kwargs)


class AskForm(ActForm):
    """Whole-course terms, and a date, a time and a person for each session that has none yet.

    `of` are the cards of the sessions to plan.
    """

    starts_from = DateField(label=gettext_lazy("Start on or after"), required=False)
    starts_by = DateField(label=gettext_lazy("Start by"), required=False)
    ends_before = DateField(label=gettext_lazy("Finish before"), required=False)
    weekdays = forms.TypedMultipleChoiceField(
        label=gettext_lazy("Only on these weekdays"),
        choices=Weekday.choices,
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text=gettext_lazy("None ticked: any day."),
    )
    from_time = TimeField(label=gettext_lazy("Not before"), required=False)
    until_time = TimeField(
        label=gettext_lazy("Done by"), required=False, help_text=gettext_lazy("Only mornings: done by 12:00.")
    )
    only_with = Practitioners(
        label=gettext_lazy("Only with"),
        help_text=gettext_lazy("None ticked: anyone who can do it. Others do the sessions that none of these can do."),
    )
    not_with = Practitioners(label=gettext_lazy("Not with"))
    forbidden = forms.CharField(
        label=gettext_lazy("Not on these dates"),
        required=False,
        max_length=1000,
        help_text=gettext_lazy("Dates, or two with “to” between: 2027-03-01, 2027-03-10 to 2027-03-14."),
    )

    def prepare(self) -> None:
        version = roster.protocol_facts(self.course.version)
        led = {
            need.capability
            for step in version.steps
            for phase in step.phases
            for need in phase.needs
            if need.role == step.lead_role and step.planned_with_course
        }
        able = Resource.objects.practitioners().serving(self.course.site)
        leads = list(able.filter(has_capabilities__capability__code__in=led).order_by("name", "pk").distinct())
        for name in ("only_with", "not_with"):
            self._offer(name, leads)
        for card in self.of:
            self.fields[_name("on", card)] = DateField(label=_("Date"), required=False)
            self.fields[_name("at", card)] = TimeField(label=_("Begins at"), required=False)
            self.fields[_name("lead", card)] = forms.TypedChoiceField(
                label=_("With"),
                choices=[("", _("anyone")), *((str(lead.uid), lead.name) for lead in leads)],
                coerce=UUID,
                empty_value=None,
                required=False,
            )

    def _offer(self, name: str, leads: Sequence[Resource]) -> None:
        field: Any = self.fields[name]
        field.queryset = Resource.objects.filter(pk__in=[lead.pk for lead in leads])
        field.choices = [(lead.pk, lead.name) for lead in leads]

    @property
    def pins(self) -> list[tuple[Card, list[forms.BoundField]]]:
        """Each session to plan with its fields."""
        return [(card, [self[_name(what, card)] for what in ("on", "at", "lead")]) for card in self.of]

    @property
    def is_asking(self) -> bool:
        """Whether anything was filled in."""
        return bool(self.kept)

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What was filled in, as a page posts it back with the plan that it chose."""
        data: Any = self.data
        return [
            (name, value) for name in self.fields for value in (data.getlist(name) if self.is_bound else []) if value
        ]

    @property
    def wrong(self) -> list[tuple[forms.BoundField | None, str, str]]:
        """Everything that is wrong, with the field that it is beside and what that is called."""
        session = {_name(what, card): card.session.position for card in self.of for what in ("on", "at", "lead")}
        found: list[tuple[forms.BoundField | None, str, str]] = [(None, "", str(e)) for e in self.non_field_errors()]
        for name in self.fields:
            label = str(self[name].label)
            if name in session:
                label = _("Session %(number)d, %(label)s") % {"number": session[name], "label": label.lower()}
            found += [(self[name], label, str(error)) for error in self[name].errors]
        return found

    @property
    def in_words(self) -> list[str]:
        """What is asked, one thing each; nothing while it is wrong."""
        if not self.is_asking or self.errors:
            return []
        said = self.cleaned_data
        dates = (("starts_from", _("from %s")), ("starts_by", _("started by %s")), ("ends_before", _("over before %s")))
        found = [text % day(said[name]) for name, text in dates if said[name]]
        if said["weekdays"]:
            names = [str(label) for number, label in Weekday.choices if number in said["weekdays"]]
            found.append(_("only %s") % ", ".join(names))
        hours = (("from_time", _("not before %s")), ("until_time", _("done by %s")))
        found += [text % f"{said[name]:%H:%M}" for name, text in hours if said[name]]
        people = (("only_with", _("only with %s")), ("not_with", _("not with %s")))
        found += [text % ", ".join(one.name for one in said[name]) for name, text in people if said[name]]
        found += [
            _("not on %s") % (day(first_on) if first_on == last_on else f"{day(first_on)} – {day(last_on)}")
            for first_on, last_on in said["forbidden"]
        ]
        return found + [self._session_in_words(card) for card in self._asked_cards()]

    def _session_in_words(self, card: Card) -> str:
        on, at, lead = (self.cleaned_data[_name(what, card)] for what in ("on", "at", "lead"))
        names = dict(self.fields[_name("lead", card)].choices)  # type: ignore[attr-defined]
        pinned = [day(on) if on else "", f"{at:%H:%M}" if at else "", names[str(lead)] if lead else ""]
        return _("session %(number)d: %(pinned)s") % {
            "number": card.session.position,
            "pinned": ", ".join(filter(None, pinned)),
        }

    def clean_forbidden(self) -> tuple[facts.Between, ...]:
        words = [word.strip() for word in re.split(r"[,;\n]", self.cleaned_data["forbidden"]) if word.strip()]
        if len(words) > MOST_SPANS:
            raise forms.ValidationError(_("These are too many. Write dates that follow each other as one."))
        spans = {word: _span(word) for word in words}
        if wrong := [word for word, span in spans.items() if span is None]:
            raise forms.ValidationError(_("Not a date: %(words)s") % {"words": ", ".join(wrong)}, code="invalid")
        return tuple(span for span in spans.values() if span)

    def ask(self) -> facts.Ask:
        """Return what was filled in, as the planner reads it."""
        said = self.cleaned_data
        return facts.Ask(
            every=facts.Terms(
                forbidden=said["forbidden"],
                weekdays=frozenset(said["weekdays"]),
                from_minute=_minute(said["from_time"], 0),
                until_minute=_minute(said["until_time"], 24 * 60),
                only_with=frozenset(one.uid for one in said["only_with"]),
                not_with=frozenset(one.uid for one in said["not_with"]),
            ),
            sessions=tuple(self._of_sessions()),
            starts_from=said["starts_from"],
            starts_by=said["starts_by"],
            ends_before=said["ends_before"],
        )

    def _of_sessions(self) -> Iterator[facts.SessionTerms]:
        for card in self._asked_cards():
            on, at, lead = (self.cleaned_data[_name(what, card)] for what in ("on", "at", "lead"))
            terms = facts.Terms(
                on=on,
                at_minute=None if at is None else _minute(at, 0),
                only_with=frozenset({lead} if lead else ()),
            )
            yield facts.SessionTerms(card.session.uid, terms)

    def _asked_cards(self) -> list[Card]:
        return [card for card in self.of if any(self.cleaned_data[_name(what, card)] for what in ("on", "at", "lead"))]

    def put(self, refusal: Refusal) -> None:
        """Show what contradicts itself beside the fields it is about."""
        cards = self._asked_cards()
        for problem in refusal.problems:
            self.add_error(self._field_of(problem, cards), forms.ValidationError(problem.message, code=problem.code))

    def _field_of(self, problem: Problem, cards: Sequence[Card]) -> str | None:
        whose, *path = problem.where.split(".")
        if whose == "sessions" and len(path) == 2:
            what = {"on": "on", "at": "at", "only_with": "lead", "until_time": "at", "weekdays": "on"}.get(path[1])
            return _name(what, cards[int(path[0])]) if what else None
        name = path[0] if whose == "every" and path else whose
        return name if name in self.fields else None


def asked(request: HttpRequest, course: Course, cards: Sequence[Card], today: date) -> tuple[AskForm, facts.Ask | None]:
    """Return the form, and what it asks: nothing when the page is only looked at, None while it is wrong."""
    to_plan = [card for card in cards if card.is_open and card.live is None and card.session.step.planned_with_course]
    form = AskForm(request.POST if request.method == "POST" else None, course=course, today=today, of=to_plan)
    if not form.is_bound:
        return form, facts.Ask()
    return form, form.ask() if form.is_valid() else None


def _name(what: str, card: Card) -> str:
    return f"{what}_{card.session.uid.hex}"


def _minute(at: time | None, default: int) -> int:
    return default if at is None else at.hour * 60 + at.minute


def _span(word: str) -> facts.Between | None:
    """Return the dates that a word or two mean."""
    first, _to, last = (part.strip() for part in word.partition(" to "))
    first_on, last_on = typed_date(first), typed_date(last or first)
    return (first_on, last_on) if first_on and last_on else None
