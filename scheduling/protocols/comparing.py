"""Says in words what differs between two protocols. Pure.

Both are compared as they would be written, so whatever the language can say is compared, and named as in the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from scheduling.planner.gates import GATES

from .document import Document
from .writing import as_written

# Lists of groups: what tells their items apart, and what an item is called.
LISTS: Mapping[str, tuple[tuple[str, ...], Any]] = {
    "steps": (("key",), gettext_lazy("step %(name)s")),
    "phases": (("name",), gettext_lazy("phase %(name)s")),
    "spacings": (("from", "only_for_areas", "effective_from"), gettext_lazy("spacing from %(name)s")),
    "late_bands": (("from",), gettext_lazy("late band from %(name)s")),
    "gates": (("gate",), gettext_lazy("gate %(name)s")),
    "cooling_off": (("jurisdiction", "under_age"), gettext_lazy("cooling-off %(name)s")),
    "questions": (("question",), gettext_lazy("question %(name)s")),
    "follow_ups": (("key",), gettext_lazy("follow-up %(name)s")),
    "messages": (("kind", "days_before", "days_after"), gettext_lazy("message %(name)s")),
}
LONG = 120  # characters; a longer text is worded anew, and not shown


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs: where, and what stood and stands there (None: it was, or is, not there)."""

    part: str  # the part of the file: steps, questions, messages, ...
    where: tuple[str, ...]
    before: str | None
    after: str | None

    def __str__(self) -> str:
        place = ", ".join(self.where)
        if self.before is None:
            sentence = _("%(place)s: new, %(what)s") if self.after else _("%(place)s: new")
            return sentence % {"place": place, "what": self.after}
        if self.after is None:
            sentence = _("%(place)s: gone, it was %(what)s") if self.before else _("%(place)s: gone")
            return sentence % {"place": place, "what": self.before}
        if max(len(self.before), len(self.after)) > LONG or "\n" in self.before + self.after:
            return _("%(place)s: worded anew") % {"place": place}
        return _("%(place)s: %(before)s becomes %(after)s") % {
            "place": place,
            "before": self.before,
            "after": self.after,
        }


def differences(one: Document, other: Document) -> list[Difference]:
    """Return what differs from one protocol to another, in the order of the file. None: they say the same."""
    before, after = as_written(one), as_written(other)
    return [
        Difference(part, *found)
        for part in dict.fromkeys([*before, *after])
        for found in _between(part, before.get(part), after.get(part), (part,))
    ]


_Found = tuple[tuple[str, ...], str | None, str | None]


def _between(name: str, before: Any, after: Any, where: tuple[str, ...]) -> Iterator[_Found]:
    if before == after:
        return
    if name in LISTS and _is_list(before) and _is_list(after):
        yield from _items(name, before or [], after or [], where)
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from _between(key, before.get(key), after.get(key), (*where, key))
    elif isinstance(before, tuple | list) and isinstance(after, tuple | list):
        for item in [item for item in before if item not in after]:
            yield where, str(item), None
        for item in [item for item in after if item not in before]:
            yield where, None, str(item)
    else:
        yield where, _shown(before), _shown(after)


def _items(name: str, before: Sequence[Any], after: Sequence[Any], where: tuple[str, ...]) -> Iterator[_Found]:
    """Yield what differs in a list of groups: those that came and went, and what changed in those that stayed."""
    old, new = _by_name(name, before), _by_name(name, after)
    above = where[:-1]
    for item in dict.fromkeys([*old, *new]):
        called = (*above, str(LISTS[name][1]) % {"name": item})
        if item not in new:
            yield called, _beyond_its_name(name, old[item]), None
        elif item not in old:
            yield called, None, _beyond_its_name(name, new[item])
        else:
            yield from _between("", old[item], new[item], called)
    stayed = [item for item in new if item in old]
    if name == "steps" and stayed != [item for item in old if item in new]:
        yield where, ", ".join(old), ", ".join(new)


def _by_name(name: str, items: Sequence[Any]) -> dict[str, Any]:
    """Return groups by what tells them apart; equal ones are numbered."""
    found: dict[str, Any] = {}
    for item in items:
        group = _gate(item) if name == "gates" else item
        words = [_shown(group[key]) for key in LISTS[name][0] if key in group]
        called = plain = ", ".join(str(word) for word in words) or str(_("everywhere"))
        number = 1
        while called in found:
            number += 1
            called = f"{plain} ({number})"
        found[called] = group
    return found


def _gate(item: Any) -> dict[str, Any]:
    """Return a gate as a group; one that a step may list several times is told apart by what it takes."""
    if isinstance(item, str):
        return {"gate": item}
    ((gate, takes),) = item.items()
    return {"gate": f"{gate} {_shown(takes)}"} if GATES[gate].repeats else {"gate": gate, **takes}


def _beyond_its_name(name: str, group: dict[str, Any]) -> str:
    return _shown({key: part for key, part in group.items() if key not in LISTS[name][0]}) or ""


def _is_list(value: Any) -> bool:
    return value is None or isinstance(value, list | tuple)


def _shown(value: Any) -> str | None:
    match value:
        case None:
            return None
        case dict():
            parts = ((key, _shown(part)) for key, part in value.items() if not isinstance(part, list))
            return ", ".join(f"{key} {part}" for key, part in parts)
        case tuple():
            return ", ".join(value)
        case list():
            return "; ".join(str(_shown(item)) for item in value)
    return str(value)
