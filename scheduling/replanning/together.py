"""Courses of a site that something has touched: ask for one proposal, and work it out in a job.

A request is a row and nothing else, written in the act that touched the courses. Any number of workers may look for
one; who works on it holds a short lease by the database's clock and renews it as it goes, so that a request whose
worker died is taken up by the next. One request is worked out at a time: it takes all the machine has to give.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from clinic import rights
from clinic.acts import TOO_SLOW_FOR, act, may_come_back
from clinic.models import Site, User
from scheduling import booking, roster
from scheduling.models import Appointment, Course, Proposal
from scheduling.models.proposals import UNDECIDED, Move, ProposalState, stands
from scheduling.planner import facts, search
from scheduling.planner.repair import JointRepair, Progress, repair_together
from scheduling.planner.shapes import patient_span, with_taken

from .answers import note, pushed, settle
from .applying import ProposalOvertaken
from .rows import Found, Rows, Why, booked_in, no_longer_open, planned_in, rows_of, to_plan, withdraw, write_moves

log = logging.getLogger("scheduling.replanning")

SECONDS = 60.0  # for the search; what is read before it and explained after it comes on top
EXPLAINS_FOR_SECONDS = 120.0  # what is left then is named with what pushed it: a closure may leave thousands
LEASE = timedelta(seconds=30)
READ_WITHIN = timedelta(minutes=3)  # the first lease: nothing is heard of a job while it reads a large site
BETWEEN_BEATS = 0.5  # seconds: how often at most progress is written, and a wish to stop is heard
MOST_TRIES = 3  # a request that ends its worker each time is left to people
TAKEN_BY_ITSELF = frozenset({"resource_busy", "patient_busy"})  # of a visit that is not left out of the diary
NOBODY_THERE = search.TIME_IS_IMPOSSIBLE - TAKEN_BY_ITSELF
WORKED_OUT_ALONE = 7_411_003  # an advisory lock of PostgreSQL: of those who would take up a request, one looks


# --- asking ---------------------------------------------------------------------------------------------------------


def examine_touched(visits: QuerySet[Appointment], *, reason: str, by: User | None, now: datetime) -> list[Proposal]:
    """Ask for a proposal, one at each site, for the open courses that have one of these visits. Part of an act."""
    touched = Course.objects.open().filter(sessions__appointments__in=visits).distinct()
    return ask_for(touched, reason=reason, by=by, now=now)


@transaction.atomic(savepoint=False)
def ask_for(courses: Iterable[Course], *, reason: str, by: User | None, now: datetime) -> list[Proposal]:
    """Write down that new times are wanted for the visits of these courses, one proposal at each site.

    Part of an act: what was asked stands or falls with what made it necessary. It takes no lock, and no time.
    """
    at_sites: dict[int, list[Course]] = defaultdict(list)
    for course in courses:
        at_sites[course.site_id].append(course)
    asked = []
    for site, touched in sorted(at_sites.items()):
        proposal = Proposal.objects.create(
            site_id=site, reason=reason, state=ProposalState.MAKING, progress=0, made_at=now, made_by=by
        )
        proposal.touched.set(touched)
        asked.append(proposal)
    return asked


@act
def stop(proposal: Proposal, *, by: User | None, now: datetime) -> Proposal:
    """Ask whoever works a proposal out to end with the best that is found by now. Again is no change.

    Raises ProposalOvertaken when it is not being worked out.
    """
    rights.require(by, proposal.site, *rights.FRONT_DESK)
    making = Proposal.objects.filter(pk=proposal.pk, state=ProposalState.MAKING)
    making.filter(stop_asked_at=None).update(stop_asked_at=now)
    if not making.exists():
        raise ProposalOvertaken(no_longer_open(proposal))
    proposal.refresh_from_db()
    return proposal


@act
def work_out_again(proposal: Proposal, *, by: User | None, now: datetime) -> Proposal:
    """Ask again for a proposal that could not be worked out, or is out of date: for what of it is left.

    Raises ProposalOvertaken when it is for one course (look at that), decided, or being worked out already.
    """
    rights.require(by, proposal.site, *rights.FRONT_DESK)
    locked = Proposal.objects.select_for_update().get(pk=proposal.pk)
    if locked.course_id is not None or locked.state not in (ProposalState.OPEN, ProposalState.FAILED):
        raise ProposalOvertaken(no_longer_open(locked))
    (again,) = ask_for(_left_of([locked]), reason=locked.reason, by=by, now=now) or (None,)
    _overtake([locked], again, by=by, now=now)
    return again or locked


# --- working out ----------------------------------------------------------------------------------------------------


def work_out_next(now: datetime, *, seconds: float = SECONDS) -> Proposal | None:
    """Work out the request that waits longest, with the others at its site; None when there is nothing to do now.

    What is found becomes a proposal only if nobody has discarded it meanwhile, and the lease is still ours. That the
    database is too slow has ended no worker, a few times in a row; nothing is to be done then: others would be as slow.
    """
    job = _take_up(now)
    if job is None:
        return None
    try:
        _work_out(job, now, seconds)
    except OperationalError as error:
        if not may_come_back(error, timeouts=job.timeouts):
            raise
        _put_off_as_too_slow(job)
        log.warning("proposal %s took too long to read or to write, and is tried again", job.uid)
        return None
    job.refresh_from_db()
    return job


def _work_out(job: Proposal, now: datetime, seconds: float) -> None:
    began_at = time.monotonic()
    reins = Reins(job, seconds)
    question = _Question.of(job, now)
    found = _found(question, reins, seconds)
    ended_at = now + timedelta(seconds=time.monotonic() - began_at)
    if reins.is_lost or not _put_down(job, question, found, now=ended_at):
        log.warning("proposal %s was taken away while it was worked out", job.uid)


def _put_off_as_too_slow(job: Proposal) -> None:
    """Give a request back for a while, as a statement took too long: that is counted, and no try."""
    Proposal.objects.filter(pk=job.pk, worker=job.worker, state=ProposalState.MAKING).update(
        worker=None, lease_until=Now() + TOO_SLOW_FOR, tries=F("tries") - 1, timeouts=F("timeouts") + 1, stage=""
    )


@act
def _take_up(now: datetime) -> Proposal | None:
    """Claim the request that waits longest, unless a living worker is on one; it takes in the others at its site.

    One that has ended a worker, or took too long, comes after the others and by itself, so that its tries are its own.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [WORKED_OUT_ALONE])
    making = Proposal.objects.filter(state=ProposalState.MAKING)
    making.filter(tries__gte=MOST_TRIES, lease_until__lt=Now()).update(
        state=ProposalState.FAILED, worker=None, lease_until=None
    )
    if making.filter(lease_until__gte=Now(), worker__isnull=False).exists():
        return None
    waiting = list(making.exclude(lease_until__gte=Now()).select_for_update().order_by("tries", "timeouts", "pk"))
    if not waiting:
        return None
    first = waiting[0]
    fresh = [one for one in waiting if one.site_id == first.site_id and not (one.tries or one.timeouts)]
    job, others = (fresh[-1], fresh[:-1]) if fresh else (first, [])
    for other in others:
        job.touched.add(*other.touched.all())
    _overtake(others, job, by=None, now=now)
    job.touched.add(*_left_of(_open_beside(job)))
    Proposal.objects.filter(pk=job.pk).update(
        worker=uuid4(),
        lease_until=Now() + READ_WITHIN,
        tries=F("tries") + 1,
        progress=0,
        stage="reading",
        cost=0,
        bound=None,
    )
    job.refresh_from_db()
    return job


