"""Calendar files: what they say, what they never say, and that other readers understand them."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from dateutil import tz
from icalendar import Calendar

from clinic import localtime
from clinic.models import Site
from scheduling import calendar_files
from scheduling.models import Appointment

STAMPED_AT = datetime(2027, 1, 4, 10, 0, tzinfo=UTC)


def visit(on: date, at: time, zone: str, *, fold: int = 0, sequence: int = 0) -> Appointment:
    site = Site(
        name="Vein Clinic", zone=zone, sender_name="Harbour; Clinic, Ltd", sender_email="desk@harbour.example",
        address="1 Harbour Street\nLondon",
    )  # fmt: skip
    return Appointment(
        site=site, on=on, at_time=at, zone=zone, fold=fold, minutes=90, calendar_uid="abc@cadence",
        calendar_sequence=sequence,
    )  # fmt: skip


def entry(appointment: Appointment) -> calendar_files.Entry:
    return calendar_files.entry_of(
        appointment, summary="Appointment", attendee="zoe@example.org", stamped_at=STAMPED_AT
    )


def told(content: bytes) -> dict[str, str]:
    (event,) = Calendar.from_ical(content).walk("VEVENT")
    properties: list[tuple[str, Any]] = event.property_items()
    return {name: value.to_ical().decode() for name, value in properties if name not in {"BEGIN", "END"}}


def test_an_invitation_says_when_and_where_and_nothing_else():
    content = calendar_files.request(entry(visit(date(2027, 3, 9), time(10, 30), "Europe/London", sequence=2)))

    assert Calendar.from_ical(content)["METHOD"] == "REQUEST"
    assert told(content) == {
        "UID": "abc@cadence",
        "SEQUENCE": "2",
        "DTSTAMP": "20270104T100000Z",
        "DTSTART": "20270309T103000",
        "DTEND": "20270309T120000",
        "SUMMARY": "Appointment",
        "LOCATION": r"Harbour\; Clinic\, Ltd\, 1 Harbour Street\, London",
        "ORGANIZER": "mailto:desk@harbour.example",
        "ATTENDEE": "mailto:zoe@example.org",
        "CLASS": "PRIVATE",
        "STATUS": "CONFIRMED",
        "TRANSP": "OPAQUE",
    }
    assert b"DTSTART;TZID=Europe/London:20270309T103000\r\n" in content
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert max(len(line) for line in content.split(b"\r\n")) <= 75


def test_a_cancellation_has_the_same_uid_and_a_higher_sequence():
    content = calendar_files.cancel(entry(visit(date(2027, 3, 9), time(10, 30), "Europe/London", sequence=2)))

    said = told(content)
    assert (said["UID"], said["SEQUENCE"], said["STATUS"]) == ("abc@cadence", "3", "CANCELLED")
    assert Calendar.from_ical(content)["METHOD"] == "CANCEL"


@pytest.mark.parametrize(
    ("zone", "on", "at", "fold"),
    [
        ("Europe/London", date(2027, 3, 27), time(10, 30), 0),  # the day before the clocks change
        ("Europe/London", date(2027, 3, 28), time(10, 30), 0),
        ("Europe/London", date(2027, 3, 28), time(0, 30), 0),  # begins before the skip, ends after it
        ("Europe/London", date(2027, 10, 31), time(1, 30), 0),  # the hour that comes twice
        ("Europe/London", date(2027, 10, 31), time(1, 30), 1),
        ("Australia/Lord_Howe", date(2027, 4, 4), time(9, 0), 0),
        ("Australia/Lord_Howe", date(2027, 10, 3), time(9, 0), 0),
        ("Africa/Casablanca", date(2027, 2, 20), time(9, 0), 0),
        ("Africa/Casablanca", date(2027, 4, 20), time(9, 0), 0),
        ("Asia/Kolkata", date(2027, 6, 1), time(9, 0), 0),
        ("Pacific/Apia", date(2027, 12, 31), time(9, 0), 0),
        ("America/Santiago", date(2027, 9, 5), time(9, 0), 0),
    ],
)
def test_another_reader_that_knows_no_zones_finds_the_same_instants(zone, on, at, fold):
    """`dateutil` reads the VTIMEZONE of the file and nothing of the machine's own zones."""
    appointment = visit(on, at, zone, fold=fold)
    content = calendar_files.request(entry(appointment))
    (event,) = Calendar.from_ical(content).walk("VEVENT")
    starts, ends = (event.decoded(name).replace(tzinfo=None) for name in ("DTSTART", "DTEND"))
    if b"VTIMEZONE" in content:
        zones = tz.tzical(io.StringIO(content.decode()))
        starts, ends = (wall.replace(tzinfo=zones.get(zone)) for wall in (starts, ends))
    else:
        starts, ends = starts.replace(tzinfo=UTC), ends.replace(tzinfo=UTC)

    begins = localtime.instant(on, at, zone, fold=fold)
    assert (starts.astimezone(UTC), ends.astimezone(UTC)) == (begins, begins + timedelta(minutes=90))


@pytest.mark.parametrize("hostile", ["x\r\nATTENDEE:mailto:evil@example.org", 'a"b;c,d:e\\f', "é" * 80])
def test_hostile_text_stays_text(hostile):
    appointment = visit(date(2027, 3, 9), time(10, 30), "Europe/London")
    appointment.site.sender_name = hostile
    content = calendar_files.request(entry(appointment))

    (event,) = Calendar.from_ical(content).walk("VEVENT")
    assert str(event["ATTENDEE"]) == "mailto:zoe@example.org"
    assert content.count(b"\r\nATTENDEE") == 1
