"""Who may silence what: nobody, a prescriber, or nobody needs to, since it refuses nothing."""

from __future__ import annotations

from enum import StrEnum

from .gates import GATES, PRESCRIBER

# Rules and gates that a role may silence for one session, by code. What is not here is absolute, or needs nothing.
OVERRIDABLE: dict[str, str] = {"before_minimum": PRESCRIBER} | {
    code.code: code.override for kind in GATES.values() for code in kind.codes if code.override
}
# What is shown, costs or goes to the worklist, and never refuses.
REFUSES_NOTHING = frozenset(
    {"off_target", "overdue", "wish_missed", "outcome_awaited"} | {"late_book_anyway", "late_shorten"}
)


class Tier(StrEnum):
    """Who may silence a rule."""

    NOBODY = "nobody"
    PRESCRIBER = "prescriber"
    NONE_NEEDED = "none_needed"


def tier_of(code: str) -> Tier:
    """Return who may silence a rule or gate, by its code; what is not known is nobody's to silence."""
    if code in REFUSES_NOTHING:
        return Tier.NONE_NEEDED
    return Tier(OVERRIDABLE[code]) if code in OVERRIDABLE else Tier.NOBODY
