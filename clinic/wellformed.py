"""What can be said of an input by itself: each field, each pair of dates. Every problem is found, none is written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from datetime import date, time
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.utils.translation import gettext as _

from .errors import Conflict, Problem

Result = TypeVar("Result")

# Django's names for what a field refuses, as people say them; any other code is a validator's own and stays.
CODES = {
    "blank": "missing",
    "null": "missing",
    "max_length": "too_long",
    "invalid_choice": "unknown_choice",
    "max_value": "too_large",
    "min_value": "too_small",
    "invalid_phone_number": "not_a_phone_number",
}
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
FURTHEST_YEAR = 2200  # a typing error beyond it; calendar arithmetic ends at 9999


def field_problems(row: models.Model, *, exclude: Collection[str] = (), where: str = "") -> list[Problem]:
    """Return what the fields of an unsaved row refuse, by field name below `where`; convert what they accept.

    Uniqueness and other tables are not asked: they depend on the state of the world.
    """
    problems = [
        Problem(
            "not_storable",
            _("“%(field)s” has a character that cannot be stored: type it again.") % {"field": field.verbose_name},
            _path(where, field.name),
        )
        for field in _fields(type(row))
        if field.name not in exclude and not _is_storable(getattr(row, field.attname))
    ]
    if problems:
        return problems
    try:
        # `blank` speaks of forms; what may be NULL may be left out here.
        absent = {field.name for field in _fields(type(row)) if field.null and getattr(row, field.attname) is None}
        row.clean_fields(exclude=absent.union(exclude))
    except ValidationError as error:
        labels = {field.name: str(field.verbose_name) for field in _fields(type(row))}
        for name, errors in error.error_dict.items():
            problems += [_problem(one, labels[name], _path(where, name)) for one in errors]
    return problems


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _problem(error: ValidationError, label: str, where: str) -> Problem:
    code = CODES.get(error.code or "invalid", error.code or "invalid")
    if code == "missing":
        return Problem(code, _("Fill in “%(field)s”.") % {"field": label}, where)
    if code == "too_long":
        limit = (error.params or {}).get("limit_value")
        return Problem(
            code,
            _("“%(field)s” is too long: use at most %(limit)s characters.") % {"field": label, "limit": limit},
            where,
        )
    return Problem(code, " ".join(error.messages), where)


def _fields(model: type[models.Model]) -> Iterable[models.Field[Any, Any]]:
    return model._meta.concrete_fields


def field_names(model: type[models.Model]) -> frozenset[str]:
    return frozenset(field.name for field in _fields(model))


def longest_text(model: type[models.Model], name: str) -> int:
    """Return how many characters a text field has room for."""
    (length,) = [field.max_length for field in _fields(model) if field.name == name]
    if length is None:
        raise TypeError(f"{name} has no limit")
    return length


def _is_storable(value: object) -> bool:
    """PostgreSQL stores neither NUL nor lone surrogates, in text or in JSON."""
    if isinstance(value, str):
        return not any(c == "\0" or unicodedata.category(c) == "Cs" for c in value)
    if isinstance(value, dict):
        return all(_is_storable(key) and _is_storable(one) for key, one in value.items())
    if isinstance(value, list | tuple):
        return all(_is_storable(one) for one in value)
    return True


def tidy(text: Any) -> Any:
    """Return the text composed (NFC) and without spaces around it; line ends stay, to be refused. Else as given."""
    return unicodedata.normalize("NFC", text).strip(" \u00a0") if isinstance(text, str) else text


def twice_problems(keys: Sequence[Hashable], where: str, code: str) -> list[Problem]:
    """Return what is wrong with a list that may name each of its rows once."""
    if len(set(keys)) == len(keys):
        return []
    return [Problem(code, _("The list names the same one twice: take one away."), where)]


def language_problems(code: object, where: str) -> list[Problem]:
    """Return what is wrong with a language tag (BCP 47, such as en or pt-BR)."""
    if isinstance(code, str) and LANGUAGE.fullmatch(code):
        return []
    return [Problem("not_a_language", _("Use the short code of a language, such as en or de."), where)]


def span_problems(
    first_on: date | None, last_on: date | None, from_time: time | None, until_time: time | None
) -> list[Problem]:
    """Return what is wrong with days, both inclusive, of which a part each day may be meant."""
    problems = []
    if first_on and last_on and last_on < first_on:
        problems.append(
            Problem("ends_before_it_begins", _("The last day lies before the first: exchange them."), "last_on")
        )
    problems += too_far_problems(first_on=first_on, last_on=last_on)
    if (from_time is None) != (until_time is None):
        problems.append(
            Problem(
                "time_half_given",
                _("Give both times, or neither for the whole day."),
                "until_time" if until_time is None else "from_time",
            )
        )
    return [*problems, *times_problems(from_time, until_time)]


def too_far_problems(where: str = "", **dates: date | None) -> list[Problem]:
    """Return which dates, by field name, are typing errors: beyond them calendar arithmetic runs out of calendar."""
    sentence = _("Choose a year before %(year)s.") % {"year": FURTHEST_YEAR}
    return [
        Problem("date_too_far", sentence, _path(where, name))
        for name, on in dates.items()
        if on is not None and on.year >= FURTHEST_YEAR
    ]


def times_problems(from_time: time | None, until_time: time | None, *, where: str = "") -> list[Problem]:
    """Return what is wrong with two wall-clock times of one day."""
    problems = [
        Problem("not_a_wall_clock_time", _("Give hours and minutes only, such as 09:30."), _path(where, name))
        for name, at in (("from_time", from_time), ("until_time", until_time))
        if at and (at.second or at.microsecond or at.tzinfo)
    ]
    if from_time and until_time and not problems and until_time <= from_time:
        problems.append(
            Problem("ends_before_it_starts", _("The end must be later than the start."), _path(where, "until_time"))
        )
    return problems


def unless_taken(write: Callable[[], Result], refusals: Mapping[str, Conflict]) -> Result:
    """Write, and raise the refusal that stands for the constraint which a faster colleague made us break."""
    try:
        with transaction.atomic():
            return write()
    except IntegrityError as error:
        refusal = refusals.get(str(getattr(getattr(error.__cause__, "diag", None), "constraint_name", None)))
        if refusal is None:
            raise
        raise refusal from error
