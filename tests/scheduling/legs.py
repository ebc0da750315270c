"""A protocol for two legs that may take turns: two weeks between treatments, a month between those of one leg."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from patients.models import Area
from scheduling import protocols
from scheduling.models import Course, ProtocolVersion, Session
from tests import build

LEFT, RIGHT = "left_thigh", "right_thigh"
BOTH = (LEFT, RIGHT)
TEXT = """
protocol: legs_in_turn
name: Legs in turn
areas: [left_thigh, right_thigh]
steps:
  - key: first_look
    name: First look
    kind: assessment
    lead_role: nurse
    planned_with_course: no
    phases:
      - name: Talk
        minutes: 10
        needs: {nurse: vaccination, room: vaccination_room}
    gates: [area]
  - key: treatment
    name: Treatment
    kind: treatment
    sessions: 4
    at_most: 20
    lead_role: nurse
    phases:
      - name: Treat
        minutes: 20
        needs: {nurse: vaccination, room: vaccination_room}
    spacings:
      - from: previous
        floor: 3 days
        minimum: 2 weeks
        target: 2 weeks
        late_bands:
          - {from: 10 weeks, until: 20 weeks, action: repeat_step}
          - {from: 20 weeks, action: restart}
      - from: previous
        only_for_areas: [leg]
        minimum: 1 month
        target: 1 month
    gates: [area]
"""


def load(text: str = TEXT) -> ProtocolVersion:
    """Store a version and approve it."""
    protocols.load_vocabulary_file()
    return protocols.load(text, by=None, now=build.MONDAY, approve_by=build.user(is_superuser=True))


def clinic(text: str = TEXT) -> build.Clinic:
    """A clinic that gives these treatments."""
    load(text)
    return build.Clinic(key="legs_in_turn")


def give_at(clinic: build.Clinic) -> None:
    """Let another clinic give these treatments, and no others."""
    clinic.version = load()
    clinic.staff = build.staff_for(clinic.version, clinic.site)


def course(clinic: build.Clinic, *areas: str) -> Course:
    """A course that is for both legs, unless said."""
    return clinic.course(areas=list(Area.objects.filter(code__in=areas or BOTH).order_by("code")))


def treatments(course: Course) -> list[Session]:
    return list(course.sessions.filter(step_key="treatment").order_by("position"))


def in_turn(sessions: Iterable[Session], legs: Sequence[str] = BOTH) -> dict[UUID, list[str]]:
    """What `plan_areas` is handed so that the legs take turns."""
    return {session.uid: [legs[at % len(legs)]] for at, session in enumerate(sessions)}


def planned(course: Course) -> list[list[str]]:
    """The areas that each treatment is to treat, in order."""
    return [sorted(session.planned_areas.values_list("code", flat=True)) for session in treatments(course)]
