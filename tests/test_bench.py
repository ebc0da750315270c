"""The bench measures against references of its own; they are worth something only while all find the same plans."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from bench import as_facts, as_replan, instances, plan_checks
from bench import planner as through_database
from bench import repair as repaired_through_database
from bench.kernel import Kernel
from bench.servers import PROJECT
from bench.solver import Proof, prove, solve
from scheduling.planner import search
from scheduling.planner.explain import Unplannable

SECONDS = 60.0  # CP-SAT needs less than one
SMALL = [(seed, size, booked) for seed, size in ((1, 2), (2, 5)) for booked in (0.6, 0.97)]


def planner(clinic: instances.Clinic, course: instances.Course) -> int | None:
    known = as_facts.Facts(clinic)
    on = as_facts.day_of(clinic, course["earliest"])
    try:
        found = search.cheapest_plan(known.course(course), known.roster(course), as_facts.weights_of(course), today=on)
    except Unplannable:
        return None
    return found.cost.total


@pytest.mark.parametrize(("seed", "size", "booked"), SMALL)
def test_the_reference_kernel_and_the_planner_agree_on_the_objective(seed, size, booked):
    clinic = instances.make_clinic(seed, size, booked, days=150)
    courses = [instances.make_course(clinic, sessions, number) for sessions in (2, 3) for number in range(3)]
    answers = [Kernel(clinic).plan(course) for course in courses]
    assert [answer and answer.objective for answer in answers] == [planner(clinic, course) for course in courses]


@pytest.mark.parametrize(("seed", "size", "booked"), SMALL)
def test_both_proofs_of_cp_sat_and_the_reference_kernel_agree_on_the_objective(seed, size, booked):
    kernel = Kernel(instances.make_clinic(seed, size, booked, days=150))
    narrow = {"first_within": 2, "gap_min": 24, "gap_max": 28}
    for sessions, spacing in ((1, {}), (2, {}), (3, {}), (2, narrow), (3, narrow)):
        course = instances.make_course(kernel.clinic, sessions, 0) | spacing
        answer = kernel.plan(course)
        expected = Proof(answer and answer.objective, is_proven=True)
        assert (solve(kernel, course, SECONDS), prove(kernel, course, SECONDS)) == (expected, expected)


def test_a_plan_of_the_kernel_costs_what_it_says():
    clinic = instances.make_clinic(3, 3, 0.8, days=120)
    course = instances.make_course(clinic, 3, 0)
    kernel = Kernel(clinic)
    answer = kernel.plan(course)
    assert answer is not None
    days, people, begins = zip(*answer.sessions, strict=True)
    weights, window = course["weights"], course["window"]
    minutes = clinic["treatments"][course["treatment"]]["minutes"]
    spent = weights["late"] * (days[0] - course["earliest"])
    spent += sum(weights["gap"] * abs(b - kernel.months[a]) for a, b in pairwise(days))
    spent += weights["change"] * sum(a != b for a, b in pairwise(people))
    spent += weights["weekday"] * sum((day % 7) not in course["weekdays"] for day in days)  # day 0 is a Monday
    spent += weights["window"] * sum(not (window[0] <= at and at + minutes <= window[1]) for at in begins)
    assert answer.objective == spent


def test_a_clinic_that_nobody_can_get_into_has_no_plan():
    clinic = instances.make_clinic(4, 2, 0.8, days=120) | {"holidays": list(range(120))}
    course = instances.make_course(clinic, 2, 0)
    assert (Kernel(clinic).plan(course), planner(clinic, course)) == (None, None)


def test_the_peer_of_the_bench_runs_on_our_django_and_driver():
    ours, its = (
        dict(re.findall(r"^(django|psycopg)(?:\[.*\])?==(\S+)", (PROJECT / file).read_text(), re.MULTILINE))
        for file in ("requirements.in", "bench/peer/requirements.in")
    )
    assert its == ours
    assert its.keys() == {"django", "psycopg"}


def test_instances_are_the_same_when_they_were_written_and_read(tmp_path):
    clinic = instances.make_clinic(3, 3, 0.8, days=120)
    courses = [instances.make_course(clinic, sessions, 0) for sessions in (2, 3)]
    instances.write([("clinic-03-80.json", clinic, courses)], tmp_path)
    ((name, read_clinic, read_courses),) = instances.read(tmp_path)
    assert (name, read_courses) == ("clinic-03-80.json", courses)
    before, after = Kernel(clinic), Kernel(read_clinic)
    assert [after.plan(course) for course in courses] == [before.plan(course) for course in courses]


@pytest.mark.django_db
def test_the_service_plans_instances_at_the_kernels_objective():
    clinic = instances.make_clinic(3, 3, 0.5, days=120)
    courses = [instances.make_course(clinic, 2, 0), instances.make_course(clinic, 3, 0)]
    courses.append(courses[1] | {"earliest": 90})  # the clinic ends before the third session
    lines = list(through_database.answers(clinic, courses, "small"))
    answers = [Kernel(clinic).plan(course) for course in courses]
    assert [line["objective"] for line in lines] == [answer and answer.objective for answer in answers]
    assert [(line["course"], line["feasible"], len(line["sessions"])) for line in lines] == [
        (0, True, 2),
        (1, True, 3),
        (2, False, 0),
    ]


BARE = {
    "tz": "Europe/London",
    "start": "2027-01-04",  # a Monday
    "days": 90,
    "grid": 5,
    "holidays": [63],
    "treatments": [{"id": 0, "minutes": 30, "room_kind": "A"}, {"id": 1, "minutes": 30, "room_kind": "B"}],
    "practitioners": [
        {"id": 0, "hours": {"0": [[540, 720]]}, "skills": [0], "leave": [[49, 55]]},
        {"id": 1, "hours": {"0": [[540, 720]], "4": [[540, 720]]}, "skills": [0], "leave": []},
        {"id": 2, "hours": {"0": [[540, 720]]}, "skills": [1], "leave": []},
    ],
    "rooms": [
        {"id": 0, "kind": "A", "closed": [[42, 43]]},
        {"id": 1, "kind": "B", "closed": []},
        {"id": 2, "kind": "A", "closed": []},
    ],
    "bookings": [[1, 0, 35, 600, 630, 0]],
}
COURSE = {
    "treatment": 0,
    "n": 2,
    "gap_min": 21,
    "gap_max": 42,
    "earliest": 5,
    "first_within": 28,
    "weekdays": [0],
    "window": [540, 600],
    "weights": {"gap": 4, "late": 2, "change": 15, "weekday": 6, "window": 6},
}
FIRST, SECOND = (7, 0, 0, 540), (35, 0, 0, 540)  # day, practitioner, room, start: 11 January and 8 February
OF = "the session of day"


def wrong_with(objective, *visits):
    named = [dict(zip(("day", "practitioner", "room", "start"), visit, strict=True)) for visit in visits]
    return plan_checks.wrong_with(BARE, COURSE, objective, named)


@pytest.mark.parametrize(
    ("objective", "visits", "wrong"),
    [
        (16, (FIRST, SECOND), []),  # two days late; then three days short of the month
        (15, (FIRST, SECOND), ["it costs 16, not 15"]),
        (31, (FIRST, (35, 1, 0, 540)), []),  # another practitioner
        (29, (FIRST, (39, 1, 0, 540)), []),  # and on a Friday, a day after the month
        (22, (FIRST, (35, 0, 0, 635)), []),  # outside the window
        (44, (FIRST, (28, 0, 0, 540)), []),
        (72, (FIRST, (21, 0, 0, 540)), ["day 21 after day 7"]),
        (4, (FIRST,), ["1 sessions, not 2"]),
        (60, ((35, 0, 0, 540), (63, 0, 0, 540)), [f"{OF} 63: the practitioner is not there", "it begins on day 35"]),
        (16, (FIRST, (35, 0, 0, 542)), [f"{OF} 35: no such time"]),
        (22, (FIRST, (35, 0, 0, 700)), [f"{OF} 35: the practitioner is not there"]),
        (14, (FIRST, (39, 0, 0, 540)), [f"{OF} 39: the practitioner is not there"]),  # no day of theirs
        (48, (FIRST, (49, 0, 0, 540)), [f"{OF} 49: the practitioner is not there"]),  # on leave
        (31, (FIRST, (35, 2, 0, 540)), [f"{OF} 35: the practitioner cannot give it"]),
        (16, (FIRST, (35, 0, 1, 540)), [f"{OF} 35: it cannot be in that room"]),
        (20, (FIRST, (42, 0, 0, 540)), [f"{OF} 42: it cannot be in that room"]),  # closed
        (22, (FIRST, (35, 0, 0, 615)), [f"{OF} 35: taken from 600 to 630"]),  # the room
        (37, (FIRST, (35, 1, 2, 585)), [f"{OF} 35: taken from 600 to 630"]),  # the practitioner
    ],
)
def test_what_is_wrong_with_a_plan_is_said(objective, visits, wrong):
    assert wrong_with(objective, *visits) == wrong


# Two are away in the week of day 35. Later, of the one there is half an hour on day 42, which the first two courses
# both want; of the other there is nothing in time. The follower of the second course would come too soon.
REPLAN = {
    "clinic": BARE
    | {
        "practitioners": [*BARE["practitioners"][:2], BARE["practitioners"][2] | {"leave": [[42, 56]]}],
        "bookings": [
            [0, 0, 35, 540, 570, 0],
            [0, 0, 70, 540, 570, 0],
            [0, 2, 35, 570, 600, 0],
            [0, 0, 56, 540, 570, 0],
            [2, 1, 35, 540, 570, 1],
            [2, 1, 70, 540, 570, 1],
            [0, 0, 35, 600, 630, 0],
            *([0, 2, 42, begins, begins + 30, 0] for begins in range(540, 690, 30)),
        ],
    },
    "today": 20,
    "away": {"practitioners": [0, 2], "first": 35, "last": 41},
    "courses": [
        {"practitioner": 0, "treatment": 0, "prev": 7, "displaced": 0, "following": [1]},
        {"practitioner": 0, "treatment": 0, "prev": 14, "displaced": 2, "following": [3]},
        {"practitioner": 2, "treatment": 1, "prev": 14, "displaced": 4, "following": [5]},
    ],
    "cancelled": [6],
    "gap_min": 21,
    "gap_max": 42,
    "weights": {"gap": 4, "change": 15, "move": 40, "unplaced": 2000},
}
# A day late with the other practitioner, its follower three days; three days early, its follower moved; without a time.
REPAIRED = (4 + 15 + 12) + (12 + 40) + 2000


def repaired_in_memory():
    problem = as_replan.problem_of(REPLAN)
    return repaired_through_database.as_line(
        repaired_through_database.repaired_within(problem, SECONDS, []), problem, REPLAN
    )


def repaired_by_the_service():
    line = repaired_through_database.answer(REPLAN, "away", SECONDS)
    # The courses, what is known of them, their site's time, who is there, and their patients' other visits.
    assert line["statements"] == 4
    return line


@pytest.mark.django_db
@pytest.mark.parametrize("repaired", [repaired_in_memory, repaired_by_the_service])
def test_a_replan_is_repaired_at_the_same_proven_objective_in_memory_and_from_the_database(repaired):
    line = repaired()
    assert [line[name] for name in ("objective", "bound", "unplaced", "moved")] == [REPAIRED, REPAIRED, 1, 1]
    assert [(one["booking"], one["day"], one["practitioner"]) for one in line["assignments"]] == [
        (0, 39, 1),
        (1, 70, 0),
        (2, 42, 0),
        (3, 70, 0),
    ]
