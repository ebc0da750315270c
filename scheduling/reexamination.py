"""Look again at what is booked: every site once a night, and whoever's hours, days or skills have changed.

Visits that are no longer covered (nobody there, closed, not able, outside their window, a gate that has shut by then)
get a proposal, which is on the worklist in the morning; caches are compared with what they are made of, and mended.
Writes nothing itself: how far it has come stands in `marks`, proposals are `replanning`'s.

A few courses at a time, each change in a transaction of its own: 100,000 courses never run in one, whoever is killed
leaves off where the next one goes on, and a course that cannot be looked at is passed over after a few tries.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from uuid import UUID

from django.db import OperationalError
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Least

from clinic import localtime
from clinic.acts import act, may_come_back
from clinic.errors import Refusal
from clinic.models import Site

from . import booking, marks, replanning, roster
from .models import Appointment, Course, Examination, ExtraOpening, Hours, Move, Occupancy, Proposal, Resource
from .models.appointments import LIVE
from .models.proposals import ProposalState
from .planner import facts
from .planner.rules import violations

log = logging.getLogger("scheduling.reexamination")

NIGHT_BEGINS = time(3)  # by the site's own clocks: after both changes of the clock, before anybody works
AT_ONCE = 50  # courses
CAREFUL_FROM_TRY = 2  # somebody has died of one of these courses: from here on one by one
GIVEN_UP_AT_TRY = 4  # and of this one for the third time
DECIDED_FOR = timedelta(days=7)  # who discards a proposal is not asked the same again for so long

# What is not for this look: the database forbids that a place is taken twice, and a grid that changed moves nobody.
NOT_ASKED = frozenset({"resource_busy", "patient_busy", "off_grid", "in_the_past"})

# What makes a visit impossible where it is, whatever the windows of its course say; the plainest first.
NOT_COVERED = ("site_closed", "lacks_capability", "off_duty", "place_unknown", "wrong_shape")


@dataclass
class Seen:
    """What a look at some courses has found."""

    courses: int = 0
    uncovered: int = 0
    mended: int = 0
    failed: int = 0


def begin_nights(now: datetime) -> None:
    """Open the examination of each site at work whose night it is, or was: once for each of its local dates."""
    nights = [
        (site, on_the_wall.date())
        for site in roster.sites_at_work(now).order_by("pk")
        for on_the_wall in (localtime.wall(now, site.zone),)
        if on_the_wall.time() >= NIGHT_BEGINS
    ]
    if nights:
        marks.begin_nights(nights, now=now)


def go_on(now: datetime) -> bool:
    """Take one step with the oldest examination that nobody is at; return whether to go on with another.

    Any number may run at once. A step is a batch of courses; where an earlier one has died, one course. That the
    database is too slow is no death, a few times in a row; it is not gone on then: the others would be as slow.
    """
    examination = marks.claim_examination()
    if examination is None:
        return False
    try:
        if examination.tries < CAREFUL_FROM_TRY:
            _step(examination, AT_ONCE, now)
        else:
            _carefully(examination, now)
    except OperationalError as error:
        if not may_come_back(error, timeouts=examination.timeouts):
            raise
        marks.put_off_examination_as_too_slow(examination)
        log.warning("a step of examination %s took too long, and is tried again", examination.pk)
        return False
    finally:
        marks.let_go(examination)
    return True


def _step(examination: Examination, at_once: int, now: datetime, *, tries: int = 0) -> bool:
    """Look at the next courses and write down how far that is; return whether there are more."""
    courses = list(_following(examination)[:at_once])
    if not courses:
        if examination.site is not None:
            _mend_busy_map(examination.site)
        marks.finish_examination(examination, now=now)
        return False
    return _note(examination, courses[-1].pk, look_at(courses, reason=examination.reason, now=now), tries)


def _carefully(examination: Examination, now: datetime) -> None:
    """Look at the courses of a batch one by one; the first of them is passed over if several have died of it."""
    if examination.tries >= GIVEN_UP_AT_TRY and not _pass_over(examination, now):
        return
    for _number in range(AT_ONCE):
        if not _step(examination, 1, now, tries=CAREFUL_FROM_TRY - 1):
            return
    _note(examination, examination.cursor, Seen(), 0)


def _pass_over(examination: Examination, now: datetime) -> bool:
    """Leave out what several have died of: the next course or, after the last, the busy map; say whether to go on."""
    died = examination.tries - 1
    bad = _following(examination).first()
    if bad is None:
        see = "" if examination.site_id is None else ": see `manage.py busymap`"
        log.error("examination %s could not be ended in %s tries%s", examination.pk, died, see)
        marks.finish_examination(examination, now=now)
        return False
    log.error("course %s could not be looked at in %s tries: look at it by hand", bad.uid, died)
    return _note(examination, bad.pk, Seen(failed=1), CAREFUL_FROM_TRY - 1)


def _note(examination: Examination, cursor: int, seen: Seen, tries: int) -> bool:
    return marks.note_progress(
        examination,
        cursor=cursor,
        tries=tries,
        courses=seen.courses,
        uncovered=seen.uncovered,
        mended=seen.mended,
        failed=seen.failed,
    )


def _following(examination: Examination) -> QuerySet[Course]:
    return _courses(examination).filter(pk__gt=examination.cursor).order_by("pk")


def _courses(examination: Examination) -> QuerySet[Course]:
    """Return the open courses of a site, or those in which a resource has a visit to come."""
    courses = Course.objects.open().for_facts()
    if examination.site_id is not None:
        return courses.filter(site=examination.site_id)
    taken = Occupancy.objects.standing().filter(
        resource=examination.resource_id,
        during__overlap=DateTimeTZRange(examination.asked_at, None),
        appointment__session__course=OuterRef("pk"),
    )
    return courses.filter(Exists(taken))


# --- a few courses ----------------------------------------------------------------------------------------------------


def look_at(courses: Sequence[Course], *, reason: str, now: datetime) -> Seen:
    """Compare the caches of some courses, and propose moves for their visits that are no longer covered.

    The same number of statements for one course and for many, but for what each proposal takes.
    """
    stand = roster.courses_facts(courses)
    seen = Seen(courses=len(courses), mended=_mend_windows(courses, stand, now=now))
    found = uncovered(courses, stand, now=now)
    seen.uncovered = len(found)
    if asked := found.keys() - (_decided(found, now) if found else set()):
        failed = Proposal.objects.filter(state=ProposalState.FAILED, touched=OuterRef("session__course"))
        # Asked for by itself, what could not be worked out would end the worker of all others again.
        visits = Appointment.objects.live().filter(~Exists(failed), session__uid__in=asked)
        replanning.examine_touched(visits, reason=reason, by=None, now=now)
    return seen


def uncovered(
    courses: Sequence[Course], stand: Mapping[int, facts.CourseFacts], *, now: datetime, with_held: bool = False
) -> dict[UUID, list[facts.Violation]]:
    """Return what is wrong with visits to come, by session: only those with which something is wrong.

    A course on hold is left alone unless it is asked for too: lifting the hold looks again.
    """
    by_site: dict[Site, list[facts.CourseFacts]] = defaultdict(list)
    for course in courses:
        if _booked(stand[course.pk]) and (with_held or not stand[course.pk].holds):
            by_site[course.site].append(stand[course.pk])
    found: dict[UUID, list[facts.Violation]] = {}
    for site, of_site in by_site.items():
        times, today = _duty(site, of_site, now=now), roster.today(site, now)
        for as_it_stands in of_site:
            booked = _booked(as_it_stands)
            to_come = {slot.session for slot in booked if times.days[slot.on].instant(slot.tick) >= now}
            for violation in violations(booked, as_it_stands, times, today):
                if violation.session in to_come and violation.code not in NOT_ASKED:
                    found.setdefault(violation.session, []).append(violation)
    return found


def _duty(site: Site, courses: Sequence[facts.CourseFacts], *, now: datetime) -> facts.Roster:
    """Return who is there, and able, on the days of these courses' visits; that nobody is booked twice is certain."""
    capabilities = {
        need.capability
        for course in courses
        for session in course.sessions
        if session.booked is not None
        for phase in session.step.phases
        for need in phase.needs
    }
    dates = [slot.on for course in courses for slot in _booked(course)]
    times = roster.load_site(site, capabilities, min(dates), max(dates), now=now)
    return replace(times, busy={}, patient_busy={})


