"""Ways for a mail to leave: an SMTP server, or files in a directory. Knows what was handed over when a line breaks.

`before_dot` is called once the server (or the disk) has all but the last byte; when it raises, the mail has not left.
From the final dot on nobody knows until the server answers (RFC 5321 4.5.3.2.6, 6.1): hence a refusal of its own.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

CONNECT_SECONDS = 10.0
COMMAND_SECONDS = 30.0
# A time-out that is too short here sends the same mail twice: RFC 5321 4.5.3.2.6 asks for ten minutes.
FINAL_DOT_SECONDS = 600.0

LINE_THAT_BEGINS_WITH_A_DOT = re.compile(rb"(?m)^\.")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One mail to one recipient, as it leaves."""

    uid: UUID
    sender: str
    recipient: str
    content: bytes  # RFC 5322, lines end in CRLF
    dated_at: datetime


class NotTaken(Exception):
    """The mail was not taken; `reply` is what the server said, for the message's row and never for a log."""

    def __init__(self, reply: str = "") -> None:
        self.reply = " ".join(reply.split())[:300]
        super().__init__(type(self).__name__)


class TemporaryRefusal(NotTaken):
    """Not now (4xx): it has certainly not been taken."""


class PermanentRefusal(NotTaken):
    """Never (5xx, or an address that cannot be written): it has certainly not been taken."""


class Unreachable(TemporaryRefusal):
    """There is no talking to the server at present, whatever the mail."""


class LostAfterDot(TemporaryRefusal):
    """The line broke after the final dot: it may have been taken."""


class Transport(Protocol):
    """A way for mails to leave, one after another."""

    def send(self, envelope: Envelope, before_dot: Callable[[], None]) -> str:
        """Hand over one mail and return the reply; raise a NotTaken."""

    def close(self) -> None:
        """Take leave; never fails."""


def from_settings() -> Transport:
    """Return the transport that the settings name: a mail server, or files in DATA_DIR/mail."""
    if not settings.MAIL_HOST:
        return FileTransport(Path(settings.MAIL_DIR))
    return SmtpTransport(
        settings.MAIL_HOST,
        settings.MAIL_PORT,
        user=settings.MAIL_USER,
        password=settings.MAIL_PASSWORD,
        security=settings.MAIL_SECURITY,
        greeting=_greeting(urlsplit(settings.PUBLIC_URL).hostname or "localhost"),
    )


