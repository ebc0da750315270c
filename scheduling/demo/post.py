"""The demo's mail of the past: sent when it was due, to nobody, so that nothing old is left to be sent now."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta

from clinic import localtime
from scheduling import outbox
from scheduling.transport import Envelope, PermanentRefusal

INVITED_FOR = timedelta(days=70)  # so long ago patients began to be recalled
LEFT_FOR_NOW = timedelta(minutes=3)  # what became due since is left to the service: it has something to do at once
SENT_AT, SENT_FROM_ZONE = time(9, 1), "Europe/London"


class Nowhere:
    """A transport that takes everything and keeps nothing, but for addresses that have gone."""

    def __init__(self) -> None:
        self.gone: set[str] = set()

    def send(self, envelope: Envelope, before_dot: Callable[[], None]) -> str:
        if envelope.recipient in self.gone:
            raise PermanentRefusal("550 5.1.1 no such mailbox (demo)")
        before_dot()
        return "250 taken (demo)"

    def close(self) -> None:
        """Nothing is open."""


class Post:
    """Goes out each morning while the demo's past is told."""

    def __init__(self, *, now: datetime) -> None:
        self.transport = Nowhere()
        self._now = now
        self._caught_up: datetime | None = None

    def catch_up(self, until: datetime) -> None:
        """Send what was due on each morning since the last time, up to that moment."""
        for morning in _mornings(self._caught_up or until, until):
            self._round(morning)
        self._caught_up = until

    def finish(self) -> None:
        """Send what became due until a few minutes ago, and forget the bodies that would be forgotten by now."""
        self.catch_up(self._now - LEFT_FOR_NOW)
        self._round(self._now - LEFT_FOR_NOW)
        outbox.purge(now=self._now)

    def _round(self, at: datetime) -> None:
        if at > self._now - INVITED_FOR and localtime.local_date(at, SENT_FROM_ZONE).weekday() in (0, 3):
            outbox.promise_recalls(at)
        while outbox.deliver_due(at, transport=self.transport).claimed:
            pass


def _mornings(after: datetime, until: datetime) -> Iterator[datetime]:
    on = localtime.local_date(after, SENT_FROM_ZONE)
    while (at := localtime.instant(on, SENT_AT, SENT_FROM_ZONE)) <= until:
        if at > after:
            yield at
        on += timedelta(days=1)
