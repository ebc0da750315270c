"""The demo clinic: every state is there, the same each time, and nothing old is left to be sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from random import Random

import pytest
from django.core.management import CommandError, call_command
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange as Range

from clinic.models import Role, Site, SiteRole, User
from patients.models import MailState, Patient
from scheduling import demo, outbox, worklists
from scheduling.demo import cast
from scheduling.demo.people import Crowd
from scheduling.demo.stories import over_and_awaited
from scheduling.models import (
    Absence,
    Appointment,
    Closure,
    Course,
    Hold,
    Hours,
    Message,
    Outcome,
    Proposal,
    ProtocolVersion,
    Resource,
    ResourceCapability,
    Session,
)

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"
WEDNESDAY = datetime(2027, 3, 10, 11, 30, tzinfo=UTC)
SOME = {"today", "late", "review", "life"}


def some_parts() -> list[cast.Part]:
    """A few stories that exercise planning, for tests of how they are told."""
    return [part for part in cast.parts(0.1) if part.name in SOME][::4]


def test_a_small_demo_has_courses_in_every_state_and_nothing_old_to_send():
    made = demo.build(PASSWORD, now=WEDNESDAY, size=0.1)

    assert made.refused == []
    assert made.courses == Course.objects.count() == len(cast.parts(0.1))
    assert made.patients == Patient.objects.count()
    assert set(Course.objects.values_list("state", flat=True)) == {"open", "completed", "ended"}
    assert set(Session.objects.values_list("state", flat=True)) == {"open", "performed", "dropped"}
    assert set(Appointment.objects.values_list("state", flat=True)) == {
        "booked", "arrived", "performed", "cancelled", "missed",
    }  # fmt: skip
    assert set(Hold.objects.standing().values_list("code", flat=True)) == {
        "risk_pregnancy", "risk_unwell", "outcome_review", "outcome_stop", "patient_away", "consent_withdrawn",
    }  # fmt: skip
    assert set(Outcome.objects.values_list("result", flat=True)) == {"ok", "review", "stop"}
    assert Outcome.objects.exclude(cleared_at=None).count() == 1
    assert set(Proposal.objects.values_list("state", flat=True)) >= {"open", "applied", "discarded"}
    assert Patient.objects.exclude(deceased_on=None).count() == 1
    assert Patient.objects.exclude(mail_opted_out_at=None).count() == 1
    assert Patient.objects.filter(mail_state=MailState.BOUNCED).count() == 1
    assert set(Appointment.objects.exclude(confirmed_at=None).values_list("state", flat=True)) == {"booked"}
    assert_worklist_has_work_of_each_kind()
    assert_somebody_is_there_today()
    assert_mail_of_the_past_is_settled()


def assert_worklist_has_work_of_each_kind() -> None:
    listings = {listing.kind for listing in worklists.worklist(list(Site.objects.all()), now=WEDNESDAY)}
    assert listings >= {
        "overdue", "due", "unclosed", "proposals", "not_ready", "held", "reviews", "outcomes", "mail",
    }  # fmt: skip


def assert_somebody_is_there_today() -> None:
    for site in Site.objects.all():
        states = Counter(visit.state for visit in worklists.day_list(site, WEDNESDAY.date()))
        assert states["arrived"] == 1
        assert states["booked"] >= 1


def assert_mail_of_the_past_is_settled() -> None:
    unsent = Message.objects.unsent()
    assert 1 <= unsent.filter(due_at__lte=WEDNESDAY + timedelta(minutes=10)).count() <= 6
    assert unsent.filter(due_at__lte=WEDNESDAY + timedelta(hours=24)).count() <= 20
    assert unsent.filter(due_at__gt=WEDNESDAY + timedelta(days=1)).exists()
    assert outbox.overdue_count(WEDNESDAY) == 0
    failed = Message.objects.filter(state="failed").values_list("state_reason", flat=True)
    assert set(failed) == {"refused"}
    assert Message.objects.filter(state="sent", sent_at__gt=WEDNESDAY).count() == 0


def test_the_same_seed_and_day_give_the_same_clinic():
    assert told_and_forgotten(seed=3) == told_and_forgotten(seed=3)


def told_and_forgotten(seed: int) -> list[object]:
    from django.db import transaction

    with transaction.atomic():
        demo.build(PASSWORD, now=WEDNESDAY, seed=seed, only=some_parts())
        visits = Appointment.objects.order_by("on", "at_time", "patient__search_name", "pk").values_list(
            "on", "at_time", "state", "patient__search_name", "lead__name", "session__step_key"
        )
        places = Appointment.objects.order_by("pk").values_list("occupancies__resource__name", "occupancies__place")
        picture: list[object] = [
            list(visits),
            sorted(map(str, places)),
            list(Patient.objects.order_by("pk").values_list("given_name", "family_name", "born_on", "email")),
            list(Message.objects.order_by("due_at", "kind", "pk").values_list("kind", "state", "due_at")),
        ]
        transaction.set_rollback(True)
    return picture


def test_a_holiday_has_no_visits_and_is_no_trouble():
    christmas = datetime(2026, 12, 25, 9, 0, tzinfo=UTC)

    made = demo.build(PASSWORD, now=christmas, only=some_parts())

    assert made.refused == []
    assert Appointment.objects.filter(on=christmas.date()).count() == 0
    assert Closure.objects.filter(first_on=christmas.date()).count() == 2


@pytest.mark.parametrize("minute", [0, 2])
def test_the_day_is_opened_when_it_has_just_begun(minute):
    """In Berlin, where it is still yesterday in London and was everywhere a moment ago."""
    now = datetime(2027, 3, 10, 23, minute, tzinfo=UTC)

    made = demo.build(PASSWORD, now=now, only=[part for part in cast.parts(0.1) if part.name == "today"])

    assert made.refused == []
    arrived = Appointment.objects.filter(state="arrived", site__zone="Europe/Berlin")
    assert [(visit.on, visit.arrived_at) for visit in arrived] == [(date(2027, 3, 11), now.replace(minute=0))]


def test_a_long_visit_goes_on_while_a_shorter_one_that_began_after_it_is_over():
    def visit(number: int, begins: int, minutes: int) -> Appointment:
        begins_at = WEDNESDAY + timedelta(minutes=begins)
        return Appointment(pk=number, during=Range(begins_at, begins_at + timedelta(minutes=minutes)))

    done, long, short, soon, _last = day = [
        visit(1, -90, 20), visit(2, -60, 65), visit(3, -55, 20), visit(4, 30, 20), visit(5, 60, 20),
    ]  # fmt: skip

    assert over_and_awaited(day, WEDNESDAY) == ([done, short], [long, soon])
    assert over_and_awaited(day[:2], WEDNESDAY) == ([], [done])
    assert over_and_awaited([], WEDNESDAY) == ([], [])


def test_a_demo_that_breaks_half_way_leaves_nothing():
    def broken(_desk: object, _patient: object) -> Iterator[datetime]:
        yield WEDNESDAY - timedelta(days=5)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        demo.build(PASSWORD, now=WEDNESDAY, only=[cast.Part("broken", broken)])

    assert demo.is_empty()


def test_the_place_has_two_zones_six_practitioners_and_every_role():
    demo.build(PASSWORD, now=WEDNESDAY, size=0)

    assert set(Site.objects.values_list("zone", "country", "subdivision")) == {
        ("Europe/London", "GB", "ENG"),
        ("Europe/Berlin", "DE", "BE"),
    }
    practitioners = Resource.objects.practitioners()
    assert practitioners.count() == 6
    assert all(one.user is not None and one.user.check_password(PASSWORD) for one in practitioners)
    assert set(SiteRole.objects.values_list("role", flat=True)) == set(Role.values)
    assert User.objects.get(is_superuser=True).email == "operator@demo.example"
    assert Hours.objects.filter(every_weeks=2).exists()
    assert practitioners.filter(hours__site__country="GB").filter(hours__site__country="DE").distinct().count() == 1
    assert ResourceCapability.objects.filter(until_on__gt=WEDNESDAY.date()).count() == 1
    assert set(Absence.objects.values_list("kind", flat=True)) == {"leave", "illness", "training", "repair"}
    assert Resource.objects.filter(kind="device").count() == 1
    assert Resource.objects.filter(places__gt=1, capabilities__code="walking_supervision").count() == 2
    assert set(ProtocolVersion.objects.values_list("protocol__key", "state")) == {
        ("hepatitis_b", "approved"),
        ("laser_hair_removal", "approved"),
        ("microsclerotherapy", "approved"),
    }
    assert Closure.objects.filter(source="holiday", first_on=date(2027, 3, 26)).count() == 2  # Good Friday, both
    assert Closure.objects.filter(source="holiday", first_on=date(2027, 5, 3)).count() == 1  # early May: England alone


def test_three_hundred_people_have_names_of_many_scripts_and_addresses_that_are_nobodys():
    site = Site(country="GB", zone="Europe/London")
    crowd = list(Crowd([site], WEDNESDAY.date(), Random(1)).details(300))

    names = [f"{one.given_name} {one.family_name}".strip() for one in crowd]
    assert len(set(names)) == 300
    assert sum(not name.isascii() for name in names) > 80
    assert len({script_of(name[0]) for name in names}) >= 8
    assert all(one.email.rpartition("@")[2] in {"example.org", "example.com"} for one in crowd if one.email)
    shared = [count for count in Counter(one.email for one in crowd if one.email).values() if count > 1]
    assert len(shared) >= 3
    assert all(date(1935, 1, 1) < one.born_on < WEDNESDAY.date() for one in crowd if one.born_on)


def script_of(letter: str) -> str:
    import unicodedata

    return unicodedata.name(letter).split()[0]


def test_another_seed_gives_other_people():
    site = Site(country="GB", zone="Europe/London")
    assert [*Crowd([site], WEDNESDAY.date(), Random(1)).details(9)] == [
        *Crowd([site], WEDNESDAY.date(), Random(1)).details(9)
    ]
    assert [*Crowd([site], WEDNESDAY.date(), Random(1)).details(9)] != [
        *Crowd([site], WEDNESDAY.date(), Random(2)).details(9)
    ]


def test_more_people_than_names_are_still_told_apart():
    site = Site(country="DE", zone="Europe/Berlin")
    crowd = Crowd([site], WEDNESDAY.date(), Random(1)).details(1500)
    assert len({(one.given_name, one.family_name) for one in crowd}) == 1500


def test_the_command_fills_an_empty_database_once_and_shows_the_password_that_it_made(settings):
    settings.DEMO_PASSWORD = ""
    shown, again = StringIO(), StringIO()

    call_command("demo", if_empty=True, size=0, stdout=shown)
    call_command("demo", if_empty=True, size=0, stdout=again)

    password = shown.getvalue().partition("with the password ")[2].split()[0]
    assert User.objects.get(email="reception@demo.example").check_password(password)
    assert all(email in shown.getvalue() for email in User.objects.values_list("email", flat=True))
    assert again.getvalue() == ""
    with pytest.raises(CommandError, match="empty database only"):
        call_command("demo", size=0, stdout=StringIO())


def test_the_password_that_was_set_is_used_and_not_shown(settings):
    settings.DEMO_PASSWORD = PASSWORD
    shown = StringIO()

    call_command("demo", size=0, stdout=shown)

    assert User.objects.get(email="clinician@demo.example").check_password(PASSWORD)
    assert PASSWORD not in shown.getvalue()


def test_a_weak_password_is_refused_and_nothing_is_written(settings):
    settings.DEMO_PASSWORD = "password"

    with pytest.raises(CommandError, match="DEMO_PASSWORD cannot be used: This password is too short"):
        call_command("demo", size=0, stdout=StringIO())

    assert demo.is_empty()
