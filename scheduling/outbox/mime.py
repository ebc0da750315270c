"""A mail as the bytes that leave (RFC 5322, 2045, 6047): text, HTML and calendar files. Pure, and quick on purpose.

Written by hand because building a mail, not SMTP, is what limits a morning's reminders: `email.message` takes half a
millisecond for each. Its parser is the judge of this module in the tests.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr

CRLF = "\r\n"
FOLD = f"{CRLF} "  # a long header goes on in the next line, which begins with a space


@dataclass(frozen=True, slots=True)
class CalendarPart:
    """A calendar file and the METHOD it carries."""

    name: str
    method: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail before it becomes bytes."""

    uid: str
    message_id: str
    dated_at: datetime
    from_name: str
    from_address: str
    to_name: str
    to_address: str
    subject: str
    language: str
    text: str
    html: str
    calendars: Sequence[CalendarPart] = ()


def as_bytes(mail: Mail) -> bytes:
    """Return the mail with CRLF line ends.

    mixed( alternative( text, HTML, and the calendar where there is one ), an attachment for each calendar file ). A
    calendar part may hold one visit only (RFC 5546 3.2.2), so a series has its files as attachments alone.
    """
    alternatives = [
        _part("text/plain; charset=utf-8", mail.text.encode()),
        _part("text/html; charset=utf-8", mail.html.encode()),
    ]
    if len(mail.calendars) == 1:
        (only,) = mail.calendars
        alternatives.append(_part(f"text/calendar; charset=utf-8; method={only.method}", only.content))
    body = _multipart("alternative", f"alt-{mail.uid}", alternatives)
    if mail.calendars:
        body = _multipart("mixed", f"mix-{mail.uid}", [body, *(_attachment(c, mail) for c in mail.calendars)])
    return _headers(mail) + body


def _headers(mail: Mail) -> bytes:
    lines = {
        "From": _address(mail.from_name, mail.from_address),
        "To": _address(mail.to_name, mail.to_address),
        "Subject": _header("Subject", mail.subject),
        "Date": format_datetime(mail.dated_at),
        "Message-ID": mail.message_id,
        "Content-Language": mail.language,
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "X-Entity-Ref-ID": mail.uid,
        "MIME-Version": "1.0",
    }
    unfolded = {name: value.replace(FOLD, "") for name, value in lines.items()}
    if broken := [name for name, value in unfolded.items() if not set(CRLF).isdisjoint(value)]:
        raise ValueError(f"a line break in {', '.join(broken)}")
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode("ascii")


def _header(name: str, value: str) -> str:
    if value.isascii() and len(value) < 70:
        return value
    return Header(value, "utf-8", header_name=name, maxlinelen=76).encode(linesep=CRLF)


def _address(name: str, address: str) -> str:
    local, _, domain = address.rpartition("@")
    written = f"{local}@{domain.encode('idna').decode()}"
    if name.isascii():
        return formataddr((name, written))
    return f"{Header(name, 'utf-8', header_name='From').encode(linesep=CRLF)} <{written}>"


def _part(content_type: str, content: bytes, *, disposition: str = "") -> bytes:
    """Return a part, quoted-printable: it stays readable and never has a line that is too long."""
    encoded = binascii.b2a_qp(content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"), istext=True)
    head = f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: quoted-printable\r\n{disposition}\r\n"
    return head.encode("ascii") + encoded


def _attachment(calendar: CalendarPart, mail: Mail) -> bytes:
    kind = "application/ics" if len(mail.calendars) == 1 else f"text/calendar; charset=utf-8; method={calendar.method}"
    disposition = f'Content-Disposition: attachment; filename="{calendar.name}"\r\n'
    return _part(f'{kind}; name="{calendar.name}"', calendar.content, disposition=disposition)


def _multipart(kind: str, boundary: str, parts: Sequence[bytes]) -> bytes:
    line = b"--" + boundary.encode("ascii")
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode("ascii")
    return head + b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"