class FileTransport:
    """Writes each mail into a file of its own. Names sort by time; a repeat replaces the first copy."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def send(self, envelope: Envelope, before_dot: Callable[[], None]) -> str:
        name = f"{envelope.dated_at.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z-{envelope.uid}.eml"
        unfinished = self.directory / f".{name}"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                file.write(envelope.content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Unreachable(error.strerror or "the directory cannot be written") from None
        try:
            before_dot()
            unfinished.replace(self.directory / name)
        except OSError as error:
            raise LostAfterDot(error.strerror or "the file cannot be renamed") from None
        finally:
            unfinished.unlink(missing_ok=True)
        return f"250 written to {name}"

    def close(self) -> None:
        """Nothing is open."""


class SmtpTransport:
    """Speaks SMTP phase by phase over one connection, which serves many mails and is made anew when it is gone."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        user: str = "",
        password: str = "",
        security: str = "",
        greeting: str = "localhost",
    ) -> None:
        self.host, self.port = host, port
        self.user, self.password = user, password
        self.security = security
        # smtplib would otherwise ask the DNS for our own name, and wait for it, at every connection.
        self.greeting = greeting
        self._connection: smtplib.SMTP | None = None

    def send(self, envelope: Envelope, before_dot: Callable[[], None]) -> str:
        recipient, sender = _written(envelope.recipient), _written(envelope.sender)
        connection = self._ready_for(sender)
        try:
            self._command(connection, f"RCPT TO:<{recipient}>", expected=(250, 251))
            self._command(connection, "DATA", expected=(354,))
            _write(connection, LINE_THAT_BEGINS_WITH_A_DOT.sub(b"..", envelope.content))
            before_dot()
        except TemporaryRefusal:
            raise
        except PermanentRefusal:
            raise
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            raise Unreachable(_told(error)) from None
        except BaseException:
            # A mail that was begun and must not be ended: only hanging up tells the server so.
            self._drop()
            raise
        return self._dot(connection)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                _patience(connection, 2.0)
                connection.docmd("QUIT")
            connection.close()

    def _ready_for(self, sender: str) -> smtplib.SMTP:
        """Return a connection on which MAIL was accepted. One that has gone stale meanwhile is made anew, once."""
        is_new = self._connection is None
        connection = self._connection or self._connect()
        try:
            self._command(connection, f"MAIL FROM:<{sender}>", expected=(250,))
        except Unreachable:
            if is_new:
                raise
            connection = self._connect()
            self._command(connection, f"MAIL FROM:<{sender}>", expected=(250,))
        return connection

    def _connect(self) -> smtplib.SMTP:
        """Connect, encrypt and sign in. Whatever goes wrong here says nothing about the mail."""
        connection: smtplib.SMTP | None = None
        try:
            context = ssl.create_default_context() if self.security else None
            if self.security == "tls":
                connection = smtplib.SMTP_SSL(
                    self.host, self.port, self.greeting, timeout=CONNECT_SECONDS, context=context
                )
            else:
                connection = smtplib.SMTP(self.host, self.port, self.greeting, timeout=CONNECT_SECONDS)
            _patience(connection, COMMAND_SECONDS)
            connection.ehlo_or_helo_if_needed()
            if self.security == "starttls":
                connection.starttls(context=context)
                connection.ehlo()
            if self.user:
                connection.login(self.user, self.password)
            if connection.sock is not None:
                # Body and dot are two writes; without this the second waits for the other side's delayed ACK.
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, smtplib.SMTPException) as error:
            if connection is not None:
                connection.close()
            raise Unreachable(_told(error)) from None
        self._connection = connection
        return connection

    def _command(self, connection: smtplib.SMTP, command: str, *, expected: tuple[int, ...]) -> None:
        try:
            code, text = connection.docmd(command)
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            raise Unreachable(_told(error)) from None
        if code not in expected:
            self._refused(connection, code, text)

    def _refused(self, connection: smtplib.SMTP, code: int, text: bytes) -> None:
        """Raise what the reply means, and leave the connection ready for the next mail, or closed."""
        reply = f"{code} {text.decode(errors='replace')}"
        if code == 421:
            self._drop()
            raise Unreachable(reply)
        try:
            connection.rset()
        except (OSError, smtplib.SMTPException):
            self._drop()
        if code in {530, 535, 538}:  # sign-in: a fault of the set-up, not of this mail
            raise Unreachable(reply)
        raise (PermanentRefusal if code >= 500 else TemporaryRefusal)(reply)

    def _dot(self, connection: smtplib.SMTP) -> str:
        try:
            _patience(connection, FINAL_DOT_SECONDS)
            connection.send(b".\r\n")
            code, text = connection.getreply()
            _patience(connection, COMMAND_SECONDS)
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            raise LostAfterDot(_told(error)) from None
        if code != 250:
            self._refused(connection, code, text)
        return " ".join(f"{code} {text.decode(errors='replace')}".split())[:300]

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _greeting(host: str) -> str:
    """Return a host as EHLO says it: an address stands in brackets (RFC 5321 4.1.3)."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return host
    return f"[{host}]" if version == 4 else f"[IPv6:{host}]"


def _write(connection: smtplib.SMTP, content: bytes) -> None:
    connection.send(content if content.endswith(b"\r\n") else content + b"\r\n")


def _patience(connection: smtplib.SMTP, seconds: float) -> None:
    if connection.sock is not None:
        connection.sock.settimeout(seconds)


def _written(address: str) -> str:
    """Return an address as SMTP writes it, the domain in ASCII; raise PermanentRefusal when it cannot be written."""
    local, _, domain = address.rpartition("@")
    try:
        written = f"{local}@{domain.encode('idna').decode()}"
        written.encode("ascii")
    except UnicodeError:
        raise PermanentRefusal("the address cannot be written in ASCII") from None
    if not local or any(c in written for c in "\r\n<> "):
        raise PermanentRefusal("this is not an address")
    return written


def _told(error: Exception) -> str:
    """Return what a failed exchange says about itself, without the text of the mail."""
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error
        return f"{error.smtp_code} {text.decode(errors='replace') if isinstance(text, bytes) else text}"
    return f"{type(error).__name__}: {error.strerror or error}" if isinstance(error, OSError) else type(error).__name__
