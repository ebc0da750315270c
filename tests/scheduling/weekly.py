"""A protocol whose steps come late in bands: weekly injections up, then upkeep. Loaded by tests that need one."""

from __future__ import annotations

from scheduling import protocols
from scheduling.models import ProtocolVersion
from tests import build

TEXT = """
protocol: weekly_injections
name: Weekly injections
steps:
  - key: building_up
    name: Building up
    kind: treatment
    sessions: 3
    at_most: 5
    lead_role: nurse
    phases:
      - name: Injection
        minutes: 10
        needs: {nurse: vaccination, room: vaccination_room}
    spacings:
      - from: previous
        floor: 1 day
        minimum: 5 days
        target: 7 days
        tolerance_days: 1
        overdue: 8 days
        late_bands:
          - {from: 8 days, until: 14 days, action: shorten, note: the last dose again}
          - {from: 14 days, until: 21 days, action: repeat_step}
          - {from: 21 days, action: restart}
  - key: upkeep
    name: Upkeep
    kind: treatment
    sessions: 2
    lead_role: nurse
    phases:
      - name: Injection
        minutes: 10
        needs: {nurse: vaccination, room: vaccination_room}
    spacings:
      - from: previous
        minimum: 2 weeks
        target: 3 weeks
        late_bands:
          - {from: 8 weeks, action: review}
"""


def load(text: str = TEXT) -> ProtocolVersion:
    """Store a version and approve it."""
    protocols.load_vocabulary_file()
    return protocols.load(text, by=None, now=build.MONDAY, approve_by=build.user(is_superuser=True))


def clinic(text: str = TEXT) -> build.Clinic:
    """A clinic that gives these injections."""
    load(text)
    return build.Clinic(key="weekly_injections")
