"""A mail server that takes mail, and a line to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scheduling.transport import SmtpTransport
from tests import smtp_sink


@pytest.fixture
def sink() -> Iterator[smtp_sink.Sink]:
    with smtp_sink.running() as running:
        yield running


@pytest.fixture
def smtp(sink: smtp_sink.Sink) -> Iterator[SmtpTransport]:
    transport = SmtpTransport("127.0.0.1", sink.port)
    yield transport
    transport.close()
