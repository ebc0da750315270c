"""A clinic-wide replan ("replan/1") as the planner's facts, without a database, and answers back as the format's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from .instances import Clinic
from .replan_instances import Replan


@dataclass(frozen=True)
class Problem:
    """What `repair_together` is asked, and what the format calls each session, practitioner and room."""

    courses: list[facts.CourseFacts]
    roster: facts.Roster
    patients_busy: Mapping[UUID, Mapping[date, int]]
    weights: Weights
    today: date
    bookings: Mapping[UUID, int]  # session -> booking
    people: Mapping[UUID, int]
    rooms: Mapping[UUID, int]
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


def without_courses(replan: Replan) -> Clinic:
    """Return the clinic as it is now, without the visits of the courses: some are away, and others' visits gone."""
    clinic, away = replan["clinic"], replan["away"]
    gone = {visit for course in replan["courses"] for visit in visits_of(course)}.union(replan["cancelled"])
    return {
        **clinic,
        "practitioners": [
            {**one, "leave": [*one["leave"], [away["first"], away["last"]]]}
            if one["id"] in away["practitioners"]
            else one
            for one in clinic["practitioners"]
        ],
        "bookings": [booking for number, booking in enumerate(clinic["bookings"]) if number not in gone],
    }


def visits_of(course: dict[str, Any]) -> list[int]:
    """Return the bookings of a course, in order."""
    return [course["displaced"], *course["following"]]


def problem_of(replan: Replan) -> Problem:
    clinic, known = replan["clinic"], Facts(without_courses(replan))
    steps = list(_steps(replan))
    bookings: dict[UUID, int] = {}
    courses = []
    for number, course in enumerate(replan["courses"]):
        ids = {UUID(int=1_000_000 + booking): booking for booking in visits_of(course)}
        bookings |= ids
        courses.append(_course(replan, number, steps[course["treatment"]], ids))
    return Problem(
        courses,
        _roster(replan, known),
        patients_busy={},
        weights=weights_of(replan),
        today=day_of(clinic, replan["today"]),
        bookings=bookings,
        people={practitioner_id(one["id"]): one["id"] for one in clinic["practitioners"]},
        rooms={room_id(room["id"]): room["id"] for room in clinic["rooms"]},
        followers=followers_in(replan, bookings),
        surplus=surplus_of(replan),
    )


def followers_in(replan: Replan, bookings: Mapping[UUID, int]) -> set[UUID]:
    lost = {course["displaced"] for course in replan["courses"]}
    return {session for session, booking in bookings.items() if booking not in lost}


def surplus_of(replan: Replan) -> int:
    return int(replan["weights"]["move"]) * len(replan["courses"])


def spacing_of(replan: Replan) -> facts.Spacing:
    return facts.Spacing(
        facts.Reference.PREVIOUS,
        minimum=Amount.parse(f"{replan['gap_min']} days"),
        target=Amount.parse("1 month"),
        lapse=Amount.parse(f"{replan['gap_max'] + 1} days"),
    )


def _steps(replan: Replan) -> Iterator[facts.Step]:
    for treatment in replan["clinic"]["treatments"]:
        needs = (facts.Need(LEAD, skill(treatment["id"])), facts.Need(ROOM, treatment["room_kind"]))
        phases = (facts.Phase("visit", treatment["minutes"], needs),)
        kind = facts.StepKind.TREATMENT
        yield facts.Step(f"visit-{treatment['id']}", "visit", kind, phases, LEAD, (spacing_of(replan),))


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
            "practitioner": problem.people[slot.lead],
            "room": next(problem.rooms[use.resource] for use in slot.uses if use.role == ROOM),
            "start": problem.roster.days[slot.on].wall_minute(slot.tick),
        }
        for course in repaired.courses
        if course.plan is not None
        for slot in (planned.slot for planned in course.plan.sessions)
    ]
