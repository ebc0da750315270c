"""The words that protocols may use: questions, areas, complications, capabilities, each other. From files, pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from django.utils.translation import gettext as _

from .reading import KEY, ProtocolInvalid, Value, read

SECTIONS = ("questions", "areas", "complications", "capabilities")
SIDES = ("left", "right", "none")


@dataclass(frozen=True)
class QuestionWords:
    code: str
    text: str
    choices: tuple[str, ...] = ("no", "yes")
    texts: Mapping[str, str] = field(default_factory=dict)  # language -> question


@dataclass(frozen=True)
class AreaWords:
    code: str
    name: str
    region: str
    side: str = ""  # left, right or none


@dataclass(frozen=True)
class ComplicationWords:
    code: str
    name: str
    is_expected: bool = False


Word = TypeVar("Word", QuestionWords, AreaWords, ComplicationWords)


@dataclass(frozen=True)
class Vocabulary:
    """The known words. Of two vocabularies put together, the later one wins where both have a code."""

    questions: tuple[QuestionWords, ...] = ()
    areas: tuple[AreaWords, ...] = ()
    complications: tuple[ComplicationWords, ...] = ()
    capabilities: Mapping[str, str] = field(default_factory=dict)  # code -> name
    protocols: frozenset[str] = frozenset()  # keys of protocols that there are; no file lists them

    def joined(self, other: Vocabulary) -> Vocabulary:
        return Vocabulary(
            _joined(self.questions, other.questions),
            _joined(self.areas, other.areas),
            _joined(self.complications, other.complications),
            {**self.capabilities, **other.capabilities},
            self.protocols | other.protocols,
        )

    @cached_property
    def choices(self) -> dict[str, tuple[str, ...]]:
        return {question.code: question.choices for question in self.questions}

    @cached_property
    def places(self) -> dict[str, frozenset[str]]:
        """Area codes by what a protocol may write: the code itself, or the region it lies in."""
        places: dict[str, frozenset[str]] = {}
        for area in self.areas:
            places[area.region] = places.get(area.region, frozenset()) | {area.code}
        return places | {area.code: frozenset({area.code}) for area in self.areas}


def parse_vocabulary(text: str) -> Vocabulary:
    """Read a vocabulary file, or raise ProtocolInvalid with everything that is wrong."""
    file = read(text)
    sections = file.fields(*SECTIONS) or {}
    vocabulary = Vocabulary(
        tuple(_question(item) for item in _coded(sections["questions"])),
        tuple(_area(item) for item in _coded(sections["areas"])),
        tuple(_complication(item) for item in _coded(sections["complications"])),
        _names(sections["capabilities"]),
    )
    regions = {area.region for area in vocabulary.areas}
    for code, value in _coded(sections["areas"]):
        if code in regions:
            value.refuse(
                "area_is_a_region", _("“%(code)s” is also a region. Give the area another code.") % {"code": code}
            )
    if file.problems:
        raise ProtocolInvalid(*file.problems)
    return vocabulary


def is_vocabulary(text: str) -> bool:
    """Whether a file is a vocabulary and no protocol: all its sections are those of a vocabulary."""
    entries = read(text).entries() or {}
    return bool(entries) and entries.keys() <= set(SECTIONS)


def named_in(texts: Iterable[str]) -> Vocabulary:
    """Return the keys of the protocols that files describe: files that come together may name each other."""
    keys = set()
    for text in texts:
        try:
            keys.add(read(text).peek("protocol"))
        except ProtocolInvalid:
            continue  # said when that file is read as a whole
    return Vocabulary(protocols=frozenset(keys - {""}))


def _coded(section: Value) -> list[tuple[str, Value]]:
    """Return the entries of a section written as `code: …`, with their codes checked."""
    entries = (section.entries() if section.is_there else {}) or {}
    for code, value in entries.items():
        if not KEY.fullmatch(code):
            message = _("“%(text)s” is no code: use small letters, digits and _, begin with a letter, at most 50.")
            value.refuse("key_malformed", message % {"text": code})
    return list(entries.items())


def _question(item: tuple[str, Value]) -> QuestionWords:
    code, value = item
    fields = value.fields("text", "choices", "texts", required=["text"])
    if fields is None:
        return QuestionWords(code, "")
    choices = tuple(choice.key() for choice in fields["choices"].items()) or ("no", "yes")
    if len(set(choices)) < max(2, len(choices)):
        fields["choices"].refuse("choices_too_few", _("A question needs two different answers or more."))
    return QuestionWords(code, fields["text"].words(300), choices, _names(fields["texts"], 300))


def _area(item: tuple[str, Value]) -> AreaWords:
    code, value = item
    fields = value.fields("name", "region", "side", required=["name", "region"])
    if fields is None:
        return AreaWords(code, "", "")
    side = fields["side"].choice(SIDES) or ""
    return AreaWords(code, fields["name"].words(80), fields["region"].key(), "" if side == "none" else side)


def _complication(item: tuple[str, Value]) -> ComplicationWords:
    code, value = item
    fields = value.fields("name", "expected", required=["name"])
    if fields is None:
        return ComplicationWords(code, "")
    return ComplicationWords(code, fields["name"].words(120), fields["expected"].flag(default=False))


def _names(section: Value, most: int = 120) -> dict[str, str]:
    return {code: value.words(most) for code, value in _coded(section)}


def _joined(one: Iterable[Word], other: Iterable[Word]) -> tuple[Word, ...]:
    return tuple(({word.code: word for word in one} | {word.code: word for word in other}).values())
