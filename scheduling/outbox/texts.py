"""The words of messages: the writer of MessageText, and the choice of words for a patient."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path

import yaml
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from clinic.acts import act
from clinic.errors import NotAllowed, Problem, RuleBroken
from clinic.models import Role, User
from clinic.validators import validate_one_line
from scheduling.models import MessageKind, MessageText, Protocol

from . import placeholders

FILES = Path(__file__).resolve().parent.parent / "message_texts"
LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
LAST_RESORT = "en"


class TextRefused(RuleBroken):
    """The words cannot be stored as they stand; the problems say where."""

    code = "message_text_refused"
    title = "This text cannot be used."


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of one kind of message in one language, placeholders not yet filled in."""

    language: str
    subject: str
    body: str


@act
def save_text(
    *,
    kind: str,
    language: str,
    protocol: Protocol | None = None,
    subject: str,
    body: str,
    by: User | None,
    now: datetime,
) -> MessageText:
    """Store the words of a kind of message, replacing those there were; refuse what could not be sent.

    `by` None is the clinic's own set-up; a person must be a manager. Whatever is not a placeholder of the list stays
    the letters it is.
    """
    if by is not None and not by.has_role(Role.MANAGER):
        raise NotAllowed(Problem("role_missing", _("Only a manager may change message texts. Ask one.")))
    if problems := problems_of(kind=kind, language=language, subject=subject, body=body):
        raise TextRefused(*problems)
    text, _created = MessageText.objects.update_or_create(
        kind=kind,
        language=language,
        protocol=protocol,
        defaults={
            "subject": subject.strip(),
            "body": body.replace("\r\n", "\n").strip() + "\n",
            "placeholders": placeholders.named_in(subject + body),
            "changed_at": now,
        },
    )
    return text


def problems_of(*, kind: str, language: str, subject: str, body: str) -> list[Problem]:
    """Return everything that keeps these words from being stored."""
    problems = []
    if kind not in MessageKind.values:
        problems.append(Problem("message_kind_unknown", _("There is no message of this kind: %s.") % kind, "kind"))
    if not LANGUAGE.fullmatch(language) or len(language) > 10:
        problems.append(
            Problem(
                "language_unknown", _("Write the language as a code in small letters, such as en or de."), "language"
            )
        )
    if not subject.strip() or not body.strip():
        problems.append(Problem("message_text_empty", _("A message needs a subject and a text."), "body"))
    if len(subject) > 150:
        problems.append(Problem("subject_too_long", _("Keep the subject within 150 characters."), "subject"))
    try:
        validate_one_line(subject)
    except ValidationError:
        problems.append(Problem("subject_not_one_line", _("Write the subject on one line."), "subject"))
    return (
        problems
        + _unknown(subject, placeholders.SUBJECT, "subject")
        + _unknown(body, placeholders.PLACEHOLDERS, "body")
    )


def _unknown(text: str, known: Iterable[str], where: str) -> list[Problem]:
    allowed = sorted(known)
    return [
        Problem(
            "placeholder_unknown",
            _("“${%(name)s}” cannot be used here. Use one of: %(allowed)s.")
            % {"name": name, "allowed": ", ".join(f"${{{one}}}" for one in allowed)},
            where,
        )
        for name in placeholders.named_in(text)
        if name not in allowed
    ]


@act
def load_texts(*, now: datetime, by: User | None = None, overwrite: bool = False) -> int:
    """Store the shipped texts (those that are not stored yet, or all of them), and say how many were written."""
    stored = set(MessageText.objects.filter(protocol=None).values_list("kind", "language"))
    written = 0
    for language in shipped():
        for kind, wording in shipped()[language].texts.items():
            if overwrite or (kind, language) not in stored:
                save_text(kind=kind, language=language, subject=wording.subject, body=wording.body, by=by, now=now)
                written += 1
    return written


# --- choosing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shipped:
    """What a file of message_texts/ holds: words of the service's own, and default texts by kind."""

    words: Mapping[str, str]
    texts: Mapping[str, Wording]


@cache
def shipped() -> dict[str, Shipped]:
    """Return the shipped texts by language, English first."""
    found = {}
    for file in sorted(FILES.glob("*.yaml"), key=lambda file: (file.stem != LAST_RESORT, file.stem)):
        data = yaml.safe_load(file.read_text("utf-8"))
        language = str(data["language"])
        texts = {kind: Wording(language, text["subject"], text["body"]) for kind, text in data["texts"].items()}
        found[language] = Shipped(data["words"], texts)
    return found


def words(language: str) -> Mapping[str, str]:
    """Return the service's own words in a language, in English where it has none."""
    known = shipped()
    return known.get(language, known.get(language.partition("-")[0], known[LAST_RESORT])).words


def with_red_flags(wording: Wording, kind: str) -> Wording:
    """Return advice after a session with the signs of an emergency added, if it speaks of none.

    Whoever wrote it: a protocol's file, a manager who edited it, or nobody.
    """
    known = words(wording.language)
    if kind != MessageKind.AFTERCARE or any(
        word.strip() in wording.body.lower() for word in known["emergency"].split(",")
    ):
        return wording
    return replace(wording, body=f"{wording.body.rstrip()}\n\n{known['red_flags']}")


class Library:
    """The stored texts, read once for a batch of messages."""

    def __init__(self) -> None:
        self._texts = {
            (text.kind, text.language, text.protocol_id): Wording(text.language, text.subject, text.body)
            for text in MessageText.objects.all()
        }

    def wording(self, kind: str, protocol: int | None, languages: Iterable[str]) -> Wording:
        """Return the words in the first language that has any: the protocol's own, the stored, or the shipped ones."""
        for language in _with_shorter(languages):
            own = self._texts.get((kind, language, protocol)) or self._texts.get((kind, language, None))
            if own:
                return with_red_flags(own, kind)
            if language in shipped() and kind in shipped()[language].texts:
                return with_red_flags(shipped()[language].texts[kind], kind)
        raise LookupError(f"no text for {kind}")


def _with_shorter(languages: Iterable[str]) -> list[str]:
    """de-at, then de; English is the last resort."""
    wanted = [one for language in languages for one in (language.lower(), language.lower().partition("-")[0])]
    return list(dict.fromkeys([*wanted, LAST_RESORT]))
