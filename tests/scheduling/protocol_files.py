"""Small protocol files for tests, how they are changed, and what is wrong with them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from scheduling import protocols

NOW = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
WORDS = protocols.shipped_words()

SMALL = """\
protocol: peel
name: Peel
steps:
  - key: peel
    name: Peel
    kind: treatment
    sessions: 4
    at_most: 6
    lead_role: nurse
    phases:
      - name: Peel
        minutes: 30
        needs: {nurse: vaccination, room: treatment_room}
    spacings:
      - from: previous
        minimum: 2 weeks
        target: 3 weeks
    gates: []
"""

BANDS = """        late_bands:
          - {{from: {0}, until: {1}, action: repeat_step}}
          - {{from: {2}, action: review}}
"""
TWO_STEPS = SMALL + SMALL[SMALL.index("  - key") :].replace("key: peel", "key: second")


def problems(text: str, words: protocols.Vocabulary = WORDS) -> list[tuple[str, str, int]]:
    """Return code, path and line of everything that is wrong with a file."""
    with pytest.raises(protocols.ProtocolInvalid) as refused:
        protocols.parse_with(text, words)
    assert all(problem.message for problem in refused.value.problems)
    return [(problem.code, problem.where, problem.details["line"]) for problem in refused.value.problems]


def changed(old: str, new: str, text: str = SMALL) -> str:
    assert old in text
    return text.replace(old, new, 1)
