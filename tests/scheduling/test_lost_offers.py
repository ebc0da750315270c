"""Offers of a time that could not be accepted any more: withdrawn at the next tick, with their mail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic import accounts
from scheduling import absences, closures, outbox, staffing, waitlist
from scheduling.lost_offers import lost_offers
from scheduling.models import Message, Offer, Reservation, Resource, ResourceCapability
from tests import build

from .waiting import cancel, course_from, first_of, standing, the_offer, waits

pytestmark = pytest.mark.django_db


@pytest.fixture
def offer(clinic: build.Clinic) -> Offer:
    """A time that is kept for Cleo, who gains more by it than Ben, who waits too."""
    early = course_from(clinic, 10, "Ana First")
    for days, name in ((20, "Ben Second"), (25, "Cleo Third")):
        waits(clinic, course_from(clinic, days, name))
    cancel(clinic, first_of(early))
    tick(clinic)
    return the_offer(clinic)


def tick(clinic: build.Clinic) -> None:
    clinic.wait(minutes=1)
    waitlist.offer_freed_times(clinic.now)


def lead_of(offer: Offer) -> Resource:
    return offer.reservation.occupancies.get(role="injector").resource


def the_lead_is_away(clinic: build.Clinic, offer: Offer) -> None:
    away = absences.AbsenceDetails(lead_of(offer), offer.reservation.on, offer.reservation.on)
    absences.record(away, by=clinic.manager, now=clinic.now)


def it_is_shut(clinic: build.Clinic, offer: Offer) -> None:
    on = offer.reservation.on
    closures.record(closures.ClosureDetails(clinic.site, "Flooded", on, on), by=clinic.manager, now=clinic.now)


def the_rooms_have_other_hours(clinic: build.Clinic, offer: Offer) -> None:
    evening = staffing.WeeklyHours(clinic.site, offer.reservation.on.weekday(), time(18), time(20), clinic.today)
    for room in Resource.objects.filter(kind="room"):
        staffing.set_hours(room, [evening], by=clinic.manager, now=clinic.now)


def nobody_is_able(clinic: build.Clinic, offer: Offer) -> None:
    ResourceCapability.objects.filter(resource__in=clinic.staff["injector"]).update(until_on=clinic.today)


def the_site_is_given_up(clinic: build.Clinic, offer: Offer) -> None:
    accounts.save_site(clinic.site, is_active=False, by=None, now=clinic.now)


@pytest.mark.parametrize(
    "what", [the_lead_is_away, it_is_shut, the_rooms_have_other_hours, nobody_is_able, the_site_is_given_up]
)
def test_an_offer_is_withdrawn_when_its_time_is_lost(
    clinic: build.Clinic, offer: Offer, what: Callable[[build.Clinic, Offer], None]
) -> None:
    what(clinic, offer)
    tick(clinic)

    (ended,) = Offer.objects.all()
    kept = Reservation.objects.get()
    assert (ended.ended_as, ended.ended_at, ended.ended_by) == ("withdrawn", clinic.now, None)
    assert (kept.released_at, kept.occupancies.filter(released_at=None).exists()) == (clinic.now, False)
    assert waitlist.find(ended.freed, now=clinic.now) == []
    outbox.deliver_due(clinic.now)
    mail = Message.objects.get(kind="offer")
    assert (mail.state, mail.state_reason) == ("dropped", "reservation_expired")


def test_what_is_lost_for_one_goes_to_the_next(clinic: build.Clinic, offer: Offer) -> None:
    assert offer.patient.name == "Cleo Third"

    offer.entry.session.course.consents.update(signed_on=None)
    tick(clinic)

    offer.refresh_from_db()
    assert (offer.ended_as, [who for who, *_rest in standing(clinic)]) == ("withdrawn", ["Ben Second"])


def test_an_offer_of_a_time_that_is_still_there_stands(clinic: build.Clinic, offer: Offer) -> None:
    (other,) = (lead for lead in clinic.staff["injector"] if lead != lead_of(offer))
    away = absences.AbsenceDetails(other, offer.reservation.on, offer.reservation.on)
    absences.record(away, by=clinic.manager, now=clinic.now)

    tick(clinic)

    assert the_offer(clinic) == offer


def test_many_offers_are_looked_at_in_as_many_statements_as_one(clinic: build.Clinic, offer: Offer) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert lost_offers(clinic.now) == []
        return len(queries)

    one = asked()
    cancel(clinic, first_of(course_from(clinic, 11, "Dora Fourth")))
    tick(clinic)

    assert (Offer.objects.standing(clinic.now).count(), asked()) == (2, one)
