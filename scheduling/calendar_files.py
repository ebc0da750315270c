"""Calendar files for visits (RFC 5545, 5546, 6047): neutral, private, and right on both nights when clocks change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from icalendar import vText
from icalendar.parser import Contentline, Parameters

from clinic import localtime

from .models import Appointment

PRODUCT = "-//Cadence//Cadence//EN"


@dataclass(frozen=True, slots=True)
class Entry:
    """One visit as calendars know it. `organizer` is the address that the mail comes from (Outlook insists)."""

    uid: str
    sequence: int
    starts_at: datetime
    minutes: int
    zone: str
    summary: str
    location: str
    organizer_name: str
    organizer: str
    attendee: str
    stamped_at: datetime


def request(entry: Entry) -> bytes:
    """Return the file that invites to a visit, or that changes it: same UID, higher SEQUENCE."""
    return _calendar(entry, "REQUEST", "CONFIRMED", entry.sequence)


def cancel(entry: Entry) -> bytes:
    """Return the file that takes a visit out of the calendar.

    Its SEQUENCE is one above the appointment's, so it beats every invitation to it, whoever bumps what on cancelling.
    """
    return _calendar(entry, "CANCEL", "CANCELLED", entry.sequence + 1)


def entry_of(appointment: Appointment, *, summary: str, attendee: str, stamped_at: datetime) -> Entry:
    """Return a visit for its calendar file. Says where and when, never what for."""
    site = appointment.site
    return Entry(
        uid=appointment.calendar_uid,
        sequence=appointment.calendar_sequence,
        starts_at=localtime.instant(appointment.on, appointment.at_time, appointment.zone, fold=appointment.fold),
        minutes=appointment.minutes,
        zone=appointment.zone,
        summary=summary,
        location=", ".join([site.sender_name, *site.address.split("\n")] if site.address else [site.sender_name]),
        organizer_name=site.sender_name,
        organizer=site.sender_email,
        attendee=attendee,
        stamped_at=stamped_at,
    )


def _calendar(entry: Entry, method: str, status: str, sequence: int) -> bytes:
    ends_at = entry.starts_at + timedelta(minutes=entry.minutes)
    starts, ends = (localtime.wall(at, entry.zone) for at in (entry.starts_at, ends_at))
    # A local time cannot say that it means the second pass of a repeated hour (RFC 5545 3.3.5): UTC can.
    in_utc = bool(starts.fold or ends.fold)
    if in_utc:
        starts, ends = entry.starts_at.astimezone(UTC), ends_at.astimezone(UTC)
    lines = (
        "BEGIN:VEVENT",
        f"UID:{_text(entry.uid)}",
        f"SEQUENCE:{sequence}",
        f"DTSTAMP:{entry.stamped_at.astimezone(UTC):%Y%m%dT%H%M%SZ}",
        f"DTSTART{_moment(starts, entry.zone, in_utc=in_utc)}",
        f"DTEND{_moment(ends, entry.zone, in_utc=in_utc)}",
        f"SUMMARY:{_text(entry.summary)}",
        f"LOCATION:{_text(entry.location)}",
        f"ORGANIZER;{_parameters(CN=entry.organizer_name)}:mailto:{_one_line(entry.organizer)}",
        "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=FALSE:mailto:" + _one_line(entry.attendee),
        "CLASS:PRIVATE",
        f"STATUS:{status}",
        "TRANSP:OPAQUE",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    head = ("BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{PRODUCT}", "CALSCALE:GREGORIAN", f"METHOD:{method}")
    zone = b"" if in_utc else _zone_rules(entry.zone, starts.year)
    return _written(head) + zone + _written(lines)


def _written(lines: tuple[str, ...]) -> bytes:
    folded: list[bytes] = [Contentline(line).to_ical() for line in lines]  # type: ignore[no-untyped-call]
    return b"\r\n".join([*folded, b""])


def _moment(at: datetime, zone: str, *, in_utc: bool) -> str:
    return f":{at:%Y%m%dT%H%M%SZ}" if in_utc else f";TZID={zone}:{at:%Y%m%dT%H%M%S}"


def _text(value: str) -> str:
    """Return a value with everything escaped that has a meaning in the file, by the library: never by hand."""
    return str(vText(_one_line(value)).to_ical().decode())


def _parameters(**values: str) -> str:
    return str(Parameters({name: _one_line(value) for name, value in values.items()}).to_ical().decode())


def _one_line(value: str) -> str:
    return " ".join(value.split())


@lru_cache(maxsize=256)
def _zone_rules(name: str, year: int) -> bytes:
    """Return the zone's VTIMEZONE, right from the year before to the end of the year after: one part for each change.

    By hand, because `icalendar` 7.3 leaves out all but the first and last of several changes (Casablanca, 2027).
    """
    zone = localtime.zone(name)
    at = datetime(year - 1, 1, 1, tzinfo=UTC)
    before = at.astimezone(zone)
    parts = [_observance(before.replace(tzinfo=None), before, before)]
    while at.year < year + 2:
        same, at = at, at + timedelta(days=1)
        if at.astimezone(zone).utcoffset() != before.utcoffset():
            while at - same > localtime.ONE_MINUTE:
                middle = same + (at - same) // localtime.ONE_MINUTE // 2 * localtime.ONE_MINUTE
                if middle.astimezone(zone).utcoffset() == before.utcoffset():
                    same = middle
                else:
                    at = middle
            # What the clocks would have shown at that moment, had they not been changed (RFC 5545 3.6.5).
            onset = at.replace(tzinfo=None) + (before.utcoffset() or timedelta())
            parts.append(_observance(onset, before, at.astimezone(zone)))
        before = at.astimezone(zone)
    return "\r\n".join(["BEGIN:VTIMEZONE", f"TZID:{name}", *parts, "END:VTIMEZONE", ""]).encode()


def _observance(onset: datetime, before: datetime, after: datetime) -> str:
    kind = "DAYLIGHT" if after.dst() else "STANDARD"
    lines = (
        f"BEGIN:{kind}",
        f"DTSTART:{onset:%Y%m%dT%H%M%S}",
        f"TZOFFSETFROM:{before:%z}",
        f"TZOFFSETTO:{after:%z}",
        f"TZNAME:{after:%Z}",
        f"END:{kind}",
    )
    return "\r\n".join(lines)
