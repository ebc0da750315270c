"""What several parts of a protocol file share, and how much each may say."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import TypeVar

from django.utils.translation import gettext as _

from scheduling.planner.amounts import Amount
from scheduling.protocols.document import Step
from scheduling.protocols.reading import Value
from scheduling.protocols.vocabulary import Vocabulary

OLDEST_AGE = 120
SESSIONS_AT_MOST = 500
LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,6})?")
JURISDICTION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
MINUTES_AT_MOST = 12 * 60
DAYS_AT_MOST = 3650
PLACEHOLDER = Amount(0, 0, "")  # stands where an amount was refused: such a document is never handed out
Item = TypeVar("Item")


def read_jurisdiction(value: Value) -> str:
    return _matching(value, JURISDICTION, "jurisdiction_malformed", _("GB, or GB-SCT"))


def read_languages(value: Value) -> dict[str, Value]:
    entries = (value.entries() if value.is_there else {}) or {}
    for language, text in entries.items():
        if not LANGUAGE.fullmatch(language):
            message = _("“%(text)s” is no language. Write its short form, in small letters, such as en, de or pt-br.")
            text.refuse("language_malformed", message % {"text": language})
        elif not text.is_there:
            text.refuse("missing", _("Write the text, or remove the language."))
    return entries


def read_areas(value: Value, words: Vocabulary) -> tuple[str, ...]:
    """Return area codes, regions resolved to the areas that lie in them."""
    read = read_each(value, lambda item: _area(item, words), lambda area: area[1])
    for item, name in read:
        for _item, other in read:
            if words.places[name] < words.places[other]:
                message = _("“%(name)s” lies in “%(other)s”, which stands here too. Remove the one that is not meant.")
                item.doubt("area_in_region", message % {"name": name, "other": other})
    return tuple(sorted(frozenset().union(*(words.places[name] for _item, name in read))))


def _area(value: Value, words: Vocabulary) -> tuple[Value, str] | None:
    name = value.choice(words.places, "area_unknown", own_words())
    return (value, name) if name else None


def own_words() -> str:
    """What to do about a word that the vocabulary does not have."""
    return _("See “manage.py protocol words”, or add it to a file of your own words, named together with this one.")


def days_in_effect(top: dict[str, Value]) -> tuple[date | None, date | None]:
    """Return the first and last day on which something is in effect."""
    begins, ends = top["effective_from"].day(), top["effective_to"].day()
    if begins and ends and ends < begins:
        message = _("It would end (%(ends)s) before it begins (%(begins)s). Correct one of the dates.")
        top["effective_to"].refuse("ends_before_it_begins", message % {"ends": ends, "begins": begins})
    return begins, ends


def _matching(value: Value, pattern: re.Pattern[str], code: str, examples: str) -> str:
    text = value.scalar() or ""
    if text and not pattern.fullmatch(text):
        message = _("“%(text)s” cannot stand here. Write for example %(examples)s.")
        value.refuse(code, message % {"text": text, "examples": examples})
    return text


def repeats(step: Step) -> bool:
    return step.sessions > 1 or (step.at_most or 1) > 1


def read_each(value: Value, one: Callable[[Value], Item | None], name: Callable[[Item], str]) -> tuple[Item, ...]:
    """Return the items of a list that could be read, each name once."""
    found: dict[str, Item] = {}
    for place in value.items():
        item = one(place)
        if item is None:
            continue
        if name(item) and name(item) in found:
            place.repeated(name(item))
        found[name(item)] = item
    return tuple(found.values())