def _open_beside(job: Proposal) -> list[Proposal]:
    """Return the proposals that the job takes the place of; what has ended its workers waits for people."""
    rows = Proposal.objects.together().filter(site=job.site_id, state=ProposalState.OPEN)
    return list(rows.exclude(pk=job.pk).order_by("pk"))


def _left_of(proposals: Collection[Proposal]) -> list[Course]:
    """Return the courses for which proposals still have something to say: those that were never worked out, all."""
    left = Move.objects.filter(stands(), proposal__in=[one for one in proposals if one.state == ProposalState.OPEN])
    failed = [one for one in proposals if one.state == ProposalState.FAILED]
    asked = Q(sessions__moves__in=left) | Q(touched_by__in=failed)
    return list(Course.objects.open().filter(asked).distinct())


def _planned_before(job: Proposal, courses: Collection[Course]) -> set[UUID]:
    """Return the sessions without a visit to which that gives a time in whose place the request stands.

    That is what is open for these courses and for the site; and what requests took over that were never worked out.
    """
    older = [*Proposal.objects.filter(course__in=courses, state=ProposalState.OPEN), *_open_beside(job)]
    requests = [job]
    while requests:
        taken_over = Proposal.objects.filter(overtaken_by__in=requests)
        older += taken_over
        requests = list(taken_over.filter(moves=None))
    return planned_in(older)


