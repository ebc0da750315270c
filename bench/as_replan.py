"""A clinic-wide replan ("replan/1") as the planner's facts, without a database, and answers back as the format's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from clinic import localtime
from scheduling.planner import facts
from scheduling.planner.amounts import Amount
from scheduling.planner.cost import Weights
from scheduling.planner.repair import JointRepair
from scheduling.planner.timetable import Taken, packed

from .as_facts import LEAD, ROOM, Facts, day_of, practitioner_id, room_id, skill
from .replan_instances import Replan


@dataclass(frozen=True)
class Problem:
    """What `repair_together` is asked, and which booking each session is."""

    courses: list[facts.CourseFacts]
    roster: facts.Roster
    weights: Weights
    today: date
    bookings: dict[UUID, int]  # session -> booking
    followers: set[UUID]
    surplus: int  # what our cost of every answer is above the format's


def weights_of(replan: Replan) -> Weights:
    """Return the weights of the format. Its change is counted from the course's practitioner: a wish, in our words.

    Our cost counts a displaced visit as moved too, whoever takes it, and the format does not: a displaced session
    without a time costs one move more, so that all answers cost so many moves more (`Problem.surplus`).
    """
    given = replan["weights"]
    return Weights(
        spacing_early_per_day=given["gap"],
        spacing_late_per_day=given["gap"],
        change=0,
        practitioner=given["change"],
        hole=0,
        move=given["move"],
        short_notice_per_day=0,
        unplaced=given["unplaced"] + given["move"],
    )


def problem_of(replan: Replan) -> Problem:
    clinic, away = replan["clinic"], replan["away"]
    ours = {number for course in replan["courses"] for number in (course["displaced"], *course["following"])}
    gone = ours.union(replan["cancelled"])
    rest = [booking for number, booking in enumerate(clinic["bookings"]) if number not in gone]
    known = Facts({**clinic, "bookings": rest})
    for practitioner in away["practitioners"]:
        for day in range(away["first"], away["last"] + 1):
            known.on_duty.pop((practitioner_id(practitioner), day_of(clinic, day)), None)
    steps = dict(enumerate(_steps(replan)))
    bookings: dict[UUID, int] = {}
    courses = []
    for number, course in enumerate(replan["courses"]):
        numbers = [course["displaced"], *course["following"]]
        ids = {UUID(int=1_000_000 + booking): booking for booking in numbers}
        bookings |= ids
        courses.append(_course(replan, number, steps[course["treatment"]], ids))
    lost = {UUID(int=1_000_000 + course["displaced"]) for course in replan["courses"]}
    return Problem(
        courses,
        _roster(replan, known),
        weights_of(replan),
        day_of(clinic, replan["today"]),
        bookings,
        followers=bookings.keys() - lost,
        surplus=replan["weights"]["move"] * len(courses),
    )


def _steps(replan: Replan) -> Iterator[facts.Step]:
    spacing = facts.Spacing(
        facts.Reference.PREVIOUS,
        minimum=Amount.parse(f"{replan['gap_min']} days"),
        target=Amount.parse("1 month"),
        lapse=Amount.parse(f"{replan['gap_max'] + 1} days"),
    )
    for treatment in replan["clinic"]["treatments"]:
        needs = (facts.Need(LEAD, skill(treatment["id"])), facts.Need(ROOM, treatment["room_kind"]))
        phases = (facts.Phase("visit", treatment["minutes"], needs),)
        yield facts.Step(f"visit-{treatment['id']}", "visit", facts.StepKind.TREATMENT, phases, LEAD, (spacing,))


def _course(replan: Replan, number: int, step: facts.Step, bookings: dict[UUID, int]) -> facts.CourseFacts:
    clinic, course = replan["clinic"], replan["courses"][number]
    held = facts.SessionFacts(
        UUID(int=2_000_000 + number),
        0,
        step,
        state=facts.SessionState.PERFORMED,
        performed_on=day_of(clinic, course["prev"]),
    )
    lead = practitioner_id(course["practitioner"])
    left = (
        facts.SessionFacts(session, position, step, booked=_slot(clinic, session, booking))
        for position, (session, booking) in enumerate(bookings.items(), start=1)
    )
    return facts.CourseFacts(
        id=UUID(int=3_000_000 + number),
        protocol=facts.Protocol("bench", 1, (step,)),
        patient=facts.PatientFacts(UUID(int=4_000_000 + number)),
        sessions=(held, *left),
        started_on=day_of(clinic, course["prev"]),
        lead=lead,
        wishes=facts.Wishes(practitioner=lead),
    )


def _slot(clinic: dict[str, Any], session: UUID, booking: int) -> facts.Slot:
    practitioner, room, day, begins, ends, _treatment = clinic["bookings"][booking]
    lead = practitioner_id(practitioner)
    uses = (
        facts.Use(0, LEAD, lead, 0, begins, ends),
        facts.Use(0, ROOM, room_id(room), 0, begins, ends),
    )
    return facts.Slot(session, day_of(clinic, day), begins, ends - begins, lead, uses)


def _roster(replan: Replan, known: Facts) -> facts.Roster:
    clinic = replan["clinic"]
    days = {}
    for number in range(replan["today"] + 1, clinic["days"]):
        on = day_of(clinic, number)
        shape = localtime.day_shape(on, clinic["tz"])
        days[on] = facts.Day(
            on, shape.starts_at, shape.length_minutes, tuple(facts.ClockChange(*change) for change in shape.changes)
        )
    people = [
        facts.ResourceFacts(
            practitioner_id(p["id"]), LEAD, "", tuple(facts.CapabilityFacts(skill(s)) for s in p["skills"])
        )
        for p in clinic["practitioners"]
    ]
    rooms = [
        facts.ResourceFacts(room_id(r["id"]), ROOM, "", (facts.CapabilityFacts(r["kind"]),)) for r in clinic["rooms"]
    ]
    return facts.Roster(
        site=UUID(int=1),
        days=days,
        resources=tuple(sorted([*people, *rooms], key=lambda resource: resource.id)),
        on_duty=packed(known.on_duty),  # as the service reads them
        busy=Taken.of({key: (taken,) for key, taken in known.busy.items()}),
        grid_minutes=clinic["grid"],
    )


def assignments_of(repaired: JointRepair, problem: Problem, replan: Replan) -> list[dict[str, int]]:
    """Return where each booking of a course that was placed is now."""
    start = date.fromisoformat(replan["clinic"]["start"])
    return [
        {
            "booking": problem.bookings[slot.session],
            "day": (slot.on - start) // timedelta(days=1),
            "practitioner": slot.lead.int - practitioner_id(0).int,
            "room": next(use.resource for use in slot.uses if use.role == ROOM).int - room_id(0).int,
            "start": problem.roster.days[slot.on].wall_minute(slot.tick),
        }
        for course in repaired.courses
        if course.plan is not None
        for slot in (planned.slot for planned in course.plan.sessions)
    ]
