"""Instances as the planner's facts, without a database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from uuid import UUID

from clinic import localtime
from scheduling.planner import facts, ticks
from scheduling.planner.amounts import Amount
from scheduling.planner.cost import Weights
from scheduling.planner.timetable import Taken, TimeTable

from .instances import Clinic, Course, duty_of, is_within
from .kernel import CLOSES, OPENS

LEAD, ROOM, READY = "practitioner", "room", "ready"


def weights_of(course: Course) -> Weights:
    """Return the weights of the format: what it does not know costs nothing."""
    given = course["weights"]
    return Weights(
        spacing_early_per_day=given["gap"],
        spacing_late_per_day=given["gap"],
        lateness_per_day=given["late"],
        change=given["change"],
        weekday=given["weekday"],
        time_of_day=given["window"],
        hole=0,
    )


def skill(treatment: int) -> str:
    return f"skill-{treatment}"


def practitioner_id(number: int) -> UUID:
    return UUID(int=1_000 + number)


def room_id(number: int) -> UUID:
    return UUID(int=100_000 + number)


def day_of(clinic: Clinic, number: int) -> date:
    return date.fromisoformat(clinic["start"]) + timedelta(days=number)


@dataclass
class Facts:
    """A clinic's people, rooms and time, in the planner's words."""

    clinic: Clinic
    on_duty: dict[tuple[UUID, date], int] = field(default_factory=dict)
    busy: dict[tuple[UUID, date], int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        clinic = self.clinic
        for practitioner in clinic["practitioners"]:
            for day, spans in duty_of(clinic, practitioner):
                key = (practitioner_id(practitioner["id"]), day_of(clinic, day))
                self.on_duty[key] = sum(ticks.span(begins, ends) for begins, ends in spans)
        for room in clinic["rooms"]:
            for day in set(range(clinic["days"])).difference(clinic["holidays"]):
                if not is_within(room["closed"], day):
                    self.on_duty[room_id(room["id"]), day_of(clinic, day)] = ticks.span(OPENS, CLOSES)
        for practitioner, room, day, begins, ends, _treatment in clinic["bookings"]:
            on = day_of(clinic, day)
            for who in (practitioner_id(practitioner), room_id(room)):
                self.busy[who, on] |= ticks.span(begins, ends)
        self.duty_table = TimeTable.of(self.on_duty)
        self.taken = Taken.of({key: (taken,) for key, taken in self.busy.items()})

    def roster(self, course: Course) -> facts.Roster:
        """Return what the service would read for the course: who can take part in it, from its first day on."""
        clinic = self.clinic
        kind = clinic["treatments"][course["treatment"]]["room_kind"]
        able = {practitioner_id(p["id"]): LEAD for p in clinic["practitioners"] if course["treatment"] in p["skills"]}
        able |= {room_id(room["id"]): ROOM for room in clinic["rooms"] if room["kind"] == kind}
        capability = {LEAD: skill(course["treatment"]), ROOM: kind}
        days = {}
        for number in range(course["earliest"], clinic["days"]):
            shape = localtime.day_shape(day_of(clinic, number), clinic["tz"])
            changes = tuple(facts.ClockChange(*change) for change in shape.changes)
            on = day_of(clinic, number)
            days[on] = facts.Day(on, shape.starts_at, shape.length_minutes, changes)
        return facts.Roster(
            site=UUID(int=1),
            days=days,
            resources=tuple(
                facts.ResourceFacts(uid, role, "", (facts.CapabilityFacts(capability[role]),))
                for uid, role in sorted(able.items())
            ),
            on_duty=self.duty_table,
            busy=self.taken,
            grid_minutes=clinic["grid"],
        )

    def course(self, course: Course) -> facts.CourseFacts:
        """Return the course before its first session. Its gaps are a spacing, its first day is a named event."""
        treatment = self.clinic["treatments"][course["treatment"]]
        phases = (
            facts.Phase(
                "visit",
                treatment["minutes"],
                (facts.Need(LEAD, skill(course["treatment"])), facts.Need(ROOM, treatment["room_kind"])),
            ),
        )
        first, further = (
            facts.Step(key, key, facts.StepKind.TREATMENT, phases, LEAD, (spacing,))
            for key, spacing in zip(("first", "further"), spacings_of(course), strict=True)
        )
        on = day_of(self.clinic, course["earliest"])
        from_minute, until_minute = course["window"]
        return facts.CourseFacts(
            id=UUID(int=2),
            protocol=facts.Protocol("bench", 1, (first, further)),
            patient=facts.PatientFacts(UUID(int=3)),
            sessions=tuple(
                facts.SessionFacts(UUID(int=10 + number), number, further if number else first)
                for number in range(course["n"])
            ),
            started_on=on,
            events={READY: on},
            wishes=facts.Wishes(frozenset(course["weekdays"]), from_minute, until_minute),
        )


def visits_of(
    plan: facts.Plan, clinic: Clinic, roster: facts.Roster, people: Mapping[UUID, int], rooms: Mapping[UUID, int]
) -> list[dict[str, int]]:
    """Return a plan as the format has it: day, practitioner, room and start of each session."""
    start = date.fromisoformat(clinic["start"])
    return [
        {
            "day": (slot.on - start).days,
            "practitioner": people[slot.lead],
            "room": next(rooms[use.resource] for use in slot.uses if use.role == ROOM),
            "start": roster.days[slot.on].wall_minute(slot.tick),
        }
        for slot in (planned.slot for planned in plan.sessions)
    ]


def spacings_of(course: Course) -> tuple[facts.Spacing, facts.Spacing]:
    """Return the spacing of the first session and that of the others. Lapse is the first day that is too late."""
    return (
        facts.Spacing(
            facts.Reference.EVENT,
            READY,
            minimum=Amount.parse("0 days"),
            lapse=Amount.parse(f"{course['first_within'] + 1} days"),
        ),
        facts.Spacing(
            facts.Reference.PREVIOUS,
            minimum=Amount.parse(f"{course['gap_min']} days"),
            target=Amount.parse("1 month"),
            lapse=Amount.parse(f"{course['gap_max'] + 1} days"),
        ),
    )
