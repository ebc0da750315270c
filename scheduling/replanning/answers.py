"""What a repair of one course comes to: its moves, and the visits that cannot take place and have nowhere to go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import date
from uuid import UUID

from clinic.errors import Problem
from clinic.models import Site
from scheduling import booking, wording
from scheduling.planner import explain, facts, search

from .rows import Found, Why, in_words


def settle(
    course: facts.CourseFacts,
    times: facts.Roster,
    site: Site,
    found: Found,
    *,
    today: date,
    whole: bool = False,
    plan_unbooked: Collection[UUID] = (),
    is_explained: Callable[[], bool] = lambda: True,
) -> facts.Repair | None:
    """Note the cheapest way on for a course, or why it has none; return it.

    A visit that is booked by itself (a final review) and finds no time does not keep the others from theirs.
    """
    stuck: explain.Unplannable | None = None
    repair: facts.Repair | None = None
    for only_planned in (False, True) if search.booked_by_themselves(course) else (False,):
        try:
            repair = search.repair(
                course,
                times,
                booking.WEIGHTS,
                today=today,
                whole=whole,
                plan_unbooked=plan_unbooked,
                only_planned=only_planned,
            )
            break
        except explain.Unplannable as unplannable:
            stuck = stuck or unplannable
    problems = wording.no_plan(stuck, site) if stuck is not None and is_explained() else ()
    note(course, repair, times, found, today=today, is_whole=stuck is None, problems=problems)
    return repair


def note(
    course: facts.CourseFacts,
    repair: facts.Repair | None,
    times: facts.Roster,
    found: Found,
    *,
    today: date,
    is_whole: bool = True,
    problems: Iterable[Problem] = (),
) -> None:
    """Note a repair's moves with what pushed them, and every visit to come that is still wrong with its reasons.

    That is asked of the rules, whatever the search has said: no visit that cannot take place is silent. `is_whole` is
    False where visits that are booked by themselves stay for want of a time; `problems` say why there is none.
    """
    asked = course.sessions if repair is None else () if is_whole else search.booked_by_themselves(course)
    moves = repair.moves if repair is not None else ()
    left = search.still_wrong(course, times, today, moves, gates_of={session.id for session in asked})
    stuck = in_words(left, times)
    if repair is not None:
        why = pushed(course, times, today).items() if moves else ()
        found.add(moves, repair.plan, {session: said for session, said in why if session not in stuck})
    if stuck:
        found.add_stuck(stuck, problems)


def pushed(course: facts.CourseFacts, times: facts.Roster, today: date) -> Why:
    """Return what is wrong with the visits to come of a course where they are."""
    everything = {session.id for session in course.sessions}
    return in_words(search.still_wrong(course, times, today, gates_of=everything), times)
