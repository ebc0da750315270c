"""Which offers of a time could not be accepted any more, for whatever has happened since. Read only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.db.models import Prefetch

from clinic.models import Site

from . import booking, roster
from .models import Course, Occupancy, Offer
from .planner import facts
from .planner.rules import violations


def lost_offers(now: datetime, *, among: Collection[Offer] | None = None) -> list[Offer]:
    """Return the offers that stand although a rule or gate forbids their time by now: somebody is away, it is shut, …

    All of them, or those `among` some. In a constant number of statements for each site.
    """
    standing = Offer.objects.standing(now).select_related("reservation__session__step", "reservation__session__course")
    if among is not None:
        standing = standing.filter(pk__in=[offer.pk for offer in among])
    kept = Occupancy.objects.select_related("resource").order_by("phase", "id")
    offers = list(standing.prefetch_related(Prefetch("reservation__occupancies", kept, to_attr="kept")).order_by("pk"))
    courses = Course.objects.for_facts().in_bulk({offer.reservation.session.course_id for offer in offers})
    stand = roster.courses_facts(list(courses.values()))
    at_sites: dict[Site, list[Offer]] = defaultdict(list)
    for offer in offers:
        offer.reservation.session.course = courses[offer.reservation.session.course_id]
        at_sites[offer.reservation.session.course.site].append(offer)
    return [offer for site, there in at_sites.items() for offer in _lost_at(site, there, stand, now=now)]


def _lost_at(
    site: Site, offers: Sequence[Offer], stand: Mapping[int, facts.CourseFacts], *, now: datetime
) -> list[Offer]:
    slots = {offer.pk: booking.slot_reserved(offer.reservation) for offer in offers}
    courses = [offer.reservation.session.course for offer in offers]
    wanted = {
        need.capability
        for course in courses
        for session in stand[course.pk].sessions
        for phase in session.step.phases
        for need in phase.needs
    }
    dates, today = [slot.on for slot in slots.values()], roster.today(site, now)
    # What is kept is taken by the offer itself, and the database forbids that it is by anything else.
    times = replace(roster.load_site(site, wanted, min(dates), max(dates), now=now), busy={})
    busy = roster.patients_busy(courses, times.days)
    return [
        offer
        for offer, course in zip(offers, courses, strict=True)
        if violations([slots[offer.pk]], stand[course.pk], replace(times, patient_busy=busy[course.uid]), today)
    ]
