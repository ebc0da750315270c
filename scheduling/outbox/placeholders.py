"""What a message text may name, and how it is put in: a fixed list, text only, no template code. Pure.

`${name}` is replaced and nothing else is looked at, so `{% load %}` and `{{ settings }}` stay the letters they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

# What each stands for. Those in SUBJECT are neutral enough to be read on a locked screen.
PLACEHOLDERS = {
    "name": "the patient's name",
    "given_name": "the patient's given name",
    "family_name": "the patient's family name",
    "when": "date and time of the visit, short; of several: the first, and how many more",
    "date": "date of the (first) visit, in full",
    "time": "time of the (first) visit",
    "zone": "the time zone of the visit",
    "count": "how many visits the message speaks of",
    "visits": "list: each visit with date, time and time zone",
    "changes": "list: each visit that moved, old and new time",
    "questions": "list: what the patient will be asked (again) before the visit",
    "kept_until": "of an offer: until when the time is kept for the patient",
    "from_date": "the first date on which the next session may take place",
    "sender": "the site's sender name",
    "site": "the site's name",
    "address": "the site's address",
    "phone": "the site's phone number",
}
SUBJECT = frozenset({"when", "date", "time", "zone", "count", "sender", "from_date", "kept_until"})
LISTS = frozenset({"visits", "changes", "questions"})

FOUND = re.compile(r"\$\{([^}]*)\}")
PARAGRAPH = re.compile(r"\n\s*\n")


def named_in(text: str) -> list[str]:
    """Return the placeholders of a text, each once, in the order of the text."""
    return list(dict.fromkeys(FOUND.findall(text)))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return the text with its placeholders replaced; what they are replaced with is not looked at again."""
    return FOUND.sub(lambda found: values[found[1]], text)


def paragraphs(body: str, lists: Mapping[str, list[str]]) -> list[str]:
    """Return the paragraphs of a body; one that names an empty list is left out, with its introduction."""
    found = [paragraph.strip() for paragraph in PARAGRAPH.split(body.replace("\r\n", "\n").strip())]
    return [p for p in found if p and all(lists.get(name) for name in named_in(p) if name in LISTS)]


def as_text(body: str, values: Mapping[str, str], lists: Mapping[str, list[str]]) -> str:
    """Return the plain-text form of a body."""
    whole = {**values, **{name: "\n".join(f"- {item}" for item in items) for name, items in lists.items()}}
    return "\n\n".join(filled(paragraph, whole) for paragraph in paragraphs(body, lists)) + "\n"


def as_html(body: str, values: Mapping[str, str], lists: Mapping[str, list[str]]) -> str:
    """Return the HTML form of the same body: paragraphs and lists, everything escaped."""
    safe = {name: escape(value).replace("\n", "<br>") for name, value in values.items()}
    return "\n".join(_html(paragraph, safe, lists) for paragraph in paragraphs(body, lists))


def _html(paragraph: str, safe: Mapping[str, str], lists: Mapping[str, list[str]]) -> str:
    """Lines that begin with a dash, and list placeholders on a line of their own, become lists."""
    parts: list[str] = []
    lines: list[str] = []
    items: list[str] = []

    def end_lines() -> None:
        if lines:
            parts.append(f'<p style="{P}">{"<br>".join(lines)}</p>')
            lines.clear()

    def end_items() -> None:
        if items:
            parts.append(f'<ul style="{UL}">{"".join(f"<li>{item}</li>" for item in items)}</ul>')
            items.clear()

    inline = {**safe, **{name: escape(", ".join(values)) for name, values in lists.items()}}
    for line in paragraph.split("\n"):
        alone = FOUND.fullmatch(line.strip())
        if alone and alone[1] in LISTS:
            end_lines()
            items.extend(escape(item) for item in lists[alone[1]])
        elif line.startswith("- "):
            end_lines()
            items.append(filled(escape(line[2:], quote=False), inline))
        else:
            end_items()
            lines.append(filled(escape(line, quote=False), inline))
    end_lines()
    end_items()
    return "\n".join(parts)


P = "margin:0 0 16px;line-height:1.5"
UL = "margin:0 0 16px;padding-left:20px;line-height:1.6"
