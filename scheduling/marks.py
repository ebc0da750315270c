"""What acts leave for jobs: time that fell free, and resources whose visits must be looked at. The only writer of both.

A mark is written in the transaction of what it tells of, so neither exists without the other, and it stands until a job
has dealt with it: whatever dies in between, nothing is forgotten, and no act waits for a search.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, time, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Least, Now

from clinic import localtime
from clinic.acts import TOO_SLOW_FOR, act
from clinic.models import Site

from .models import Appointment, Examination, ExtraOpening, FreedTime, Hours, Offer, Resource, WaitingListEntry

CLAIMED_FOR = timedelta(minutes=2)  # how long after a worker's death another one goes on


# --- time that fell free ----------------------------------------------------------------------------------------------


def visit_gave_back_its_time(visit: Appointment, *, now: datetime) -> None:
    """Note that the places of a visit are free; one that has begun is of no use to anybody."""
    if visit.during.lower > now:
        FreedTime.objects.create(
            site_id=visit.site_id,
            appointment=visit,
            freed_at=now,
            first_on=visit.on,
            last_on=visit.on,
            look_at=now,
        )


def duty_grew(
    resource: Resource | None,
    sites: Collection[Site],
    first_on: date,
    last_on: date,
    *,
    from_time: time | None = None,
    until_time: time | None = None,
    now: datetime,
) -> None:
    """Note that a resource (None: everything at the sites) is there on days on which it was not; both inclusive."""
    FreedTime.objects.bulk_create(
        [
            FreedTime(
                site=site,
                resource=resource,
                freed_at=now,
                first_on=max(first_on, localtime.local_date(now, site.zone)),
                last_on=last_on,
                from_time=from_time,
                until_time=until_time,
                look_at=now,
            )
            for site in sites
            if last_on >= localtime.local_date(now, site.zone)
        ]
    )


def sites_served(resource: Resource) -> list[Site]:
    """Return the sites where a resource has hours, or an extra opening."""
    there = Exists(Hours.objects.filter(resource=resource, site=OuterRef("pk"))) | Exists(
        ExtraOpening.objects.filter(resource=resource, site=OuterRef("pk"))
    )
    return list(Site.objects.filter(there).order_by("pk"))


@transaction.atomic
def claim_freed(now: datetime) -> FreedTime | None:
    """Take the freed time that is due for a look, and that nobody is at, or None; first those whose looks all ended.

    The lease is by the database's clock; a worker that dies loses it after a while. Its end is also its token: who has
    lost it writes nothing more. What becomes due, and when, is by `now`.
    """
    due = (
        FreedTime.objects.filter(Q(lease_until=None) | Q(lease_until__lte=Now()), closed_at=None, look_at__lte=now)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("site", "appointment", "resource")
        .order_by("tries", "look_at", "pk")
    )
    found = due.first()
    if found is not None:
        FreedTime.objects.filter(pk=found.pk).update(lease_until=Now() + CLAIMED_FOR, tries=F("tries") + 1)
        found.refresh_from_db(fields=["lease_until", "tries"])
    return found


@act
def note_whom_it_asks(freed: FreedTime, entry: WaitingListEntry | None) -> bool:
    """Write down for whom a time is looked for now (None: for all), and say whether the look is still ours.

    Written before that is done: should the worker die of it, the next one knows of whom.
    """
    is_ours = _our_look(freed).update(at_entry=entry, lease_until=Now() + CLAIMED_FOR)
    if is_ours:
        freed.refresh_from_db(fields=["lease_until", "at_entry"])
    return bool(is_ours)


def blame_entry(freed: FreedTime, *, tries: int) -> None:
    """Note that the last look died of one who waits, and not of the time: it has so many tries behind it."""
    _our_look(freed).update(at_entry=None, tries=tries)


def end_look(freed: FreedTime, *, look_at: datetime | None, now: datetime) -> None:
    """Note that a look came to its end, and when the next one is due; None closes the freed time.

    Who has asked for another look meanwhile gets it: the one that ends may have passed whom it is for. One for which an
    offer still stands is not closed.
    """
    not_asked_again = _our_look(freed).filter(look_at=freed.look_at)
    if look_at is not None:
        not_asked_again.update(look_at=look_at)
    else:
        not_asked_again.filter(~Exists(_standing_offers())).update(closed_at=now)
    FreedTime.objects.filter(pk=freed.pk, lease_until=freed.lease_until).update(
        tries=0, timeouts=0, at_entry=None, lease_until=None
    )


def put_off(freed: FreedTime, *, until: datetime) -> None:
    """Give a freed time back without a look, which counts as no try and is nobody's fault; it is due then."""
    _our_look(freed).update(look_at=until, tries=F("tries") - 1, at_entry=None, lease_until=None)


def put_off_as_too_slow(freed: FreedTime, *, now: datetime) -> None:
    """The same after a look in which a statement took too long, which is counted."""
    _our_look(freed).update(timeouts=F("timeouts") + 1)
    put_off(freed, until=now + TOO_SLOW_FOR)


def give_up(freed: FreedTime, *, now: datetime) -> bool:
    """Close a freed time of which every look has died, unless an offer for it stands; say whether that was done.

    What it was tried stays on record, for the desk to see.
    """
    return bool(_our_look(freed).filter(~Exists(_standing_offers())).update(closed_at=now, lease_until=None))


