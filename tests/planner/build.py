"""Facts for planner tests: say what matters, get defaults for the rest. Days count from MONDAY, 1 March 2027."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from scheduling.planner.amounts import Amount, DayOfYear
from scheduling.planner.facts import (
    AssessmentFacts,
    CapabilityFacts,
    ConsentFacts,
    CourseFacts,
    Day,
    Gate,
    Need,
    Parameter,
    PatientFacts,
    Phase,
    Protocol,
    Reference,
    Reflux,
    ResourceFacts,
    Roster,
    SessionFacts,
    SessionState,
    Slot,
    Spacing,
    Step,
    StepKind,
    Use,
)
from scheduling.planner.gates import GATES, Takes
from scheduling.planner.shapes import stretches_of

MONDAY = date(2027, 3, 1)
ANNA, BEN, ROOM, ROOM_2 = (UUID(int=n) for n in (11, 12, 21, 22))
COURSE, PATIENT, SITE = (UUID(int=n) for n in (1, 2, 3))
NINE, TEN, NOON = 9 * 60, 10 * 60, 12 * 60


def day(number: int) -> date:
    return MONDAY + timedelta(days=number)


def session_id(position: int) -> UUID:
    return UUID(int=100 + position)


def minutes(first: int, until: int) -> int:
    return sum(1 << tick for tick in range(first, until))


def spacing(reference: Reference = Reference.PREVIOUS, key: str = "", **amounts: Any) -> Spacing:
    """A spacing whose amounts are written as text."""
    parsed: dict[str, Any] = {
        name: Amount.parse(value) if isinstance(value, str) else value for name, value in amounts.items()
    }
    return Spacing(reference, key, **parsed)


def phase(length: int = 30, *roles: str, before: int = 0, after: int = 0) -> Phase:
    """A phase whose roles need the capability of the same name."""
    return Phase("treat", length, tuple(Need(role, role) for role in roles or ("injector", "room")), before, after)


def step(key: str = "treatment", *spacings: Spacing, phases: Iterable[Phase] = (), **rest: Any) -> Step:
    rest = {"name": key, "kind": StepKind.TREATMENT, "lead_role": "injector"} | rest
    return Step(key=key, phases=tuple(phases) or (phase(),), spacings=spacings, **rest)


def gated(*gates: str | Gate) -> tuple[Gate, ...]:
    return tuple(gate if isinstance(gate, Gate) else Gate(gate) for gate in gates)


def sample(name: str) -> Gate:
    """A gate of that name, given what it takes: so that whatever is new in GATES is asked too."""
    values: dict[str, Parameter] = {
        Takes.COUNT: 2,
        Takes.AMOUNT: Amount.parse("6 days"),
        Takes.DAY_OF_YEAR: DayOfYear(3, 10),
        Takes.PROTOCOL: "laser",
        Takes.AREAS: frozenset({"left_leg"}),
    }
    takes = {**GATES[name].takes, **GATES[name].may_take}
    return Gate(name, {parameter: values[what] for parameter, what in takes.items()})


def performed(position: int, step: Step, on: date, **rest: Any) -> SessionFacts:
    return SessionFacts(session_id(position), position, step, state=SessionState.PERFORMED, performed_on=on, **rest)


def open_session(position: int, step: Step, **rest: Any) -> SessionFacts:
    return SessionFacts(session_id(position), position, step, **rest)


def course(*sessions: SessionFacts, **rest: Any) -> CourseFacts:
    """A course of an assessed patient who has signed; the first step's protocol allows the legs."""
    steps = tuple({s.step.key: s.step for s in sessions}.values())
    defaults: dict[str, Any] = {
        "protocol": Protocol("micro", 1, steps, areas=frozenset({"left_leg", "right_leg"})),
        "patient": PatientFacts(PATIENT, born_on=date(1980, 5, 17)),
        "started_on": MONDAY,
        "assessment": AssessmentFacts(day(-30), suitable=True, reflux=Reflux.NONE_FOUND),
        "consent": ConsentFacts(informed_on=day(-30), signed_on=day(-30)),
    }
    return CourseFacts(id=COURSE, sessions=sessions, **(defaults | rest))


def numbered(number: int, *sessions: SessionFacts, **rest: Any) -> CourseFacts:
    """A course, by number, of a patient of its own; its sessions have ids of their own."""
    theirs = []
    for session in sessions:
        uid = UUID(int=1000 * number + session.position)
        slot = session.booked and replace(session.booked, session=uid)
        theirs.append(replace(session, id=uid, booked=slot))
    patient = PatientFacts(UUID(int=10 + number), born_on=MONDAY.replace(year=1980))
    return replace(course(*theirs, **rest), id=UUID(int=number), patient=patient)


def resource(uid: UUID, *capabilities: str, places: int = 1, kind: str = "practitioner", **rest: Any) -> ResourceFacts:
    return ResourceFacts(uid, kind, str(uid.int), tuple(CapabilityFacts(c) for c in capabilities), places, **rest)


DEFAULT_RESOURCES = (resource(ANNA, "injector"), resource(BEN, "injector"), resource(ROOM, "room", kind="room"))


def roster(
    days: int = 28,
    *,
    resources: Iterable[ResourceFacts] = DEFAULT_RESOURCES,
    hours: Mapping[UUID, int] | int = minutes(NINE, NOON),
    off: Iterable[tuple[UUID, date]] = (),
    closed: Mapping[date, str] | None = None,
    since: date = MONDAY,
    **rest: Any,
) -> Roster:
    """A site open every day; everybody is on duty from nine to noon, but for those `off`."""
    span = [since + timedelta(days=number) for number in range(days)]
    resources, off = tuple(resources), set(off)
    by_resource = hours if isinstance(hours, Mapping) else {r.id: hours for r in resources}
    return Roster(
        site=SITE,
        days={
            on: Day(on, datetime(on.year, on.month, on.day, tzinfo=UTC), closed=(closed or {}).get(on, ""))
            for on in span
        },
        resources=resources,
        on_duty={(who, on): duty for who, duty in by_resource.items() for on in span if (who, on) not in off},
        **({"grid_minutes": 30} | rest),
    )


def slot(session: SessionFacts, on: date, tick: int = NINE, **filled: UUID) -> Slot:
    """A slot in the session's own shape: Anna injects in the first room unless said, on place 0."""
    by_role = {"injector": ANNA, "room": ROOM} | filled
    uses = tuple(
        Use(s.phase, s.role, by_role[s.role], 0, tick + s.from_minute, tick + s.until_minute)
        for s in stretches_of(session.step)
    )
    return Slot(session.id, on, tick, session.step.minutes, by_role[session.step.lead_role], uses)


def booked(session: SessionFacts, on: date, tick: int = NINE, **filled: UUID) -> SessionFacts:
    return replace(session, booked=slot(session, on, tick, **filled))
