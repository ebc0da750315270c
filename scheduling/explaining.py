"""What the planner says to what a person asks, and about the plans it found, in words; the codes are in `wording`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from clinic.errors import Problem

from .planner import asks, facts
from .wording import NO_PLAN, day, sentence

# What can never be met, and what to do about it.
CONTRADICTIONS = {
    "dates_reversed": gettext_lazy("This must not be before %(on)s."),
    "ends_before_start": gettext_lazy("The course would end before it starts. Choose a date after %(on)s."),
    "in_the_past": gettext_lazy("This is over. Choose a date from %(on)s on."),
    "beyond_horizon": gettext_lazy("The site takes bookings until %(on)s. Choose a date up to then."),
    "booked_later": gettext_lazy("A visit is booked on %(on)s already. Move that visit, or choose a date after it."),
    "weekday_unknown": gettext_lazy("Weekdays are 0 (Monday) to 6."),
    "hours_empty": gettext_lazy("“Not before” must be earlier than “done by”."),
    "hours_too_short": gettext_lazy("The session takes longer than the hours that are left. Choose more of the day."),
    "off_grid": gettext_lazy("Visits start every %(subject)s minutes here. Choose such a time."),
    "practitioner_unknown": gettext_lazy("There is no such practitioner at this site."),
    "nobody_left": gettext_lazy("Nobody is left who may lead the session. Choose other practitioners."),
    "no_weekday_left": gettext_lazy("No weekday is left. Choose more of them."),
    "no_date_left": gettext_lazy("No date is left by what is asked. Ask for less."),
    "already_booked": gettext_lazy("This session is booked already. Move that visit."),
    "session_not_planned": gettext_lazy("This session is not planned with the course. Book it by itself."),
    "pin_outside_hours": gettext_lazy("This time is outside the hours asked for. Change one of the two."),
    "time_does_not_exist": gettext_lazy("The clocks go forward past this time on %(on)s. Choose another time."),
    "pin_forbidden": gettext_lazy("%(on)s is one of the dates to leave out. Change one of the two."),
    "pin_on_other_weekday": gettext_lazy("%(on)s is not on a weekday asked for. Change one of the two."),
    "pin_outside_dates": gettext_lazy("%(on)s is outside the dates asked for. Change one of the two."),
    "out_of_order": gettext_lazy("Session %(subject)s is on %(on)s, and the sessions follow each other. Change one."),
    "after_lapse": gettext_lazy(
        "This is so late that the course needs a new assessment first. Choose a date before %(on)s."
    ),
}

# What stands between a session and a date that would itself be better.
NOT_ON = NO_PLAN | {
    "beyond_horizon": gettext_lazy("The site takes no bookings yet."),
    "not_asked": gettext_lazy("Not what was asked for."),
    "out_of_order": gettext_lazy("Visits that are booked already leave no room."),
    "dearer": gettext_lazy("Free, but the whole plan would cost %(points)d points more."),
    "as_good": gettext_lazy("Free, and the whole plan would cost the same: of equal plans the earlier one is taken."),
    "others_stuck": gettext_lazy("Free, but then session %(number)d has no time."),
    "not_tried": gettext_lazy("Not looked at one by one."),
}
PARTS = {
    "spacing": gettext_lazy("days away from the best date"),
    "lateness": gettext_lazy("waiting for the first session"),
    "continuity": gettext_lazy("changes of practitioner"),
    "wishes": gettext_lazy("wishes not met"),
    "holes": gettext_lazy("short gaps left in the diary"),
    "moves": gettext_lazy("visits moved"),
}


def contradictions(found: Iterable[asks.Contradiction]) -> list[Problem]:
    """Return what contradicts itself in an ask as problems; `where` is the path of the field."""
    return [
        Problem(
            one.code,
            _contradiction(one),
            one.where,
            {
                "session": str(one.session) if one.session else None,
                "subject": one.subject,
                "on": one.on.isoformat() if one.on else None,
                "override": one.override or None,
            },
        )
        for one in found
    ]


def _contradiction(one: asks.Contradiction) -> str:
    if one.code in CONTRADICTIONS:
        return str(CONTRADICTIONS[one.code]) % {"on": day(one.on) if one.on else "", "subject": one.subject}
    return sentence(one.code, subject=one.subject, opens_on=one.on, override=one.override)


def difference(differs: facts.Difference) -> list[str]:
    """Return how a plan differs from the best one, in words; at least one thing."""
    said = [*_days(differs), *_counts(differs)]
    if not said and differs.moved:
        said.append(
            ngettext("%(count)d session on another date", "%(count)d sessions on other dates", differs.moved)
            % {"count": differs.moved}
        )
    if differs.other_leads:
        said.append(
            ngettext(
                "another practitioner in %(count)d session",
                "another practitioner in %(count)d sessions",
                differs.other_leads,
            )
            % {"count": differs.other_leads}
        )
    return said or [_("the same dates and people at other times of day")]


def _days(differs: facts.Difference) -> Iterator[str]:
    for days, sooner, later in (
        (
            differs.starts_days,
            ngettext("starts %(days)d day sooner", "starts %(days)d days sooner", abs(differs.starts_days)),
            ngettext("starts %(days)d day later", "starts %(days)d days later", abs(differs.starts_days)),
        ),
        (
            differs.ends_days,
            ngettext("ends %(days)d day sooner", "ends %(days)d days sooner", abs(differs.ends_days)),
            ngettext("ends %(days)d day later", "ends %(days)d days later", abs(differs.ends_days)),
        ),
    ):
        if days:
            yield (sooner if days < 0 else later) % {"days": abs(days)}


def _counts(differs: facts.Difference) -> Iterator[str]:
    changes, missed = differs.changes, differs.wishes_missed
    if changes:
        fewer = ngettext(
            "%(count)d change of practitioner fewer", "%(count)d changes of practitioner fewer", abs(changes)
        )
        more = ngettext("%(count)d change of practitioner more", "%(count)d changes of practitioner more", abs(changes))
        yield (fewer if changes < 0 else more) % {"count": abs(changes)}
    if missed:
        fewer = ngettext("%(count)d wish missed fewer", "%(count)d wishes missed fewer", abs(missed))
        more = ngettext("%(count)d wish missed more", "%(count)d wishes missed more", abs(missed))
        yield (fewer if missed < 0 else more) % {"count": abs(missed)}


def not_on(one: facts.NotOn, positions: Mapping[UUID, int]) -> str:
    """Return why a session is not on a date that would itself be better."""
    said = str(NOT_ON[one.code]) % {
        "points": one.cost.total,
        "number": positions[one.session] if one.session else 0,
    }
    if one.code != "dearer":
        return said
    parts = [f"{PARTS[name]} {points:+d}" for name, points in asdict(one.cost).items() if points]
    return _("%(said)s (%(parts)s).") % {"said": said.rstrip("."), "parts": ", ".join(parts)}


def nearer(one: facts.Nearer, positions: Mapping[UUID, int]) -> list[tuple[date, date, str]]:
    """Return what stands between a session and its best date: spans of dates that follow each other, and why."""
    spans: list[tuple[date, date, str]] = []
    for text, dates in groupby(one.dates, key=lambda date_of: not_on(date_of, positions)):
        for each in dates:
            if spans and spans[-1][2] == text and spans[-1][1] == each.on - timedelta(days=1):
                spans[-1] = (spans[-1][0], each.on, text)
            else:
                spans.append((each.on, each.on, text))
    return spans


def dates_as_data(found: Sequence[facts.NotOn], positions: Mapping[UUID, int]) -> list[dict[str, Any]]:
    """Return the dates that would themselves be better, each with its code and its reason in words."""
    return [
        {
            "on": one.on,
            "code": one.code,
            "message": not_on(one, positions),
            "costs_more": {**asdict(one.cost), "total": one.cost.total} if one.code == "dearer" else None,
            "session": one.session,
        }
        for one in found
    ]