def _overtake(proposals: Collection[Proposal], by_proposal: Proposal | None, *, by: User | None, now: datetime) -> None:
    """Let a newer proposal take the place of older ones, as far as nothing of them is carried out."""
    rows = Proposal.objects.filter(pk__in=[one.pk for one in proposals], state__in=UNDECIDED)
    decided = {"decided_at": now, "decided_by": by, "overtaken_by": by_proposal}
    begun = Move.objects.filter(proposal__in=proposals).exclude(applied_at=None).values("proposal")
    rows.filter(pk__in=begun).update(state=ProposalState.PARTLY, **decided)
    rows.update(state=ProposalState.STALE, **decided)


class Reins:
    """What people have on a search: it tells how far it is, and ends when they say so, or when its lease is lost."""

    def __init__(self, job: Proposal, seconds: float) -> None:
        self.is_lost = False
        self._rows = Proposal.objects.filter(pk=job.pk, worker=job.worker, state=ProposalState.MAKING)
        self._seconds = seconds
        self._is_stopped, self._spoken_at = False, float("-inf")
        self._explains_until: float | None = None

    def go_on(self, progress: Progress) -> bool:
        """Write progress down, and say whether to go on; heard at most every half second."""
        done = min(round(99 * progress.seconds / self._seconds), 99) if self._seconds else 99
        return self._beat({"progress": done, "stage": progress.stage, "cost": progress.cost, "bound": progress.bound})

    def explaining(self) -> bool:
        """Keep the lease while what has no time is explained, and say whether there is time for another."""
        if self._explains_until is None:
            self._explains_until = time.monotonic() + EXPLAINS_FOR_SECONDS
        self._beat({"progress": 99, "stage": "explaining"})
        return not self.is_lost and time.monotonic() < self._explains_until

    def _beat(self, said: Mapping[str, Any]) -> bool:
        if not self.is_lost and time.monotonic() >= self._spoken_at + BETWEEN_BEATS:
            self._spoken_at = time.monotonic()
            self.is_lost = not self._rows.update(lease_until=Now() + LEASE, **said)
            self._is_stopped = self._is_stopped or self._rows.filter(stop_asked_at__isnull=False).exists()
        return not (self.is_lost or self._is_stopped)


