"""Which messages a course sends, and on which days: what its protocol version says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from uuid import UUID

from scheduling.models import MessageKind, MessagePolicy, ProtocolVersion, VersionState

# These answer what has just happened, so a version sends them unless it switches them off.
ALWAYS = frozenset(
    {
        MessageKind.CONFIRMATION,
        MessageKind.CHANGED,
        MessageKind.CANCELLED,
        MessageKind.CALL_US,
        MessageKind.AFTERCARE,
        MessageKind.OFFER,
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line: `days` before the visit (after the session when negative)."""

    days: int = 0
    booked_ahead_days: int | None = None


# For a version that says nothing at all about messages: the pair of reminders that trials support, and the rest of the
# table in product.md.
USUAL: Mapping[str, tuple[Rule, ...]] = {
    MessageKind.PREPARATION: (Rule(7, 14),),
    MessageKind.REMINDER: (Rule(3), Rule(1)),
    MessageKind.RECALL: (Rule(),),
    MessageKind.OVERDUE: (Rule(),),
    MessageKind.FINISHED: (Rule(),),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """What a version sends."""

    rules: Mapping[str, tuple[Rule, ...]]
    off: frozenset[str] = field(default_factory=frozenset)

    def of(self, kind: str) -> tuple[Rule, ...]:
        """Return the lines for a kind; none means that it is not sent."""
        if kind in self.off:
            return ()
        return self.rules.get(kind, (Rule(),) if kind in ALWAYS else ())


def policy_of(version: ProtocolVersion) -> Policy:
    """Return what the version says. An approved version never changes, so it is read once per process."""
    if version.state == VersionState.DRAFT:
        return _read_policy(version.uid)
    return _remembered_policy(version.uid)


@lru_cache(maxsize=256)
def _remembered_policy(uid: UUID) -> Policy:
    return _read_policy(uid)


def _read_policy(uid: UUID) -> Policy:
    rows = MessagePolicy.objects.filter(version__uid=uid)
    return policy_from((row.kind, Rule(row.days, row.booked_ahead_days) if row.is_on else None) for row in rows)


def policy_from(lines: Iterable[tuple[str, Rule | None]]) -> Policy:
    """Return what lines say, None for a kind that is switched off.

    They are the whole list, but for what answers an act (ALWAYS); no lines at all mean the usual ones.
    """
    on: dict[str, list[Rule]] = defaultdict(list)
    off = set()
    for kind, rule in lines:
        if rule is not None:
            on[kind].append(rule)
        else:
            off.add(kind)
    if not on and not off:
        return Policy(USUAL)
    return Policy({kind: tuple(rules) for kind, rules in on.items()}, frozenset(off - on.keys()))
