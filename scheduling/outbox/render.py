"""What a message says, in the patient's language, and the mail that it becomes. Reads nothing from the database.

No clinical detail in subject, preview or calendar file; text and HTML are made from the same words by us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import cache, lru_cache
from html import escape
from pathlib import Path
from string import Template

from django.utils import dateformat, formats, translation

from clinic import localtime
from clinic.models import Site
from patients.models import Patient
from scheduling import calendar_files
from scheduling.models import Appointment, Message, MessageKind, Reservation

from . import mime, placeholders
from .texts import Wording, with_red_flags, words

TEMPLATE = Path(__file__).resolve().parent.parent / "templates" / "mail" / "message.html"
COMMA_AFTER_WEEKDAY = frozenset({"de", "es", "pl", "pt", "ru", "uk"})
# Fills an inbox's preview line, so that it does not go on with the text of the mail.
PADDING = "&#847;&zwnj;&nbsp;" * 40

WITH_CALENDAR = frozenset(
    {
        MessageKind.CONFIRMATION,
        MessageKind.PREPARATION,
        MessageKind.REMINDER,
        MessageKind.CHANGED,
        MessageKind.CANCELLED,
    }
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A visit that the mail speaks of; `before` is where it was, for a change."""

    appointment: Appointment
    before: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """What a person reads: what a preview shows is what is sent."""

    subject: str
    text: str
    html: str


def content_of(
    wording: Wording,
    *,
    patient: Patient,
    site: Site,
    visits: Sequence[Spoken] = (),
    questions: Sequence[str] = (),
    from_date: date | None = None,
    kept: Reservation | None = None,
) -> Content:
    """Return subject, text and HTML; raise LookupError for a placeholder that this message cannot fill.

    `kept` is the time that an offer speaks of.
    """
    language = wording.language
    values = _values(language, patient, site, visits, from_date)
    if kept is not None:
        values |= _offered(language, site, kept)
    lists = {
        "visits": [_visit(language, visit.appointment) for visit in visits],
        "changes": [_change(language, visit) for visit in visits if visit.before],
        "questions": list(questions),
    }
    subject = " ".join(placeholders.filled(wording.subject, values).split())
    page = _page().substitute(
        language=escape(language),
        subject=escape(subject),
        preview=escape(f"{subject} · {site.sender_name}"),
        padding=PADDING,
        sender=escape(site.sender_name),
        body=placeholders.as_html(wording.body, values, lists),
        footer=escape(" · ".join(part for part in (site.sender_name, values["address"], site.phone) if part)),
    )
    return Content(subject, placeholders.as_text(wording.body, values, lists), page)


def mail_of(message: Message, content: Content, *, language: str, visits: Sequence[Spoken]) -> bytes:
    """Return the bytes of a message whose recipient, Message-ID and Date are set."""
    site, patient = message.site, message.patient
    assert message.dated_at is not None  # noqa: S101  (set by the caller, one line above)
    calendars = _calendars(message, visits, language, message.dated_at) if message.kind in WITH_CALENDAR else []
    return mime.as_bytes(
        mime.Mail(
            uid=str(message.uid),
            message_id=message.message_id or "",
            dated_at=message.dated_at.astimezone(UTC),
            from_name=site.sender_name,
            from_address=site.sender_email,
            to_name=patient.name,
            to_address=message.recipient,
            subject=content.subject,
            language=language,
            text=content.text,
            html=content.html,
            calendars=calendars,
        )
    )


def _calendars(
    message: Message, visits: Sequence[Spoken], language: str, stamped_at: datetime
) -> list[mime.CalendarPart]:
    is_cancelled = message.kind == MessageKind.CANCELLED
    method, build = ("CANCEL", calendar_files.cancel) if is_cancelled else ("REQUEST", calendar_files.request)
    return [
        mime.CalendarPart(
            f"{visit.appointment.on:%Y-%m-%d}.ics",
            method,
            build(
                calendar_files.entry_of(
                    visit.appointment,
                    summary=words(language)["appointment"],
                    attendee=message.recipient,
                    stamped_at=stamped_at,
                )
            ),
        )
        for visit in visits
    ]