def let_go_of(freed: FreedTime) -> None:
    """Give a freed time back, for the next tick to try again; after `end_look` this changes nothing."""
    _our_look(freed).update(lease_until=None)


def _our_look(freed: FreedTime) -> QuerySet[FreedTime]:
    return FreedTime.objects.filter(pk=freed.pk, lease_until=freed.lease_until, closed_at=None)


def _standing_offers() -> QuerySet[Offer]:
    return Offer.objects.filter(freed=OuterRef("pk"), ended_at=None)


def look_again(freed: Collection[int], *, at: datetime) -> None:
    """Let freed times (by primary key) be looked at then, where they are not closed."""
    FreedTime.objects.filter(pk__in=freed, closed_at=None).update(look_at=at)


def look_again_at(site: Site, *, now: datetime) -> None:
    """Let every open freed time of a site be looked at: somebody else may want it."""
    FreedTime.objects.filter(site=site, closed_at=None).update(look_at=now)


def forget_freed_before(moment: datetime) -> int:
    """Delete closed freed times that were never offered to anybody."""
    offered = Offer.objects.filter(freed=OuterRef("pk"))
    return FreedTime.objects.filter(~Exists(offered), closed_at__lt=moment).delete()[0]


# --- what is to be examined -------------------------------------------------------------------------------------------


def examine_visits_of(resource: Resource, *, reason: str, now: datetime) -> None:
    """Ask for a look at every visit to come of a resource whose hours, skills or days have changed.

    The caller holds the resource's lock. A look that is under way begins again: it may have passed what has changed.
    """
    fresh = {"cursor": 0, "asked_at": now, "reason": reason, "lease_until": None, "tries": 0, "timeouts": 0}
    if not Examination.objects.filter(resource=resource, finished_at=None).update(**fresh):
        Examination.objects.create(resource=resource, reason=reason, on=now.date(), asked_at=now)


def begin_nights(nights: Collection[tuple[Site, date]], *, now: datetime) -> None:
    """Open the nightly examination of each site for its local date, once however often this is asked."""
    wanted = Q(pk__in=())
    for site, on in nights:
        wanted |= Q(site=site, on=on)
    begun = set(Examination.objects.filter(wanted).values_list("site", "on"))
    Examination.objects.bulk_create(
        [
            Examination(site=site, on=on, reason="nightly", asked_at=now)
            for site, on in nights
            if (site.pk, on) not in begun
        ],
        ignore_conflicts=True,
    )


@transaction.atomic
def claim_examination() -> Examination | None:
    """Take the oldest unfinished examination that nobody is at, or None; a dead worker's is free after a while.

    By the database's clock. The end of the lease is also its token: who has lost it writes nothing more.
    """
    found = (
        Examination.objects.filter(Q(lease_until=None) | Q(lease_until__lte=Now()), finished_at=None)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("site", "resource")
        .order_by("tries", "asked_at", "pk")
        .first()
    )
    if found is not None:
        Examination.objects.filter(pk=found.pk).update(lease_until=Now() + CLAIMED_FOR, tries=F("tries") + 1)
        found.refresh_from_db(fields=["lease_until", "tries"])
    return found


@transaction.atomic
def note_progress(
    examination: Examination,
    *,
    cursor: int,
    tries: int,
    courses: int,
    uncovered: int,
    mended: int,
    failed: int,
) -> bool:
    """Write down how far an examination has come, and say whether it is still ours.

    It is not when somebody has asked for it anew, or has taken it over because we were not heard of for too long. A
    course that was passed over shows no quicker database: time-outs are forgotten only once one was looked at.
    """
    is_ours = _ours(examination).update(
        cursor=cursor,
        lease_until=Now() + CLAIMED_FOR,
        tries=tries,
        timeouts=0 if courses else F("timeouts"),
        courses=F("courses") + courses,
        uncovered=F("uncovered") + uncovered,
        mended=F("mended") + mended,
        failed=F("failed") + failed,
    )
    if is_ours:
        examination.refresh_from_db(fields=["cursor", "lease_until", "timeouts"])
    return bool(is_ours)


def finish_examination(examination: Examination, *, now: datetime) -> None:
    """Note that every course has been looked at, unless it has been asked for anew; true whoever has the lease now."""
    unfinished = Examination.objects.filter(pk=examination.pk, asked_at=examination.asked_at, finished_at=None)
    unfinished.update(finished_at=now, lease_until=None)


def put_off_examination_as_too_slow(examination: Examination) -> None:
    """Keep everybody from an examination for a while, as a statement took too long: that is counted, and no try."""
    _ours(examination).update(
        tries=Least(F("tries"), examination.tries - 1),  # as before it was claimed; those after progress stand
        timeouts=F("timeouts") + 1,
        lease_until=Now() + TOO_SLOW_FOR,
    )


def let_go(examination: Examination) -> None:
    """Give an examination back, for the next tick to go on."""
    _ours(examination).update(lease_until=None)


def _ours(examination: Examination) -> QuerySet[Examination]:
    return Examination.objects.filter(
        pk=examination.pk, asked_at=examination.asked_at, lease_until=examination.lease_until, finished_at=None
    )


def forget_examinations_before(moment: datetime) -> int:
    return Examination.objects.filter(finished_at__lt=moment).delete()[0]
