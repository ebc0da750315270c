"""Plans for a whole course: propose them, book one, and say all that is wrong with one."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import partial

from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.errors import Conflict, Problem, RuleBroken
from clinic.models import User
from scheduling import explaining, outbox, roster, wording
from scheduling.models import Appointment, Course, Resource
from scheduling.planner import asks, explain, facts, relax, search
from scheduling.planner.cost import Weights
from scheduling.planner.rules import violations
from scheduling.planner.windows import last_date_of

from .places import make_room, place
from .slots import resources_of
from .states import given_up, refuse_unless_open
from .windows import refresh_windows

WEIGHTS = Weights()
HORIZON_LONGER = timedelta(days=180)  # how much further ahead it is looked when there is no plan
ABOUT_A_RESOURCE = frozenset({"place_unknown", "lacks_capability", "off_duty", "resource_busy"})


class NoPlan(Conflict):
    """No plan breaks no rule; the problems say why, session by session."""

    code = "no_plan"
    title = "There is no possible plan."


class NotBookable(Conflict):
    """The plan was right when it was proposed, and is not any more, or never was."""

    code = "not_bookable"
    title = "This cannot be booked."


class AskContradicts(RuleBroken):
    """What is asked of the plan can never be met as it is put; the problems name every field."""

    code = "ask_contradicts"
    title = "What is asked of the plan cannot be met."


def propose_course(
    course: Course, *, now: datetime, ask: facts.Ask = asks.NOTHING, explained: bool = False
) -> list[facts.Alternative]:
    """Return plans for every session left that differ in kind, the cheapest first; raise NoPlan with the reasons.

    Writes nothing. Booked visits stay where they are and are part of each plan. `ask` is what a person asks of these
    plans, and is kept nowhere: AskContradicts lists all in it that can never be met. NoPlan names what would have to be
    given up, and the course then: a horizon of HORIZON_LONGER too, where the site's own is too short. With `explained`
    the first plan says why its sessions are not nearer to their best dates.
    """
    if wrong := given_up(course.site):
        raise NoPlan(*wrong)
    on = roster.today(course.site, now)
    as_it_stands = with_booked_pinned(roster.course_facts(course))
    if not any(is_to_plan(session) for session in as_it_stands.sessions):
        said = _("Every session of this course is over, has a visit, or is booked by itself when it falls due.")
        raise NoPlan(Problem("nothing_to_plan", said))
    horizon_on = on + timedelta(days=course.site.booking_horizon_days)
    if ask == asks.NOTHING:
        times = times_of_plans(course, as_it_stands, now=now)
        try:
            return search.alternatives(as_it_stands, times, WEIGHTS, today=on, explained=explained)
        except explain.Unplannable as stuck:  # why, says the time until the horizon
            if not stuck.stuck.is_proven:
                raise NoPlan(*wording.no_plan(stuck, course.site)) from stuck
    times = roster.load(course, on, horizon_on, now=now)
    if contradictions := asks.contradictions(ask, as_it_stands, times, on):
        raise AskContradicts(*explaining.contradictions(contradictions))
    try:
        return search.alternatives(as_it_stands, times, WEIGHTS, today=on, ask=ask, explained=explained)
    except explain.Unplannable as stuck:
        further = partial(roster.load, course, on, horizon_on + HORIZON_LONGER, now=now)
        raise NoPlan(*wording.no_plan(stuck, course.site, relax.ways_out(stuck, further))) from stuck


def times_of_plans(course: Course, as_it_stands: facts.CourseFacts, *, now: datetime) -> facts.Roster:
    """Return the time in which every plan of a course lies: from today to the site's horizon, or as far as its lapses
    allow. No plan in it is a proof that there is none before the horizon, and no answer to the question why not.
    """
    on = roster.today(course.site, now)
    horizon_on = on + timedelta(days=course.site.booking_horizon_days)
    last_on = max(on, last_date_of(as_it_stands, horizon_on))
    return roster.load(course, on, last_on, now=now, horizon_on=horizon_on)


@act
def book_course(course: Course, slots: Sequence[facts.Slot], *, by: User | None, now: datetime) -> list[Appointment]:
    """Book every session left by these slots, or none: raise NotBookable with all that is wrong.

    A primitive: `visits.book_course` looks at the visits that were there before.
    """
    rights.require(by, course.site, *rights.FRONT_DESK)
    course = roster.lock(course, resources_of(slots), now=now)
    refuse_unless_open(course)
    make_room(slots, course.site, now=now)
    on = roster.today(course.site, now)
    as_it_stands = roster.course_facts(course)
    left = {session.id for session in as_it_stands.sessions if is_to_plan(session)}
    missing = [
        Problem("session_missing", wording.sentence("session_missing"), str(uid))
        for uid in sorted(left - {slot.session for slot in slots})
    ]
    booked = [
        already_booked(session.id)
        for session in as_it_stands.sessions
        if session.booked is not None and session.id in {slot.session for slot in slots}
    ]
    if problems := missing + booked + whats_wrong(slots, course, as_it_stands, on=on, now=now):
        raise NotBookable(*problems)
    appointments = place(course, slots, by=by, now=now)
    refresh_windows(course, with_booked(as_it_stands, slots))
    outbox.confirm(appointments, now=now)
    return appointments


def already_booked(session: uuid.UUID) -> Problem:
    return Problem("already_booked", _("This session is booked already. Move that visit."), str(session))


def is_to_plan(session: facts.SessionFacts) -> bool:
    """Whether a plan of the course has to give this session a time."""
    return session.state is facts.SessionState.OPEN and session.step.planned_with_course and session.booked is None


def with_booked(course: facts.CourseFacts, slots: Iterable[facts.Slot]) -> facts.CourseFacts:
    """Return the course as it stands once these slots are booked: nothing else changes with them."""
    booked = {slot.session: slot for slot in slots}
    return dataclasses.replace(
        course,
        sessions=tuple(
            dataclasses.replace(session, booked=booked.get(session.id, session.booked)) for session in course.sessions
        ),
    )


def with_booked_pinned(course: facts.CourseFacts) -> facts.CourseFacts:
    return dataclasses.replace(
        course,
        sessions=tuple(dataclasses.replace(session, pinned=session.booked is not None) for session in course.sessions),
    )


def whats_wrong(
    slots: Sequence[facts.Slot], course: Course, as_it_stands: facts.CourseFacts, *, on: date, now: datetime
) -> list[Problem]:
    """Ask every rule and gate about booking these slots together; the caller holds the locks."""
    if not slots:
        return []
    first_on, last_on = min(slot.on for slot in slots), max(slot.on for slot in slots)
    horizon_on = on + timedelta(days=course.site.booking_horizon_days)
    times = roster.load(
        course, min(max(first_on, on), horizon_on), min(max(last_on, on), horizon_on), now=now, check=slots
    )
    broken = violations(slots, as_it_stands, times, on)
    return wording.problems(broken, names_in(times) | roster.subjects()) if broken else []


def names_in(times: facts.Roster, broken: Iterable[facts.Violation] = ()) -> dict[str, str]:
    """Return words for the subjects of violations: what each resource is called, though it may be there no more."""
    names = {str(resource.id): resource.name for resource in times.resources}
    gone = {violation.subject for violation in broken if violation.code in ABOUT_A_RESOURCE} - names.keys()
    if gone:
        names |= {str(uid): name for uid, name in Resource.objects.filter(uid__in=gone).values_list("uid", "name")}
    return names
