"""The waiting list: put a session on it, offer what falls free to those who gain most by it, accept, decline.

The only writer of waiting-list entries and offers. An offer is a reservation with an end: nobody else can be given its
time until it is accepted, declined, or over; then the next in order is asked. No act waits for a search: what fell free
is marked (`marks`), and a tick finds who could use it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from django.db import OperationalError
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from clinic import localtime, rights
from clinic.acts import Busy, act, may_come_back
from clinic.errors import Conflict, Problem, Refusal, RuleBroken
from clinic.models import User

from . import booking, marks, outbox, roster, visits
from .lost_offers import lost_offers
from .models import (
    Appointment,
    Course,
    CourseState,
    FreedTime,
    Hold,
    Offer,
    OfferEnd,
    Reservation,
    Session,
    SessionState,
    WaitingListEntry,
)
from .outbox import Quiet
from .planner import facts, search, waiting
from .planner.explain import Unplannable

log = logging.getLogger("scheduling.waitlist")

OFFER_STANDS = timedelta(hours=2)  # outside the hours in which the site sends no mail
TIME_TO_ANSWER = timedelta(minutes=15)  # a time that could be kept for less is not offered
MOST_NOTICE_HOURS = 14 * 24
MOST_OFFERS_AT_ONCE = 20  # of one freed time, in one look; the next look goes on
MOST_FREED_AT_ONCE = 50  # in one tick
REFUSED_FOR = timedelta(minutes=1)  # what others are in the way of now is looked at again then
CAREFUL_FROM_TRY = 2  # a look has died: from here on for one after the other
OF_COURSE = ("patient", "site", "lead", "wish_practitioner", "version__protocol")

# Why an entry is closed.
TAKEN = "taken"  # an offer was accepted
TAKEN_OFF = "taken_off"
SESSION_OVER = "session_over"
COURSE_OVER = "course_over"
TOO_LATE = "too_late"


class WaitsAlready(Conflict):
    """The session is on the waiting list already."""

    code = "waits_already"


class DoesNotWait(Conflict):
    """The session is not on the waiting list, or not any more."""

    code = "does_not_wait"


class OfferOver(Conflict):
    """The offer was answered, has expired, or was withdrawn."""

    code = "offer_over"
    title = "This offer is over."


# --- the list ---------------------------------------------------------------------------------------------------------


@act
def put_on(
    session: Session,
    *,
    from_on: date | None = None,
    until_on: date | None = None,
    notice_hours: int = 24,
    by: User | None,
    now: datetime,
) -> WaitingListEntry:
    """Put an open session on the waiting list of its site; the dates are those on which the patient could come.

    Raise WaitsAlready, NotPossibleNow for a session or course that is over, or RuleBroken with all that is malformed.
    """
    rights.require(by, session.course.site, *rights.FRONT_DESK)
    course = roster.lock(session.course, now=now)
    booking.refuse_unless_open(course)
    session.refresh_from_db(fields=["state"])
    if session.state != SessionState.OPEN:
        raise booking.NotPossibleNow(
            Problem("session_not_open", _("This session is not open any more."), str(session.uid))
        )
    if problems := _against_entry(from_on, until_on, notice_hours, roster.today(course.site, now)):
        raise RuleBroken(*problems)
    if WaitingListEntry.objects.filter(session=session, closed_at=None).exists():
        raise WaitsAlready(
            Problem("waits_already", _("This session is on the waiting list already."), str(session.uid))
        )
    entry = WaitingListEntry.objects.create(
        session=session, since=now, from_on=from_on, until_on=until_on, notice_hours=notice_hours, added_by=by
    )
    marks.look_again_at(course.site, now=now)
    return entry


def _against_entry(from_on: date | None, until_on: date | None, notice_hours: int, today: date) -> list[Problem]:
    problems = []
    if until_on is not None and until_on < today:
        problems.append(Problem("until_is_past", _("The last day that would suit must be to come."), "until_on"))
    if from_on is not None and until_on is not None and until_on < from_on:
        problems.append(
            Problem("ends_before_it_begins", _("The last day lies before the first: exchange them."), "until_on")
        )
    if not 0 <= notice_hours <= MOST_NOTICE_HOURS:
        problems.append(
            Problem("notice_out_of_range", _("The notice is between no hours and two weeks."), "notice_hours")
        )
    return problems


@act
def take_off(entry: WaitingListEntry, *, by: User | None, now: datetime) -> WaitingListEntry:
    """Take a session off the waiting list; an offer that stands is withdrawn, and goes to the next."""
    rights.require(by, entry.session.course.site, *rights.FRONT_DESK)
    roster.lock(entry.session.course, now=now)
    # First what was freed, then who waits for it: so do acceptances and looks, or they would wait for each other.
    for offer in Offer.objects.filter(entry=entry, ended_at=None).select_related("reservation"):
        _end(offer, OfferEnd.WITHDRAWN, by=by, now=now)
    if not _close(WaitingListEntry.objects.filter(pk=entry.pk), TAKEN_OFF, now=now):
        raise DoesNotWait(Problem("does_not_wait", _("This session does not wait any more."), str(entry.session.uid)))
    entry.refresh_from_db(fields=["closed_at", "close_reason"])
    return entry


def tidy(now: datetime) -> int:
    """Close the entries of sessions and courses that are over, and those whose last day has passed; say how many.

    A course on hold keeps its place on the list, and is offered nothing.
    """
    standing = WaitingListEntry.objects.filter(closed_at=None)
    closed = _close(standing.exclude(session__state=SessionState.OPEN), SESSION_OVER, now=now)
    closed += _close(standing.exclude(session__course__state=CourseState.OPEN), COURSE_OVER, now=now)
    dated = standing.filter(until_on__lte=now.date()).select_related("session__course__site")
    past = [
        entry.pk
        for entry in dated
        if entry.until_on is not None and entry.until_on < roster.today(entry.session.course.site, now)
    ]
    return closed + (_close(WaitingListEntry.objects.filter(pk__in=past), TOO_LATE, now=now) if past else 0)


def _close(entries: QuerySet[WaitingListEntry], reason: str, *, now: datetime) -> int:
    pks = list(entries.filter(closed_at=None).values_list("pk", flat=True))
    if not pks:
        return 0
    return WaitingListEntry.objects.filter(pk__in=pks, closed_at=None).update(closed_at=now, close_reason=reason)


# --- answers ----------------------------------------------------------------------------------------------------------


@act
def accept(offer: Offer, *, by: User | None, now: datetime) -> Appointment:
    """Give the patient the time that is kept for them: their visit moves there, or the session is booked.

    Every rule is asked again. Raise OfferOver when it is not kept any more, NotBookable with what has become wrong.
    """
    offer, slot = _locked(offer, by=by, now=now)
    session = offer.entry.session
    visit = Appointment.objects.live().filter(session=session).select_related("session__course", "site").first()
    booking.make_room([slot], session.course.site, now=now, leaving=[] if visit is None else [visit])
    _end(offer, OfferEnd.ACCEPTED, by=by, now=now)
    if visit is None:
        visit = visits.book(session, slot, by=by, now=now)
    else:
        visit, _proposal = visits.move(visit, slot, by=by, now=now, reason=_("from the waiting list"))
    _close(WaitingListEntry.objects.filter(pk=offer.entry_id), TAKEN, now=now)
    return visit


@act
def decline(offer: Offer, *, by: User | None, now: datetime) -> Offer:
    """Note that the patient does not want this time: it goes to the next, and they stay on the list. See `accept`."""
    offer, _slot = _locked(offer, by=by, now=now)
    _end(offer, OfferEnd.DECLINED, by=by, now=now)
    return offer


def _locked(offer: Offer, *, by: User | None, now: datetime) -> tuple[Offer, facts.Slot]:
    """Lock course, resources, offer and reservation, in this order; raise OfferOver unless it can still be answered."""
    rights.require(by, offer.entry.session.course.site, *rights.FRONT_DESK)
    roster.lock(offer.entry.session.course, now=now)
    whole = Offer.objects.select_related(
        "reservation__session__step", "reservation__session__course__site", "entry__session__course__site"
    )
    slot = booking.slot_reserved(whole.get(pk=offer.pk).reservation)
    roster.lock_resources(booking.resources_of([slot]))
    offer = whole.select_for_update(of=("self",)).get(pk=offer.pk)
    kept = Reservation.objects.select_for_update().get(pk=offer.reservation_id)
    if offer.ended_at is not None or kept.released_at is not None or kept.expires_at <= now:
        raise OfferOver(_over(offer))
    return offer, slot


def _over(offer: Offer) -> Problem:
    code = offer.ended_as or OfferEnd.EXPIRED
    sentence = _("This offer is over (%(state)s): the time is not kept any more. Look for free times instead.")
    return Problem(f"offer_{code}", sentence % {"state": OfferEnd(code).label}, str(offer.uid))


def _end(offer: Offer, ended_as: OfferEnd, *, by: User | None, now: datetime) -> bool:
    """End an offer that has not ended, let go of what was kept, and let the freed time be looked at again."""
    ended = Offer.objects.filter(pk=offer.pk, ended_at=None)
    if not ended.update(ended_at=now, ended_as=ended_as, ended_by=by):
        return False
    offer.ended_at, offer.ended_as, offer.ended_by = now, ended_as, by
    booking.release_reservations([offer.reservation.session_id], now=now)
    marks.look_again([offer.freed_id], at=now)
    return True


# --- what falls free --------------------------------------------------------------------------------------------------


def offer_freed_times(now: datetime, *, limit: int = MOST_FREED_AT_ONCE) -> int:
    """Offer what fell free, one freed time after the other, and say how many offers were made.

    Any number may run at once: each claims its own. One that is refused comes back soon, and stops no other. One of
    which this dies comes after the others; after some tries it is given up, or whoever it died of is set aside. That
    the database is too slow is no death, a few times in a row, and ends the round.
    """
    settle(now)
    tidy(now)
    made = 0
    for _number in range(limit):
        freed = marks.claim_freed(now)
        if freed is None:
            break
        try:
            made += _offer_all(freed, now)
        except Refusal as refusal:
            log.warning("freed time %s could not be looked at, and is again soon: %s", freed.uid, refusal)
            marks.put_off(freed, until=now + REFUSED_FOR)
        except OperationalError as error:
            if not may_come_back(error, timeouts=freed.timeouts):
                raise
            marks.put_off_as_too_slow(freed, now=now)
            log.warning("looking for who could use freed time %s took too long, and is tried again", freed.uid)
            break  # the others would be as slow
        finally:
            marks.let_go_of(freed)
    return made


def settle(now: datetime) -> int:
    """End the offers whose time is over, was let go, or is lawful no more, and say how many.

    Their times go to the next in order.
    """
    over = Offer.objects.filter(ended_at=None).filter(
        Q(reservation__expires_at__lte=now) | Q(reservation__released_at__isnull=False)
    )
    asked = [(offer, _settle) for offer in over.select_related("reservation").order_by("pk")]
    asked += [(offer, _withdraw_if_lost) for offer in lost_offers(now)]
    settled = 0
    for offer, end in asked:
        try:
            settled += end(offer, now=now)
        except Refusal as refusal:
            log.warning("offer %s could not be ended: %s", offer.pk, refusal)
    return settled


@act
def _settle(offer: Offer, *, now: datetime) -> bool:
    if not Offer.objects.select_for_update().filter(pk=offer.pk, ended_at=None).exists():
        return False
    kept = Reservation.objects.select_for_update().get(pk=offer.reservation_id)
    is_over = (kept.released_at or now) >= kept.expires_at
    return _end(offer, OfferEnd.EXPIRED if is_over else OfferEnd.WITHDRAWN, by=None, now=now)


@act
def _withdraw_if_lost(offer: Offer, *, now: datetime) -> bool:
    """Ask again under the locks of an answer: a visit that moved between two reads may have made it look lost."""
    try:
        offer, _slot = _locked(offer, by=None, now=now)
    except OfferOver:
        return False
    return bool(lost_offers(now, among=[offer])) and _end(offer, OfferEnd.WITHDRAWN, by=None, now=now)


def _offer_all(freed: FreedTime, now: datetime) -> int:
    """Offer a freed time until nobody is left for any of it; close it when no offer stands either."""
    if not _may_be_tried(freed, now=now):
        return 0
    quiet = Quiet.of(freed.site)
    if quiet.covers(now):
        marks.put_off(freed, until=quiet.next_allowed(now))  # nobody is rung up, or would answer, at night
        return 0
    looked_for = _candidates(freed, now)
    if freed.tries >= CAREFUL_FROM_TRY and not _looked_for_each(freed, looked_for, now=now):
        return 0
    made = 0
    while made < MOST_OFFERS_AT_ONCE and any(
        _is_offered(freed, entry, slot, now=now) for entry, slot in find(freed, now=now)
    ):
        made += 1
    _rest(freed, looked_for, is_spent=made < MOST_OFFERS_AT_ONCE, now=now)
    return made


@act
def _may_be_tried(freed: FreedTime, *, now: datetime) -> bool:
    """Note of whom the last look died, if it did; give the freed time up when several have died of nobody.

    Not while it is offered to somebody: it rests until they have answered, and may be tried as if for the first time.
    Who has their offer is not to blame for what came after it.
    """
    entry = freed.at_entry
    if entry is not None and not Offer.objects.filter(freed=freed, entry=entry).exists():
        marks.blame_entry(freed, tries=CAREFUL_FROM_TRY)
        most = WaitingListEntry.SET_ASIDE_AT_TRY
        WaitingListEntry.objects.filter(pk=entry.pk).update(tries=F("tries") + 1)
        if WaitingListEntry.objects.set_aside().filter(pk=entry.pk).exists():
            log.error("waiting-list entry %s is offered nothing any more: %d looks have died of it", entry.uid, most)
    elif freed.tries >= FreedTime.GIVEN_UP_AT_TRY:
        if (ends_at := _first_offer_ends_at(freed)) is not None:
            marks.end_look(freed, look_at=ends_at, now=now)
        elif marks.give_up(freed, now=now):
            log.error("freed time %s could not be offered in %s tries: offer it by hand", freed.uid, freed.tries - 1)
        return False
    return True


def _looked_for_each(freed: FreedTime, entries: Sequence[WaitingListEntry], *, now: datetime) -> bool:
    """Look for a time for one after the other, to know of whom a look dies; False when somebody else took over."""
    for entry in entries:
        if not marks.note_whom_it_asks(freed, entry):
            return False
        find(freed, now=now, among=[entry])
    return marks.note_whom_it_asks(freed, None)


def _is_offered(freed: FreedTime, entry: WaitingListEntry, slot: facts.Slot, *, now: datetime) -> bool:
    """Offer it, or say that it could not be, for whatever has happened since it was found."""
    if not marks.note_whom_it_asks(freed, entry):
        return False
    try:
        _offer(freed, entry, slot, now=now)
    except Busy:
        raise  # others are in the way, and it stays their turn
    except Refusal as refusal:
        log.info("waiting-list entry %s could not be offered a time: %s", entry.pk, refusal)
        is_offered = False
    else:
        is_offered = True
    _forgive([entry])
    return marks.note_whom_it_asks(freed, None) and is_offered


@act
def _rest(freed: FreedTime, looked_for: Sequence[WaitingListEntry], *, is_spent: bool, now: datetime) -> None:
    """Let a spent freed time rest until the first of its offers ends, close it where none stands; else look again.

    Nobody for whom it was looked is to blame any more. Not before its end: of whom a look by itself does not die, it
    may still die when the time is offered to them.
    """
    marks.end_look(freed, look_at=_first_offer_ends_at(freed) if is_spent else now, now=now)
    _forgive(looked_for)


def _forgive(entries: Iterable[WaitingListEntry]) -> None:
    if blamed := [entry.pk for entry in entries if entry.tries]:
        WaitingListEntry.objects.filter(pk__in=blamed).update(tries=0)


def _first_offer_ends_at(freed: FreedTime) -> datetime | None:
    ends = Offer.objects.filter(freed=freed, ended_at=None).order_by("reservation__expires_at")
    return ends.values_list("reservation__expires_at", flat=True).first()


def find(
    freed: FreedTime, *, now: datetime, among: Sequence[WaitingListEntry] | None = None
) -> list[tuple[WaitingListEntry, facts.Slot]]:
    """Return who on the waiting list (or of some who may, `among` them) could lawfully use a freed time, and when.

    Those who gain most come first. A constant number of statements, however many wait. Who was asked for this time
    before is left out; so is the session whose own visit it was.
    """
    site, today = freed.site, roster.today(freed.site, now)
    horizon_on = today + timedelta(days=site.booking_horizon_days)
    first_on, last_on = _days_of(freed, now)
    entries = _candidates(freed, now) if among is None else among
    if not entries:
        return []
    courses = {entry.session.course.pk: entry.session.course for entry in entries}
    stand = roster.courses_facts(list(courses.values()))
    wanted = {
        need.capability
        for entry in entries
        for session in stand[entry.session.course_id].sessions
        if session.id == entry.session.uid
        for phase in session.step.phases
        for need in phase.needs
    }
    times = roster.load_site(site, wanted, first_on, last_on, now=now)
    busy = roster.busy_of_patients({course.patient_id for course in courses.values()}, times)
    offered = _offered_before(entries)
    by_session = {entry.session.uid: entry for entry in entries}
    found = waiting.matches(
        [
            waiting.Waiting(
                session=entry.session.uid,
                course=stand[entry.session.course_id],
                since=entry.since,
                patient_busy=busy.get(entry.session.course.patient_id, {}),
                not_before=now + TIME_TO_ANSWER + timedelta(hours=entry.notice_hours),
                from_on=entry.from_on,
                until_on=entry.until_on,
                offered=tuple(offered[entry.pk]),
            )
            for entry in entries
        ],
        roster.freed_in(freed, times),
        times,
        booking.WEIGHTS,
        today=today,
        horizon_on=horizon_on,
    )
    return [(by_session[match.session], match.slot) for match in found]


def _days_of(freed: FreedTime, now: datetime) -> tuple[date, date]:
    """Return the first and the last day of a freed time that can be booked; the last may lie before the first."""
    today = roster.today(freed.site, now)
    return max(freed.first_on, today), min(freed.last_on, today + timedelta(days=freed.site.booking_horizon_days))


def _candidates(freed: FreedTime, now: datetime) -> list[WaitingListEntry]:
    """Return those who wait and may have use for a time on its days: not asked for it before, not on hold, not set
    aside."""
    first_on, last_on = _days_of(freed, now)
    if last_on < first_on:
        return []
    asked = Offer.objects.filter(freed=freed).values("patient")
    entries = (
        WaitingListEntry.objects.standing()
        .filter(tries__lt=WaitingListEntry.SET_ASIDE_AT_TRY)
        .filter(Q(from_on=None) | Q(from_on__lte=last_on), Q(until_on=None) | Q(until_on__gte=first_on))
        .filter(session__course__site=freed.site)
        .exclude(session__course__patient__in=asked)
        .exclude(session__course__in=Hold.objects.standing().values("course"))
        .exclude(session__in=Reservation.objects.filter(released_at=None).values("session"))
        .select_related("session__step", *(f"session__course__{name}" for name in OF_COURSE))
        .order_by("since", "pk")
    )
    if freed.appointment_id is not None:
        entries = entries.exclude(session__appointments=freed.appointment_id)
    return list(entries)


def _offered_before(entries: Sequence[WaitingListEntry]) -> dict[int, list[waiting.Span]]:
    """Return the times that each was offered before and did not take: nobody is asked for the same time twice."""
    refused = Offer.objects.filter(entry__in=entries, ended_as__in=(OfferEnd.DECLINED, OfferEnd.EXPIRED))
    found: dict[int, list[waiting.Span]] = defaultdict(list)
    for offer in refused.select_related("reservation__session__course__site"):
        kept = offer.reservation
        begins_at = localtime.instant(kept.on, kept.at_time, kept.session.course.site.zone, fold=kept.fold)
        found[offer.entry_id].append((begins_at, begins_at + timedelta(minutes=kept.minutes)))
    return found


@act
def _offer(freed: FreedTime, entry: WaitingListEntry, slot: facts.Slot, *, now: datetime) -> None:
    """Keep the time for one session, note the offer, promise the mail; every rule is asked again under the locks."""
    session = entry.session
    course = roster.lock(session.course, booking.resources_of([slot]), now=now)
    booking.refuse_unless_open(course)
    booking.make_room([slot], course.site, now=now)
    if not WaitingListEntry.objects.standing().filter(pk=entry.pk).exists():
        raise DoesNotWait(Problem("does_not_wait", _("This session does not wait any more."), str(session.uid)))
    as_it_stands = roster.course_facts(course)
    today = roster.today(course.site, now)
    if problems := booking.whats_wrong([slot], course, as_it_stands, on=today, now=now):
        raise booking.NotBookable(*problems)
    _refuse_if_rest_is_lost(course, as_it_stands, slot, now=now)
    begins_at = localtime.day_shape(slot.on, course.site.zone).starts_at + timedelta(minutes=slot.tick)
    expires_at = min(_answer_by(Quiet.of(course.site), now), begins_at - timedelta(hours=entry.notice_hours))
    session.course = course
    kept = booking.reserve(session, slot, purpose=Reservation.Purpose.OFFER, expires_at=expires_at, now=now)
    Offer.objects.create(entry=entry, freed=freed, patient_id=course.patient_id, reservation=kept, made_at=now)
    outbox.offer(kept, now=now)


def _answer_by(quiet: Quiet, now: datetime) -> datetime:
    """Return until when an offer stands: the hours in which the site is quiet do not count."""
    by = now + OFFER_STANDS
    if not quiet.covers(by):
        return by
    fell_quiet_at = quiet.last_allowed(by) + localtime.ONE_MINUTE
    return quiet.next_allowed(by) + (by - fell_quiet_at)


def _refuse_if_rest_is_lost(
    course: Course, as_it_stands: facts.CourseFacts, slot: facts.Slot, *, now: datetime
) -> None:
    """Raise NotBookable when the course's sessions that are not booked had a plan, and would have none any more."""
    others = [one for one in as_it_stands.sessions if booking.is_to_plan(one) and one.id != slot.session]
    if not others:
        return
    today = roster.today(course.site, now)

    def has_plan(stands: facts.CourseFacts) -> bool:
        pinned = booking.with_booked_pinned(stands)
        times = booking.times_of_plans(course, pinned, now=now)
        try:
            search.cheapest_plan(pinned, times, booking.WEIGHTS, today=today)
        except Unplannable:
            return False
        return True

    if not has_plan(booking.with_booked(as_it_stands, [slot])) and has_plan(as_it_stands):
        raise booking.NotBookable(
            Problem("rest_not_plannable", _("The sessions after it would have no time any more."), str(slot.session))
        )


def offers_for(courses: Iterable[Course], *, now: datetime) -> list[Offer]:
    """Return the offers that stand for courses, with all that a page shows of them."""
    return list(
        Offer.objects.standing(now)
        .filter(entry__session__course__in=list(courses))
        .select_related("reservation", "entry__session__step")
        .order_by("reservation__expires_at")
    )


__all__ = [
    "DoesNotWait",
    "OfferOver",
    "WaitsAlready",
    "accept",
    "decline",
    "find",
    "offer_freed_times",
    "offers_for",
    "put_on",
    "settle",
    "take_off",
    "tidy",
]