@dataclass(frozen=True)
class _Question:
    """What is read for one request: its courses that may be planned, as they stand, and the time of the site."""

    site: Site
    today: date
    courses: Sequence[Course]
    stand: Sequence[facts.CourseFacts]  # of those that may be planned
    unbooked: Mapping[UUID, Collection[UUID]]  # by course: sessions without a visit that were to get a time before
    held: Sequence[facts.CourseFacts]  # on hold: left alone, lifting the hold looks again
    rows: Rows  # read before the facts: a visit that changes between the two is seen to have changed
    proposed: Collection[int]  # the proposals there were for these courses before anything of them was read
    times: facts.Roster
    patients_busy: Mapping[UUID, Mapping[date, int]]

    @classmethod
    def of(cls, job: Proposal, now: datetime) -> _Question:
        courses = list(
            Course.objects.open().for_facts().filter(touched_by=job, site=job.site_id).order_by("patient_id", "pk")
        )
        proposed = frozenset(Proposal.objects.filter(course__in=courses).values_list("pk", flat=True))
        site, rows = job.site, rows_of(courses)
        by_pk = roster.courses_facts(courses) if courses else {}
        planned_before = _planned_before(job, courses)
        unbooked = {one.id: sessions for one in by_pk.values() if (sessions := to_plan(one, planned_before))}
        with_visits = [course for course in courses if booked_in(by_pk[course.pk])]
        planned = [
            course
            for course in courses
            if (course in with_visits or course.uid in unbooked) and not by_pk[course.pk].holds
        ]
        today = roster.today(site, now)
        booked_on = [slot.on for course in with_visits for slot in booked_in(by_pk[course.pk])]
        horizon_on = today + timedelta(days=site.booking_horizon_days)
        first_on, last_on = min([today, *booked_on]), max([horizon_on, *booked_on])
        times = roster.load_together(planned, site, first_on, last_on, now=now)
        return cls(
            site=site,
            today=today,
            courses=courses,
            stand=[by_pk[course.pk] for course in planned],
            unbooked=unbooked,
            held=[by_pk[course.pk] for course in with_visits if course not in planned],
            rows=rows,
            proposed=proposed,
            times=times,
            patients_busy=roster.patients_busy(planned, times.days),
        )


def _found(question: _Question, reins: Reins, seconds: float) -> Found:
    """Return the moves of the best answer, and what stands against the visits that have nowhere to go."""
    found = Found()
    stand = {one.id: one for one in question.stand}
    ends_at = {one.id: booked_in(one) for one in question.stand}
    for held in question.held:
        found.add_stuck(_without_anybody(held, question), ())
    if not stand:
        return found
    if len(stand) == 1:  # the least change of one course, exactly and at once
        found.cost = found.bound = _settle(question.stand[0], question, ends_at, found, reins) or 0
        return found
    answer = repair_together(
        question.stand,
        question.times,
        question.patients_busy,
        booking.WEIGHTS,
        today=question.today,
        seconds=seconds,
        on_progress=reins.go_on,
    )
    found.cost = answer.cost
    for repaired in answer.courses:
        ends_at[repaired.course] = _booked_after(repaired.moves, stand[repaired.course])
    settled = _settled(answer, question, ends_at, found, reins)
    for repaired in answer.courses:
        if repaired.plan is not None and repaired.course not in settled:
            course, repair = stand[repaired.course], facts.Repair(repaired.plan, repaired.moves)
            is_held = reins.explaining()
            if repair.moves and search.needs_room(course) and is_held:
                times = _beside(course, question, ends_at)
                repair = search.with_room(repair, course, times, booking.WEIGHTS, today=question.today)
                if repair.moves != repaired.moves:
                    found.cost += repair.plan.cost.total - repaired.plan.cost.total
                ends_at[course.id] = _booked_after(repair.moves, course)
            note(course, repair, _alone(course, question), found, today=question.today)
    found.bound = min(answer.bound, found.cost)
    return found


def _settled(
    answer: JointRepair,
    question: _Question,
    ends_at: dict[UUID, list[facts.Slot]],
    found: Found,
    reins: Reins,
) -> set[UUID]:
    """Settle the courses without a plan, and those that have more to plan than visits, one by one; return which."""
    stand = {one.id: one for one in question.stand}
    settled = set()
    for repaired in answer.courses:
        is_for_one = repaired.plan is None or repaired.course in question.unbooked
        if is_for_one and not reins.is_lost:
            course = stand[repaired.course]
            if reins.explaining():
                cost = _settle(course, question, ends_at, found, reins)
                found.cost += 0 if cost is None else cost - repaired.cost
                settled.add(course.id)
            elif repaired.plan is None:
                note(course, None, _alone(course, question), found, today=question.today)
    return settled


