"""The bench measures against a kernel of its own; it is worth something only while both find the same plans."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from bench import as_facts, instances
from bench.kernel import Kernel
from bench.servers import PROJECT
from scheduling.planner import search
from scheduling.planner.explain import Unplannable

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
