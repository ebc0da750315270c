"""When a message may go: local dates and times of a site turned into instants, and its quiet hours. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from clinic import localtime
from clinic.models import Site
from scheduling.models import MessageKind

GRACE = timedelta(minutes=3)

# Messages that a clock starts wait for the morning. The others answer what somebody has just done: a visit booked at
# nine in the evening is confirmed at once, one that was called off for tomorrow at eight must not wait until eight.
BY_THE_CLOCK = frozenset(
    {
        MessageKind.PREPARATION,
        MessageKind.REMINDER,
        MessageKind.CALL_US,
        MessageKind.CHECK,
        MessageKind.RECALL,
        MessageKind.OVERDUE,
        MessageKind.FINISHED,
    }
)


@dataclass(frozen=True, slots=True)
class Quiet:
    """The hours [from, until) of a site's day in which no message starts; equal times mean that there are none."""

    from_time: time
    until_time: time
    zone: str

    @classmethod
    def of(cls, site: Site) -> Quiet:
        return cls(site.quiet_from_time, site.quiet_until_time, site.zone)

    def covers(self, at: datetime) -> bool:
        clock = localtime.wall(at, self.zone).time()
        if self.from_time <= self.until_time:
            return self.from_time <= clock < self.until_time
        return clock >= self.from_time or clock < self.until_time

    def next_allowed(self, at: datetime) -> datetime:
        """Return the moment itself, or the end of the quiet hours it lies in."""
        if not self.covers(at):
            return at
        on = localtime.local_date(at, self.zone)
        ends = (localtime.instant(on + timedelta(days=later), self.until_time, self.zone) for later in (0, 1))
        return next(end for end in ends if end > at)

    def last_allowed(self, before: datetime) -> datetime:
        """Return the last allowed minute before a moment."""
        at = before - localtime.ONE_MINUTE
        if not self.covers(at):
            return at
        on = localtime.local_date(at, self.zone)
        starts = (localtime.instant(on - timedelta(days=earlier), self.from_time, self.zone) for earlier in (0, 1))
        return next(start for start in starts if start <= at) - localtime.ONE_MINUTE

    def shifted(self, at: datetime, *, before: datetime) -> datetime:
        """Return the next allowed moment, or (when that comes too late) the last allowed one before the visit."""
        allowed = self.next_allowed(at)
        return allowed if allowed < before else self.last_allowed(before)


def mail_moment(site: Site, on: date) -> datetime:
    """Return when the site's mail of a local date goes out, quiet hours aside."""
    return localtime.instant(on, site.mail_time, site.zone)


def next_mail_moment(site: Site, now: datetime) -> datetime:
    """Return the site's next moment for mail that has no date of its own, quiet hours respected."""
    on = localtime.local_date(now, site.zone)
    quiet = Quiet.of(site)
    moments = (quiet.next_allowed(mail_moment(site, on + timedelta(days=later))) for later in (0, 1, 2))
    return next(moment for moment in moments if moment >= now)
