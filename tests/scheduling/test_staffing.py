"""Who and what there is, and when it is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinic import accounts
from clinic.errors import Refusal, RuleBroken
from clinic.models import Site, User
from scheduling import staffing
from scheduling.models import Capability, Hours, Occupancy, Resource
from scheduling.staffing import Grant, ResourceDetails, WeeklyHours
from tests import build

NOW = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
MONDAY = date(2027, 1, 4)
RITA = ResourceDetails("practitioner", "Rita Novak")


def make_site(name: str = "Harbour Street", **fields: Any) -> Site:
    details = {
        "zone": "Europe/London",
        "country": "GB",
        "sender_name": "Harbour Clinic",
        "sender_email": "desk@harbour.example",
    }
    return accounts.save_site(name=name, by=None, now=NOW, **{**details, **fields})


@pytest.fixture
def site(db: None) -> Site:
    return make_site()


@pytest.fixture
def resource(db: None) -> Resource:
    return save(RITA)


def save(details: ResourceDetails, resource: Resource | None = None) -> Resource:
    return staffing.save_resource(details, by=None, now=NOW, resource=resource)


def weekly(
    site: Site, weekday: int = 0, from_time: str = "09:00", until_time: str = "12:00", **fields: Any
) -> WeeklyHours:
    times = time.fromisoformat(from_time), time.fromisoformat(until_time)
    return WeeklyHours(site, weekday, *times, **{"valid_from": date(2027, 1, 1), **fields})


def set_hours(resource: Resource, *rows: WeeklyHours) -> list[Hours]:
    return staffing.set_hours(resource, rows, by=None, now=NOW)


def problems_of(refusal: Refusal) -> list[tuple[str, str]]:
    return sorted((problem.code, problem.where) for problem in refusal.problems)


def make_user(number: int = 1) -> User:
    return accounts.create_user(
        email=f"p{number}@harbour.example", name="Rita", password=None, roles={}, by=None, now=NOW
    )


# --- capabilities and resources -------------------------------------------------------------------------------------


def test_capabilities_are_added_and_named_by_code(db):
    staffing.ensure_capabilities({"injector": "Injects", "room": "Room"})

    found = staffing.ensure_capabilities({"injector": "Injects sclerosant", "laser": "Laser"})

    assert sorted((code, one.name) for code, one in found.items()) == [
        ("injector", "Injects sclerosant"),
        ("laser", "Laser"),
    ]
    assert sorted(Capability.objects.values_list("code", "name")) == [
        ("injector", "Injects sclerosant"),
        ("laser", "Laser"),
        ("room", "Room"),
    ]
    with pytest.raises(RuleBroken) as refusal:
        staffing.ensure_capabilities({"no slug": "x", "blank": ""})
    assert problems_of(refusal.value) == [
        ("invalid", "capabilities.no slug.code"),
        ("missing", "capabilities.blank.name"),
    ]


def test_a_resource_is_saved_with_what_it_can_do_and_changed_as_a_whole(db):
    staffing.ensure_capabilities({"injector": "Injects", "supervisor": "Supervises"})
    user = make_user()
    rita = save(
        ResourceDetails(
            "practitioner",
            " Rita Novak ",
            user=user,
            places=4,
            languages=["en", "hr"],
            active_from=date(2020, 1, 1),
            capabilities=[Grant("injector", until_on=date(2026, 12, 31)), Grant("injector", date(2027, 1, 1))],
        )
    )
    kept = rita.has_capabilities.get(from_on=date(2027, 1, 1)).pk

    save(
        ResourceDetails(
            "practitioner", "Rita", capabilities=[Grant("injector", date(2027, 1, 1)), Grant("supervisor")]
        ),
        rita,
    )

    rita.refresh_from_db()
    assert (rita.name, rita.user, rita.places, rita.languages, rita.active_from) == ("Rita", None, 1, [], None)
    assert sorted(rita.has_capabilities.values_list("capability__code", "from_on", "until_on"), key=str) == [
        ("injector", date(2027, 1, 1), None),
        ("supervisor", None, None),
    ]
    assert rita.has_capabilities.get(capability__code="injector").pk == kept


def test_everything_wrong_with_a_resource_is_said_at_once(db):
    staffing.ensure_capabilities({"injector": "Injects"})

    with pytest.raises(RuleBroken) as refusal:
        save(
            ResourceDetails(
                "robot",
                "Rita\nNovak",
                places=0,
                languages=["en", "English"],
                active_from=date(2027, 1, 2),
                active_to=date(2027, 1, 1),
                capabilities=[
                    Grant("injector", until_on=date(2027, 1, 31)),
                    Grant("injector", date(2027, 1, 31)),
                    Grant("juggler", date(2027, 1, 2), date(2027, 1, 1)),
                ],
            )
        )

    assert problems_of(refusal.value) == [
        ("capability_overlaps", "capabilities.1"),
        ("capability_unknown", "capabilities.2"),
        ("ends_before_it_begins", "active_to"),
        ("ends_before_it_begins", "capabilities.2.until_on"),
        ("not_a_language", "languages.1"),
        ("not_one_line", "name"),
        ("too_small", "places"),
        ("unknown_choice", "kind"),
    ]
    assert Resource.objects.count() == 0


def test_a_user_is_one_resource_only(db):
    user = make_user()
    rita = save(ResourceDetails("practitioner", "Rita", user=user))

    with pytest.raises(staffing.UserHasResource) as refusal:
        save(ResourceDetails("practitioner", "Rita again", user=user))

    assert problems_of(refusal.value) == [("user_has_a_resource", "user")]
    assert save(ResourceDetails("practitioner", "Rita Novak", user=user), rita).name == "Rita Novak"


def test_a_place_that_a_visit_to_come_needs_is_kept_and_so_is_the_kind(db):
    clinic = build.Clinic()
    visit = build.visits_of(clinic.booked_course())[0]
    lead = ResourceDetails("practitioner", "Rita", places=2)
    save(lead, visit.lead)
    Occupancy.objects.filter(appointment=visit, resource=visit.lead).update(place=2)

    with pytest.raises(staffing.PlacesInUse) as places:
        save(replace(lead, places=1), visit.lead)
    with pytest.raises(staffing.KindIsFixed) as kind:
        save(replace(lead, kind="room"), visit.lead)

    assert problems_of(places.value) == [("places_in_use", "places")]
    assert problems_of(kind.value) == [("kind_is_fixed", "kind")]
    after = visit.during.upper + timedelta(days=1)
    assert staffing.save_resource(replace(lead, places=1), by=None, now=after, resource=visit.lead).places == 1


def test_a_resource_that_never_was_booked_may_become_another_kind_and_lose_places(db):
    rita = save(ResourceDetails("practitioner", "Rita", places=4))

    changed = save(ResourceDetails("device", "Laser"), rita)

    assert (changed.kind, changed.places) == ("device", 1)


# --- weekly hours ---------------------------------------------------------------------------------------------------


def test_hours_are_replaced_and_equal_rows_stay(site, resource):
    first = set_hours(resource, weekly(site), weekly(site, 0, "13:00", "17:00"), weekly(site, 1))
    kept = first[0].pk

    second = set_hours(resource, weekly(site), weekly(site, 4, "08:00", "10:00"))

    assert [(row.weekday, row.from_time, row.until_time) for row in second] == [
        (0, time(9), time(12)),
        (4, time(8), time(10)),
    ]
    assert (second[0].pk, Hours.objects.count()) == (kept, 2)
    assert set_hours(resource) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {}),
        ({}, {"from_time": "11:55", "until_time": "13:00"}),
        ({}, {"from_time": "09:30", "until_time": "10:00"}),
        ({"valid_to": date(2027, 3, 1)}, {"valid_from": date(2027, 3, 1)}),
        ({}, {"valid_from": date(2030, 1, 1)}),
        ({"every_weeks": 2}, {}),
        ({"every_weeks": 2}, {"every_weeks": 2, "valid_from": date(2027, 1, 11)}),
        ({"every_weeks": 2, "valid_from": date(2027, 1, 4)}, {"every_weeks": 3, "valid_from": date(2027, 1, 11)}),
        ({"every_weeks": 4}, {"every_weeks": 6, "valid_from": date(2027, 1, 11)}),
    ],
)
def test_rows_that_meet_on_a_date_are_refused(site, resource, one, other):
    with pytest.raises(staffing.HoursOverlap) as refusal:
        set_hours(resource, weekly(site, **one), weekly(site, **other))

    assert problems_of(refusal.value) == [("hours_overlap", "hours.1")]
    assert Hours.objects.count() == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"weekday": 1}),
        ({}, {"from_time": "12:00", "until_time": "13:00"}),
        ({"valid_to": date(2027, 2, 28)}, {"valid_from": date(2027, 3, 1)}),
        # valid on a common day, which is no Monday
        ({"valid_to": date(2027, 3, 3)}, {"valid_from": date(2027, 3, 2)}),
        # alternating weeks
        ({"every_weeks": 2, "valid_from": date(2027, 1, 4)}, {"every_weeks": 2, "valid_from": date(2027, 1, 11)}),
        # counted from the week of `valid_from`, Monday first, whatever day it is
        ({"every_weeks": 2, "valid_from": date(2027, 1, 10)}, {"every_weeks": 2, "valid_from": date(2027, 1, 11)}),
        ({"every_weeks": 4, "valid_from": date(2027, 1, 4)}, {"every_weeks": 6, "valid_from": date(2027, 1, 11)}),
        # they would meet in the sixth week, but one ends before
        (
            {"every_weeks": 2, "valid_from": date(2027, 1, 4), "valid_to": date(2027, 1, 25)},
            {"every_weeks": 3, "valid_from": date(2027, 1, 11)},
        ),
    ],
)
def test_rows_that_never_meet_are_taken(site, resource, one, other):
    assert len(set_hours(resource, weekly(site, **one), weekly(site, **other))) == 2


def test_nobody_is_at_two_sites_at_a_time(site, resource):
    with pytest.raises(staffing.HoursOverlap):
        set_hours(resource, weekly(site), weekly(make_site("Hill Road")))


def test_each_overlap_names_its_row_and_the_first_date(site, resource):
    with pytest.raises(staffing.HoursOverlap) as refusal:
        set_hours(resource, weekly(site), weekly(site, 1), weekly(site), weekly(site, 1, "11:00", "13:00"))

    assert [(problem.where, problem.details) for problem in refusal.value.problems] == [
        ("hours.2", {"on": "2027-01-04"}),
        ("hours.3", {"on": "2027-01-05"}),
    ]


def test_everything_wrong_with_hours_is_said_at_once(site, resource):
    with pytest.raises(RuleBroken) as refusal:
        set_hours(
            resource,
            weekly(site, 7),
            weekly(site, 0, "12:00", "12:00"),
            weekly(site, 1, "09:00:30", "12:00"),
            weekly(site, 2, valid_to=date(2026, 1, 1)),
            weekly(site, 3, every_weeks=53),
            weekly(site, 4, every_weeks=0),
        )

    assert problems_of(refusal.value) == [
        ("ends_before_it_begins", "hours.3.valid_to"),
        ("ends_before_it_starts", "hours.1.until_time"),
        ("not_a_wall_clock_time", "hours.2.from_time"),
        ("unknown_choice", "hours.0.weekday"),
        ("weeks_out_of_range", "hours.4.every_weeks"),
        ("weeks_out_of_range", "hours.5.every_weeks"),
    ]


rows = st.builds(
    Hours,
    weekday=st.integers(0, 1),
    from_time=st.sampled_from([time(9), time(10)]),
    until_time=st.sampled_from([time(11), time(12)]),
    valid_from=st.dates(date(2027, 1, 1), date(2027, 3, 1)),
    valid_to=st.none() | st.dates(date(2027, 3, 1), date(2027, 5, 1)),
    every_weeks=st.integers(1, 4),
)


@settings(max_examples=300, deadline=None)
@given(one=rows, other=rows)
def test_the_first_meeting_is_the_one_a_walk_over_the_days_finds(one, other):
    walk = (date(2027, 1, 1) + timedelta(days=day) for day in range(400))
    expected = next((on for on in walk if staffing.is_on(one, on) and staffing.is_on(other, on)), None)

    assert staffing._first_meeting(one, other) == expected


def test_hours_at_the_end_of_time_are_a_typing_error(site, resource):
    with pytest.raises(RuleBroken) as refusal:
        set_hours(resource, weekly(site, valid_from=date(9999, 12, 30), valid_to=date(9999, 12, 31)))

    assert problems_of(refusal.value) == [("date_too_far", "hours.0.valid_from"), ("date_too_far", "hours.0.valid_to")]


# --- extra openings -------------------------------------------------------------------------------------------------


def opening(resource: Resource, site: Site, from_time: str, until_time: str, on: date = MONDAY, **fields: Any) -> Any:
    times: dict[str, Any] = {
        "from_time": time.fromisoformat(from_time),
        "until_time": time.fromisoformat(until_time),
    }
    return staffing.add_extra_opening(resource, site=site, on=on, **times, by=None, now=NOW, **fields)


def test_an_extra_opening_is_added_and_removed(site, resource):
    set_hours(resource, weekly(site))

    made = opening(resource, site, "08:00", "10:00", reason="Catching up")
    opening(resource, site, "10:00", "11:00")

    assert list(resource.extra_openings.values_list("from_time", "until_time", "reason")) == [
        (time(8), time(10), "Catching up"),
        (time(10), time(11), ""),
    ]
    staffing.remove_extra_opening(made, by=None, now=NOW)
    staffing.remove_extra_opening(made, by=None, now=NOW)
    assert resource.extra_openings.count() == 1


def test_an_opening_that_meets_another_or_hours_elsewhere_is_refused(site, resource):
    other = make_site("Hill Road")
    set_hours(resource, weekly(site))
    opening(resource, site, "18:00", "20:00")

    for place, from_time, until_time in (
        (site, "19:55", "21:00"),
        (other, "19:55", "21:00"),
        (other, "08:00", "09:05"),
    ):
        with pytest.raises(staffing.HoursOverlap) as refusal:
            opening(resource, place, from_time, until_time)
        assert problems_of(refusal.value) == [("hours_overlap", "from_time")]
    assert opening(resource, other, "08:00", "09:00").site == other
    assert opening(resource, other, "09:00", "10:00", on=date(2027, 1, 5)).on == date(2027, 1, 5)


@pytest.mark.parametrize(
    ("from_time", "until_time", "on", "expected"),
    [
        ("10:00", "09:00", MONDAY, [("ends_before_it_starts", "until_time")]),
        ("09:00:01", "10:00", MONDAY, [("not_a_wall_clock_time", "from_time")]),
        ("01:30", "04:00", date(2027, 3, 28), [("time_does_not_exist", "from_time")]),
    ],
)
def test_an_opening_at_impossible_times_is_refused(site, resource, from_time, until_time, on, expected):
    with pytest.raises(RuleBroken) as refusal:
        opening(resource, site, from_time, until_time, on=on)

    assert problems_of(refusal.value) == expected