def _values(
    language: str, patient: Patient, site: Site, visits: Sequence[Spoken], from_date: date | None
) -> dict[str, str]:
    values = {
        "name": patient.name,
        "given_name": patient.given_name or patient.name,
        "family_name": patient.family_name,
        "count": str(len(visits)),
        "sender": site.sender_name,
        "site": site.name,
        "address": ", ".join(line.strip() for line in site.address.splitlines() if line.strip()),
        "phone": site.phone,
        "zone": site.zone,
        "from_date": day_in_full(language, from_date) if from_date else "",
        "when": "",
        "date": "",
        "time": "",
        "kept_until": "",
    }
    if visits:
        first = visits[0].appointment
        values |= {
            "when": _when(language, first, len(visits)),
            "date": day_in_full(language, first.on),
            "time": clock(language, first.at_time),
            "zone": first.zone,
        }
    return values


def _offered(language: str, site: Site, kept: Reservation) -> dict[str, str]:
    until = localtime.wall(kept.expires_at, site.zone)
    return {
        "when": f"{day_in_short(language, kept.on)}, {clock(language, kept.at_time)}",
        "date": day_in_full(language, kept.on),
        "time": clock(language, kept.at_time),
        "kept_until": f"{day_in_short(language, until.date())}, {clock(language, until.time())}",
    }


def _when(language: str, first: Appointment, count: int) -> str:
    when = f"{day_in_short(language, first.on)}, {clock(language, first.at_time)}"
    return when if count == 1 else words(language)["more"].format(when=when, count=count - 1)


def _visit(language: str, appointment: Appointment) -> str:
    return _moment(language, appointment.on, appointment.at_time, appointment.zone)


def _moment(language: str, on: date, at_time: time, zone: str) -> str:
    return words(language)["visit"].format(date=day_in_full(language, on), time=clock(language, at_time), zone=zone)


def _change(language: str, visit: Spoken) -> str:
    zone = visit.before.get("zone", visit.appointment.zone)
    before = _moment(language, date.fromisoformat(visit.before["on"]), time.fromisoformat(visit.before["at"]), zone)
    return words(language)["moved"].format(before=before, now=_visit(language, visit.appointment))


# --- dates as people write them; the same few occur in a whole morning's mail ---------------------------------------


@lru_cache(maxsize=2048)
def day_in_full(language: str, on: date) -> str:
    """Tuesday 9 March 2027; Dienstag, 9. März 2027."""
    with translation.override(_locale(language)):
        if language.startswith("en"):
            return dateformat.format(on, "l j F Y")  # Django's own British format shortens the month
        comma = "," if language.partition("-")[0] in COMMA_AFTER_WEEKDAY else ""
        return f"{dateformat.format(on, 'l')}{comma} {formats.date_format(on, 'DATE_FORMAT', use_l10n=True)}"


@lru_cache(maxsize=2048)
def day_in_short(language: str, on: date) -> str:
    """Tue 9 March; Di 9. März."""
    with translation.override(_locale(language)):
        return f"{dateformat.format(on, 'D')} {formats.date_format(on, 'MONTH_DAY_FORMAT', use_l10n=True)}"


@lru_cache(maxsize=2048)
def clock(language: str, at_time: time) -> str:
    """10:30, and never “10:30 a.m.”, which half of the readers of English would have to translate."""
    with translation.override(_locale(language)):
        pattern = formats.get_format("TIME_FORMAT", use_l10n=True)
        return dateformat.time_format(at_time, "H:i" if set(pattern) & set("PaAfg") else pattern)


def _locale(language: str) -> str:
    return "en-gb" if language == "en" else language


@cache
def _page() -> Template:
    return Template(TEMPLATE.read_text("utf-8"))


# --- preview ----------------------------------------------------------------------------------------------------------


def preview(wording: Wording, *, kind: str, site: Site, on: date) -> Content:
    """Return what a mail with these words would look like, for an invented patient."""
    patient = Patient(given_name="Alex", family_name="Example", language=wording.language)
    at = localtime.instant(on, time(10, 30), site.zone)
    visit = Appointment(site=site, on=on, at_time=time(10, 30), zone=site.zone, minutes=45, booked_at=at)
    before = {"on": on.isoformat(), "at": "09:00", "zone": site.zone} if kind == MessageKind.CHANGED else {}
    return content_of(
        with_red_flags(wording, kind),
        patient=patient,
        site=site,
        visits=[Spoken(visit, before)],
        questions=["…?"] if kind == MessageKind.PREPARATION else (),
        from_date=on,
        kept=Reservation(on=on, at_time=time(10, 30), expires_at=at) if kind == MessageKind.OFFER else None,
    )
