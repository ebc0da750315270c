"""Plan calls against the bare kernel, in memory and with the rows read by SQL. Every objective is compared."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from django.db import connection

from scheduling import booking, models, roster
from scheduling.planner import search
from scheduling.planner.explain import Unplannable
from scheduling.roster import there

from . import instances, suite
from .as_facts import Facts, day_of, weights_of
from .as_rows import Rows
from .instances import Clinic, Course
from .kernel import Kernel
from .measure import Figure, Goal, Run, in_turn, statements

SIZES, BOOKED, LENGTHS, COURSES = (2, 10, 20, 50), 0.8, (3, 6, 12), 3
HORIZONS = (91, 182, 365, 730)  # days, of the shortest course and MIDDLE practitioners
MIDDLE = 20
ROUNDS, LONG_ROUNDS = 15, 5
GOAL, OF_SIZES = Goal(1.5, name="(G2)"), (20, 50)  # a smaller clinic's kernel takes less than two round trips
ALL_EQUAL = Goal(1.0, is_rate=True, name="(G1)")
ALL_PROVEN = Goal(1.0, is_rate=True)
FASTER = Goal(0.01, name="(G3)")
SOLVER_SECONDS = 2  # an answer that takes longer counts as this; the median of all is not changed by what it is


def figures() -> Iterator[Figure]:
    yield from _proofs()
    for size in SIZES:
        clinic = instances.make_clinic(1, size, BOOKED)
        kernel, known, rows = Kernel(clinic), Facts(clinic), Rows(clinic, f"bench-{size}")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        for sessions in LENGTHS:
            yield from _of(clinic, sessions, kernel, known, rows)
        if size == MIDDLE:
            yield from _by_horizon(clinic, kernel, known, rows)


def _proofs() -> Iterator[Figure]:
    """Plan the hundred courses; the suite stops the bench at the first objective that is not that of a reference."""
    found = list(suite.plan_all(instances.a_hundred(), SOLVER_SECONDS))
    name = "courses planned at the kernel's objective, or found impossible as by it"
    yield Figure(name, len(found), 100, unit="", goal=ALL_EQUAL)
    proofs = [one.proof for one in suite.plan_all(instances.a_hundred(), proven=True) if one.proof]
    name = "courses of which CP-SAT proves that no plan is cheaper, or that there is none"
    yield Figure(name, sum(one.is_proven for one in proofs), len(proofs), unit="", goal=ALL_PROVEN)
    solved = [one.solver for one in found if one.solver]
    finished = sum(one.is_proven for one in solved)
    yield Figure(
        f"plan in memory, {len(found)} courses (reference: CP-SAT, {finished} finished in {SOLVER_SECONDS} s)",
        1000 * statistics.median(one.ours for one in found),
        1000 * statistics.median(one.seconds for one in solved),
        goal=FASTER,
    )


def _by_horizon(clinic: Clinic, kernel: Kernel, known: Facts, rows: Rows) -> Iterator[Figure]:
    course = instances.make_course(clinic, LENGTHS[0], 0)
    stored = rows.course(course, "bench-horizon")
    for days in HORIZONS:
        rows.site.booking_horizon_days = stored.site.booking_horizon_days = days
        runs = _runs(course, kernel, known, rows, stored)
        reference, _, with_sql = in_turn(*runs[:3], rounds=ROUNDS)
        name = f"plan with SQL, {MIDDLE} practitioners, {LENGTHS[0]} sessions, horizon of {days} days"
        yield Figure(name, 1000 * with_sql, 1000 * reference)


def _of(clinic: Clinic, sessions: int, kernel: Kernel, known: Facts, rows: Rows) -> Iterator[Figure]:
    size = len(clinic["practitioners"])
    times, asked = [], set()
    for seed in range(COURSES):
        course = instances.make_course(clinic, sessions, seed)
        stored = rows.course(course, f"bench-{size}-{sessions}-{seed}")
        runs = _runs(course, kernel, known, rows, stored)
        objectives = [run.do(None) for run in runs[:3]]
        assert len(set(objectives)) == 1, f"objectives differ for P={size}, N={sessions}, course {seed}: {objectives}"
        # What takes longer is not between: it would take the others' place in the processor's caches.
        times.append((*in_turn(*runs[:3], rounds=ROUNDS), *in_turn(*runs[3:], rounds=LONG_ROUNDS)))
        asked.add((statements(runs[2]), statements(runs[3]), statements(runs[4])))
    assert len(asked) == 1, f"statements differ between courses: {asked}"
    ((with_sql, proposing, asking_anew),) = asked
    reference, in_memory, stored_too, proposed, anew, told = (
        1000 * statistics.median(column) for column in zip(*times, strict=True)
    )
    name = f"{size} practitioners, {sessions} sessions"
    yield Figure(f"plan in memory, {name}", in_memory, reference)
    goal = GOAL if size in OF_SIZES else None
    yield Figure(f"plan with SQL, {name}", stored_too, reference, goal=goal, statements=str(with_sql))
    yield Figure(f"plan with SQL, who is there asked anew, {name}", anew, reference, statements=str(asking_anew))
    yield Figure(f"propose (up to 6 plans) with SQL, {name}", proposed, reference, statements=str(proposing))
    yield Figure(f"propose, with why not nearer, as the desk is shown it, {name}", told, reference)


def _runs(course: Course, kernel: Kernel, known: Facts, rows: Rows, stored: models.Course) -> list[Run[None]]:
    on, now = day_of(rows.clinic, course["earliest"]), rows.now_of(course)
    facts_of_course, times, weights = known.course(course), known.roster(course), weights_of(course)

    def bare(_: None) -> int | None:
        answer = kernel.plan(course)
        return answer.objective if answer else None

    def in_memory(_: None) -> int | None:
        try:
            return search.cheapest_plan(facts_of_course, times, weights, today=on).cost.total
        except Unplannable:
            return None

    def with_sql(_: None) -> int | None:
        as_it_stands = roster.course_facts(stored)
        try:
            times = booking.times_of_plans(stored, as_it_stands, now=now)
            return search.cheapest_plan(as_it_stands, times, weights, today=on).cost.total
        except Unplannable:
            return None

    def propose(_: None) -> int:
        return len(booking.propose_course(stored, now=now))

    def tell(_: None) -> int:
        return len(booking.propose_course(stored, now=now, explained=True))

    return [Run(bare), Run(in_memory), Run(with_sql), Run(propose), Run(with_sql, there.forget), Run(tell)]
