"""Reads YAML as a tree of nodes, so that every problem can name its path and its line.

No YAML value is ever built: a scalar stays the text that stands in the file, so `no` is an answer and not False, and
`2027-01-01` a date only where a date is asked for. Aliases, tags and deep nesting are refused before the tree is made.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from difflib import get_close_matches
from typing import Any, TypeVar

import yaml
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinic.errors import Problem, RuleBroken
from clinic.validators import validate_one_line
from scheduling.planner.amounts import DAYS_OF_YEAR, FORMS, Amount, DayOfYear

SIZE_AT_MOST = 1024 * 1024  # bytes
DEPTH_AT_MOST = 12
ITEMS_AT_MOST = 500
PROBLEMS_AT_MOST = 200  # a person mends these first; what is no protocol at all must not keep us busy
CHOICES_SHOWN = 12
GUESSED, MEANT = 0.6, 0.7  # how alike a known word must be: of a short list, and of one that may lack the word
KEY = re.compile(r"[a-z][a-z0-9_-]{0,49}")
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
YES, NO = frozenset({"yes", "true"}), frozenset({"no", "false"})
NULL = "tag:yaml.org,2002:null"

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C one is the same language, ten times as fast
_Kind = TypeVar("_Kind", bound=str)


class ProtocolInvalid(RuleBroken):
    """The file is not a protocol (or vocabulary). Nothing was stored; every problem names its path and line."""

    code = "protocol_invalid"
    title = "The file cannot be used as it stands."


@dataclass(frozen=True, slots=True)
class Value:
    """What stands at a place in the file. `node` is None where nothing stands."""

    path: str
    line: int
    node: yaml.Node | None
    problems: list[Problem] = field(default_factory=list, repr=False)
    doubts: list[Problem] = field(default_factory=list, repr=False)

    def refuse(self, code: str, message: str) -> None:
        if len(self.problems) < PROBLEMS_AT_MOST:
            self.problems.append(Problem(code, message, self.path, {"line": self.line}))

    def doubt(self, code: str, message: str) -> None:
        """Say what is well written and hardly meant: it is shown, and keeps nobody from using the file."""
        if len(self.doubts) < PROBLEMS_AT_MOST:
            self.doubts.append(Problem(code, message, self.path, {"line": self.line}))

    @property
    def is_group(self) -> bool:
        """Whether a mapping stands here."""
        return isinstance(self.node, yaml.MappingNode)

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, yaml.SequenceNode)

    @property
    def is_there(self) -> bool:
        """Whether something stands here: not null, and no text without a letter."""
        is_blank = isinstance(self.node, yaml.ScalarNode) and (self.node.tag == NULL or not self.node.value.strip())
        return self.node is not None and not is_blank

    def fields(self, *names: str, required: Collection[str] = ()) -> dict[str, Value] | None:
        """Return a value for each of the names (some with nothing there), or None when this is no mapping at all."""
        found = self.entries()
        if found is None:
            return None
        for name, value in found.items():
            if name not in names and len(self.problems) < PROBLEMS_AT_MOST:
                remedy = _meant(name, names) or _("Known here: %(names)s.") % {"names": ", ".join(names)}
                message = _("There is no field “%(name)s” here. %(remedy)s")
                value.refuse("field_unknown", message % {"name": name, "remedy": remedy})
        result = {name: found.get(name) or self._nothing_at(name) for name in names}
        for name in required:
            if not result[name].is_there:
                result[name].refuse("missing", _("Add “%(name)s:”; it cannot be left out.") % {"name": name})
        return result

    def entries(self) -> dict[str, Value] | None:
        """Return the entries of a mapping with free keys, or None (said) when it is none."""
        if not isinstance(self.node, yaml.MappingNode):
            self.refuse("not_a_mapping", _("Write “name: value” lines here, one below the other."))
            return None
        found: dict[str, Value] = {}
        for key, node in self.node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            value = replace(self, path=_joined(self.path, name or "?"), line=_line(key), node=node)
            if not name:
                value.refuse("not_a_key", _("A name is needed before the colon."))
            elif name in found:
                message = _("“%(name)s” stands here twice, first in line %(line)s. Remove one of them.")
                value.refuse("field_repeated", message % {"name": name, "line": found[name].line})
            else:
                found[name] = value
        return found

    def items(self) -> list[Value]:
        """Return the items of a list; nothing there is an empty list."""
        if not self.is_there:
            return []
        if not isinstance(self.node, yaml.SequenceNode):
            self.refuse("not_a_list", _("Write a list here: items that begin with “- ”, or [one, two]."))
            return []
        if len(self.node.value) > ITEMS_AT_MOST:
            self.refuse("too_many", _("At most %(most)s items can stand here.") % {"most": ITEMS_AT_MOST})
            return []
        found = [
            replace(self, path=f"{self.path}[{index}]", line=_line(node), node=node)
            for index, node in enumerate(self.node.value)
        ]
        for item in found:
            if not item.is_there:
                item.refuse("missing", _("Nothing stands behind this “-”. Write the item, or remove the line."))
        return [item for item in found if item.is_there]

    def scalar(self) -> str | None:
        """Return the text as it stands, or None when nothing stands here or (said) when it is a list or mapping."""
        if not self.is_there:
            return None
        if not isinstance(self.node, yaml.ScalarNode):
            self.refuse("not_a_text", _("Write a single value here, not a list or a group."))
            return None
        return str(self.node.value)

    def words(self, most: int) -> str:
        """Return one line of text, "" when there is none."""
        text = self.text(most)
        try:
            validate_one_line(text)
        except ValidationError as error:
            self.refuse("not_one_line", " ".join(error.messages))
        return text

    def text(self, most: int) -> str:
        """Return text that may have several lines, without blank ends."""
        text = (self.scalar() or "").strip()
        if len(text) > most:
            message = ngettext("Shorten this to %(most)s character.", "Shorten this to %(most)s characters.", most)
            self.refuse("too_long", message % {"most": most})
        return text

    def key(self) -> str:
        """Return a key: it is what other lines, and later versions, refer to."""
        text = self.scalar() or ""
        if text and not KEY.fullmatch(text):
            message = _("“%(text)s” is no key: use small letters, digits and _, begin with a letter, at most 50.")
            self.refuse("key_malformed", message % {"text": text})
        return text

    def number(self, least: int, most: int, default: int) -> int:
        number = self.optional_number(least, most)
        return default if number is None else number

    def optional_number(self, least: int, most: int) -> int | None:
        text = self.scalar()
        if text is None:
            return None
        if not re.fullmatch(r"-?[0-9]{1,9}", text):
            self.refuse("not_a_number", _("“%(text)s” is no whole number. Write digits only.") % {"text": text})
            return None
        if not least <= int(text) <= most:
            message = _("%(number)s is not possible here. Write a number from %(least)s to %(most)s.")
            self.refuse("number_out_of_range", message % {"number": text, "least": least, "most": most})
            return None
        return int(text)

    def amount(self) -> Amount | None:
        text = self.scalar()
        if text is None:
            return None
        try:
            amount = Amount.parse(text)
        except ValueError:
            message = _("“%(text)s” is no length of time on the calendar. Write for example %(forms)s.")
            self.refuse("amount_unreadable", message % {"text": text, "forms": FORMS})
            return None
        if len(str(amount)) > 60:
            self.refuse("too_long", _("Shorten this to %(most)s characters.") % {"most": 60})
        return amount

    def day(self) -> date | None:
        text = self.scalar()
        if text is None:
            return None
        try:
            return date.fromisoformat(text if ISO_DATE.fullmatch(text) else "")
        except ValueError:
            self.refuse("date_unreadable", _("“%(text)s” is no date. Write it as 2027-01-31.") % {"text": text})
            return None

    def day_of_year(self) -> DayOfYear | None:
        text = self.scalar()
        if text is None:
            return None
        try:
            return DayOfYear.parse(text)
        except ValueError:
            message = _("“%(text)s” is no day of the year. Write month and day, for example %(forms)s.")
            self.refuse("day_of_year_unreadable", message % {"text": text, "forms": DAYS_OF_YEAR})
            return None

    def flag(self, default: bool) -> bool:
        text = self.scalar()
        if text is None:
            return default
        if text.lower() not in YES | NO:
            self.refuse("not_yes_or_no", _("“%(text)s” is neither yes nor no.") % {"text": text})
        return text.lower() in YES

    def choice(
        self, choices: Iterable[_Kind], code: str = "choice_unknown", if_none_is_meant: str = ""
    ) -> _Kind | None:
        """Return one of the choices, or None: said with the one that is near, or with all of them if they are few.

        `if_none_is_meant` is what to do where the writer may add to the choices: they are many, and near is not enough.
        """
        text = self.scalar()
        if text is None:
            return None
        known = {str(choice): choice for choice in choices}
        if text not in known:
            remedy = _meant(text, known, MEANT if if_none_is_meant else GUESSED)
            if not remedy and (not if_none_is_meant or len(known) <= CHOICES_SHOWN):
                remedy = _("Choose one of: %(names)s.") % {"names": ", ".join(known)}
            message = _("“%(text)s” is not known here. %(remedy)s") % {"text": text, "remedy": remedy}
            self.refuse(code, f"{message.strip()} {if_none_is_meant}".strip())
        return known.get(text)

    def part(self, text: str) -> Value:
        """Return a piece of what stands here (or its name) as a value of its own, at the same place."""
        return replace(self, node=yaml.ScalarNode("tag:yaml.org,2002:str", text))

    def peek(self, name: str) -> str:
        """Return the text of a field without a word about what may be wrong with it."""
        pairs = self.node.value if isinstance(self.node, yaml.MappingNode) else []
        return next((str(node.value) for key, node in pairs if key.value == name), "")

    def peek_text(self) -> str:
        return str(self.node.value) if isinstance(self.node, yaml.ScalarNode) else ""

    def repeated(self, what: str) -> None:
        message = _("“%(what)s” stands in this list twice. Remove one of them.") % {"what": what}
        self.refuse("repeated", message)

    def _nothing_at(self, name: str) -> Value:
        return replace(self, path=_joined(self.path, name), node=None)


def read(text: str) -> Value:
    """Return the whole file as a value, or raise ProtocolInvalid when there is no tree to speak of."""
    if len(text.encode(errors="surrogatepass")) > SIZE_AT_MOST:
        raise _refusal("too_large", _("The file is larger than 1 MiB. A protocol has a few pages: check the file."), 1)
    try:
        _refuse_tricks(text)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = _("This is not readable as YAML (%(problem)s). Check indentation, colons and quotes near this line.")
        problem = error.problem or error.context or ""
        raise _refusal("not_yaml", message % {"problem": problem}, mark.line + 1 if mark else 1) from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        message = _("The file holds a character that cannot stand in it. Save it as plain text in UTF-8.")
        raise _refusal("not_yaml", message, 1) from error
    if not isinstance(node, yaml.MappingNode):
        raise _refusal("not_a_mapping", _("The file must be made of “name: value” lines. See docs/protocols.md."), 1)
    return Value("", 1, node)


def _refuse_tricks(text: str) -> None:
    """Refuse what a protocol never needs and a hostile file might use; parsing events needs no stack of ours."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = _line(event)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        documents += isinstance(event, yaml.DocumentStartEvent)
        if depth > DEPTH_AT_MOST:
            raise _refusal(
                "too_deep", _("Too many levels inside each other. Check the brackets and indentation."), line
            )
        if documents > 1:
            raise _refusal("several_documents", _("Write one protocol in a file: remove the line “---”."), line)
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            message = _("& and * (anchors and aliases) are not used here. Write the text out, or put it in quotes.")
            raise _refusal("alias_not_allowed", message, line)
        if getattr(event, "tag", None):
            raise _refusal("tag_not_allowed", _("! (tags) are not used here. Put the text in quotes."), line)


def _refusal(code: str, message: str, line: int) -> ProtocolInvalid:
    return ProtocolInvalid(Problem(code, message, "", {"line": line}))


def _meant(name: str, names: Iterable[str], likeness: float = GUESSED) -> str:
    near = get_close_matches(name, list(names), n=1, cutoff=likeness)
    return _("Did you mean “%(name)s”?") % {"name": near[0]} if near else ""


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _line(place: yaml.Node | yaml.Event) -> int:
    return place.start_mark.line + 1 if place.start_mark else 1