def _booked(course: facts.CourseFacts) -> list[facts.Slot]:
    return [
        session.booked
        for session in course.sessions
        if session.booked is not None and session.state is facts.SessionState.OPEN
    ]


def _decided(found: Mapping[UUID, Sequence[facts.Violation]], now: datetime) -> set[UUID]:
    """Return the sessions of whose visits a person has decided lately to leave them there, or is about to decide.

    Not those that something else makes impossible by now: that nobody has seen.
    """
    joint = Q(proposal__state=ProposalState.OPEN, proposal__course=None)
    discarded = Q(proposal__state=ProposalState.DISCARDED, proposal__decided_at__gt=now - DECIDED_FOR)
    same = Move.objects.filter(joint | discarded, session__uid__in=found, appointment__state__in=LIVE)
    said: dict[UUID, set[str]] = defaultdict(set)
    for session, why in same.filter(appointment_revision=F("appointment__revision")).values_list("session__uid", "why"):
        said[session] |= {one["code"] for one in why}
    return {
        session
        for session, codes in said.items()
        if all(one.code in codes for one in found[session] if one.code in NOT_COVERED)
    }


# --- caches -----------------------------------------------------------------------------------------------------------


def _mend_busy_map(site: Site) -> None:
    """Compare the busy map with the occupancies, for the resources that are compared in the nights of a site."""
    if mended := booking.rebuild_busy_map(_compared_at(site)):
        log.error(
            "%d rows of the busy map were wrong and are mended: something wrote occupancies past the acts", mended
        )