def _settle(
    course: facts.CourseFacts,
    question: _Question,
    ends_at: dict[UUID, list[facts.Slot]],
    found: Found,
    reins: Reins,
) -> int | None:
    """Find new times for a course when all the others are where they will be, and return what they cost.

    Sessions without a visit that were to get a time before get one again.
    Without any, say why; but the search may have taken long: nothing is explained when the lease was lost over it.
    """
    unbooked = question.unbooked.get(course.id, ())
    if not (unbooked or pushed(course, _alone(course, question), question.today)):
        return None
    times = _beside(course, question, ends_at)
    repair = settle(
        course,
        times,
        question.site,
        found,
        today=question.today,
        plan_unbooked=unbooked,
        is_explained=reins.explaining,
    )
    if repair is None:
        return None
    ends_at[course.id] = _booked_after(repair.moves, course)
    return repair.plan.cost.total


def _booked_after(moves: Sequence[facts.Move], course: facts.CourseFacts) -> list[facts.Slot]:
    """Return the live visits of a course once these moves are carried out."""
    return booked_in(booking.with_booked(course, [move.new for move in moves]))


def _beside(
    course: facts.CourseFacts, question: _Question, ends_at: Mapping[UUID, Sequence[facts.Slot]]
) -> facts.Roster:
    """Return the roster for one course when the visits of the others are where they will be."""
    others = [slot for uid, slots in ends_at.items() if uid != course.id for slot in slots]
    patients = {one.id: one.patient.id for one in question.stand}
    busy = dict(question.patients_busy.get(course.id, {}))
    for uid, slots in ends_at.items():
        if uid != course.id and patients[uid] == course.patient.id:
            for slot in slots:
                busy[slot.on] = busy.get(slot.on, 0) | patient_span(slot)
    return replace(with_taken(question.times, others), patient_busy=busy)


def _alone(course: facts.CourseFacts, question: _Question) -> facts.Roster:
    """Return the roster for one course as if the others had no visits."""
    return replace(question.times, patient_busy=question.patients_busy.get(course.id, {}))


def _without_anybody(held: facts.CourseFacts, question: _Question) -> Why:
    """Return the visits of a course on hold for which nobody is there where they are, with that and the hold."""
    said = pushed(held, _alone(held, question), question.today)
    return {
        session: [problem for problem in those if problem["code"] not in TAKEN_BY_ITSELF]
        for session, those in said.items()
        if any(problem["code"] in NOBODY_THERE for problem in those)
    }


@act
def _put_down(job: Proposal, question: _Question, found: Found, *, now: datetime) -> bool:
    """Write what was found, and let it take the place of what was open; False when the job is not ours any more.

    An act that has looked at one of the courses meanwhile knows more than we do: what it proposes stays, ours is left.
    Sessions without a visit get a time only if what was to give them one is still open, or taken over by us.
    """
    roster.lock_courses(question.courses, now=now)
    locked = (
        Proposal.objects.select_for_update(of=("self",))
        .filter(pk=job.pk, worker=job.worker, state=ProposalState.MAKING)
        .first()
    )
    if locked is None:
        return False
    newer = Proposal.objects.filter(course__in=question.courses).exclude(pk__in=question.proposed)
    looked_at = set(newer.values_list("course", flat=True))
    planned_before = _planned_before(locked, question.courses)
    withdraw(*(course for course in question.courses if course.pk not in looked_at), by=None, now=now)
    rows = {
        uid: (session, visit)
        for uid, (session, visit) in question.rows.items()
        if session.course_id not in looked_at and (visit is not None or uid in planned_before)
    }
    write_moves(locked, found, rows, question.site)
    moved = {session.course_id for uid, (session, _visit) in rows.items() if uid in _sessions_of(found)}
    done = {
        "progress": 100,
        "stage": "",
        "worker": None,
        "lease_until": None,
        "cost": found.cost,
        "bound": found.bound,
    }
    if moved:
        alone = next(iter(moved)) if len(moved) == 1 and locked.touched.count() == 1 else None
        done |= {"state": ProposalState.OPEN, "course_id": alone}
    else:
        done |= {"state": ProposalState.NEEDLESS, "decided_at": now}
    older = _open_beside(locked)
    Proposal.objects.filter(pk=locked.pk).update(**done)
    _overtake(older, locked, by=None, now=now)
    return True


def _sessions_of(found: Found) -> set[UUID]:
    return {move.session for move in found.moves} | found.stuck
