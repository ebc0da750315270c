"""Clinical conditions that must be open before a session may happen: one function per gate, asked at four moments.

Each gate answers with what is *not* open, for a session on a date, as known on `today` (the site's local date at
asking). All that is to be known of a gate stands with its function (see `kinds.gate`); `GATES` lists them.
"""

from .asking import GATES, could_refuse, gate_answers, is_overridden, refuses, turning_dates
from .calendar import most_in_a_year, yearly_room
from .clinical import ASK_AGAIN, BEFORE_LAST_SESSION, assessment, not_asked_since
from .kinds import PRESCRIBER, DatedSession, Takes, as_json

__all__ = [
    "ASK_AGAIN",
    "BEFORE_LAST_SESSION",
    "GATES",
    "PRESCRIBER",
    "DatedSession",
    "Takes",
    "as_json",
    "assessment",
    "could_refuse",
    "gate_answers",
    "is_overridden",
    "most_in_a_year",
    "not_asked_since",
    "refuses",
    "turning_dates",
    "yearly_room",
]
