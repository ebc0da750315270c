"""A real SMTP server for tests. It journals every mail it took, and misbehaves when told to."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from scheduling.transport import SmtpTransport

logging.getLogger("mail").setLevel(logging.WARNING)  # aiosmtpd would log every line of every exchange


@dataclass(frozen=True)
class Taken:
    """A mail that the server has, whether or not it could say so."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass
class Sink:
    """Faults are used up one by one: `at_rcpt` and `at_data` hold replies, `after_data` holds what to do with the mail.

    `after_data`: "drop" hangs up and forgets the mail, "take_and_drop" keeps it and hangs up without an answer.
    """

    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    at_rcpt: deque[str] = field(default_factory=deque)
    at_data: deque[str] = field(default_factory=deque)
    after_data: deque[str] = field(default_factory=deque)
    seconds_per_mail: float = 0.0
    _arrived: threading.Condition = field(default_factory=threading.Condition)
    port: int = 0

    def wait_for(self, count: int, seconds: float = 30.0) -> None:
        """Return when that many mails were taken; raise TimeoutError when they do not come."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self.taken) >= count, seconds):
                raise TimeoutError(f"{len(self.taken)} of {count} mails came")

    async def handle_EHLO(  # noqa: N802  (aiosmtpd calls it so)
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.at_rcpt:
            return self.at_rcpt.popleft()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.seconds_per_mail:
            await asyncio.sleep(self.seconds_per_mail)
        fault = self.after_data.popleft() if self.after_data else ""
        if self.at_data and not fault:
            return self.at_data.popleft()
        if fault != "drop":
            content = envelope.original_content
            assert content is not None
            with self._arrived:
                self.taken.append(Taken(envelope.mail_from or "", tuple(envelope.rcpt_tos), content))
                self._arrived.notify_all()
        if fault:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return "250 OK"


@contextmanager
def running(**options: Any) -> Iterator[Sink]:
    """Run a sink on a free port of this machine."""
    sink = Sink(**options)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        sink.port = probe.getsockname()[1]
    controller = Controller(sink, hostname="127.0.0.1", port=sink.port, ready_timeout=10)
    controller.start()
    try:
        yield sink
    finally:
        controller.stop()


def closed_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def sink() -> Iterator[Sink]:
    with running() as found:
        yield found


@pytest.fixture
def smtp(sink: Sink) -> Iterator[SmtpTransport]:
    """A line to the sink."""
    transport = SmtpTransport("127.0.0.1", sink.port)
    yield transport
    transport.close()