def _compared_at(site: Site) -> QuerySet[Resource]:
    """Return the resources of which a site is the first, of the active ones, where they have hours or an opening.

    Whoever has none anywhere goes with the first site there is: each resource is compared once a night.
    """

    def first(times: type[Hours | ExtraOpening]) -> Subquery:
        there = times._default_manager.filter(resource=OuterRef("pk"), site__is_active=True)
        return Subquery(there.order_by("site_id").values("site_id")[:1], output_field=BigIntegerField())

    anywhere = Site.objects.filter(is_active=True).order_by("pk").values("pk")[:1]
    else_at = Subquery(anywhere, output_field=BigIntegerField())
    compared_at = Coalesce(Least(first(Hours), first(ExtraOpening)), else_at)
    return Resource.objects.annotate(compared_at=compared_at).filter(compared_at=site.pk)


def _mend_windows(courses: Sequence[Course], stand: Mapping[int, facts.CourseFacts], *, now: datetime) -> int:
    """Compare stored windows with what they are counted from, mend them, and say how many were wrong."""
    stale = booking.stale_windows(courses, stand)
    mended = 0
    for course in courses:
        if course.pk not in stale:
            continue
        try:
            mended += _mend(course, now=now)
        except Refusal as refusal:
            log.warning("windows of course %s could not be mended: %s", course.uid, refusal)
    if mended:
        log.error("%d stored windows were wrong and are mended: an act has forgotten to refresh them", mended)
    return mended


@act
def _mend(course: Course, *, now: datetime) -> int:
    """Write the windows anew under the course's lock: between two reads it may have changed, and be right."""
    return booking.refresh_windows(roster.lock(course, now=now))


__all__ = ["Seen", "begin_nights", "go_on", "look_at", "uncovered"]
