"""What was decided, for those who answer for it. Read only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db.models import Q, QuerySet

from clinic.models import Site

from . import roster
from .models import Override

VALID, EXPIRED, REVOKED = OVERRIDE_STATES = ("valid", "expired", "revoked")
# What a spreadsheet would run as a formula (OWASP, CSV injection).
RUNS = ("=", "+", "-", "@", "\t", "\r", "\n")
OVERRIDE_COLUMNS = (
    "site", "patient", "course", "session", "step", "rule", "about", "reason", "given by", "given at", "until", "state",
    "revoked by", "revoked at", "why revoked",
)  # fmt: skip


def overrides(sites: Iterable[Site], *, now: datetime, state: str = "") -> QuerySet[Override]:
    """Return every override at these sites, newest first, with all that is shown of one; or those in one state.

    The last day of an override is its site's date.
    """
    rows = Override.objects.filter(course__site__in=list(sites)).select_related(
        "course__site", "course__patient", "course__version__protocol", "session__step", "given_by", "revoked_by"
    )
    return in_state(rows, sites, state, now=now).order_by("-given_at", "-pk")


def in_state(rows: QuerySet[Override], sites: Iterable[Site], state: str, *, now: datetime) -> QuerySet[Override]:
    """Return those of the overrides that are valid, expired or revoked; all of them for no state."""
    if state == REVOKED:
        return rows.exclude(revoked_at=None)
    over = Q(pk__in=[])
    for site in sites:
        over |= Q(course__site=site, expires_on__lt=roster.today(site, now))
    match state:
        case "valid":
            return rows.filter(revoked_at=None).exclude(over)
        case "expired":
            return rows.filter(over, revoked_at=None)
    return rows


def state_of(override: Override, *, now: datetime) -> str:
    """Return whether an override is valid, expired or revoked."""
    if override.revoked_at is not None:
        return REVOKED
    return EXPIRED if override.expires_on < roster.today(override.course.site, now) else VALID


def override_lines(rows: Iterable[Override], *, now: datetime) -> Iterator[list[str]]:
    """Yield a line of cells for each override, as OVERRIDE_COLUMNS names them, safe to open in a spreadsheet."""
    for row in rows:
        cells = [
            row.course.site.name,
            row.course.patient.name,
            str(row.course.uid),
            str(row.session.position) if row.session else "",
            row.session.step_key if row.session else "",
            row.rule,
            row.subject,
            row.reason,
            row.given_by.email,
            row.given_at.isoformat(),
            row.expires_on.isoformat(),
            state_of(row, now=now),
            row.revoked_by.email if row.revoked_by else "",
            row.revoked_at.isoformat() if row.revoked_at else "",
            row.revoke_reason,
        ]
        yield [as_text(cell) for cell in cells]


def as_text(cell: str) -> str:
    """Return a cell that no spreadsheet runs: one that begins as a formula does gets an apostrophe before it."""
    return f"'{cell}" if cell.startswith(RUNS) else cell
