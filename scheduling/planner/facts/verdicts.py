"""What gates and rules say of a session on a date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID


class GateState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    PENDING = "pending"


class Moment(StrEnum):
    PLAN = "plan"
    BOOK = "book"
    MESSAGE = "message"
    CHECK_IN = "check_in"


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """What a gate says for a session on its date."""

    code: str  # stable: assessment_missing, answer_expired, ...
    state: GateState
    subject: str = ""  # question code, area, step key: what the sentence is about
    opens_on: date | None = None  # when it opens by itself
    changes_on: tuple[date, ...] = ()  # for pending: dates on which the answer may change
    override: str = ""  # role that may override: "" nobody


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that a slot or session breaks."""

    code: str  # the name of the rule's function, or the gate's code
    session: UUID
    on: date | None = None
    subject: str = ""  # resource id, question code, ...: what it is about
    opens_on: date | None = None
    override: str = ""
