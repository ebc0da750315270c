"""What the forms of our pages are made of: fields, and a form about a course."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from scheduling import holds
from scheduling.models import Course

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
    def as_opened(self) -> SafeString:
        """What stood in fields with `show_hidden_initial` when the page was opened, to be sent along."""
        kept = [self[name] for name, field in self.fields.items() if field.show_hidden_initial]
        return format_html_join("", "{}", ((field.as_hidden(only_initial=True),) for field in kept))

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


class ReasonForm(ActForm):
    reason = Reason(label=gettext_lazy("Why"))
