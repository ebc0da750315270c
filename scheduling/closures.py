"""When a whole site is shut: the only writer of Closure. Public holidays are computed once, and stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time

import holidays
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.audit import written_by
from clinic.errors import Conflict, Problem, RuleBroken
from clinic.models import Role, Site, User
from clinic.wellformed import longest_text, tidy

from . import marks, replanning
from .lost_time import refuse, when
from .models import Appointment, Closure, Resource

FIRST_YEAR, LAST_YEAR = 1970, 2100


@dataclass(frozen=True, slots=True)
class ClosureDetails:
    """Days, both inclusive; with times, that part of each of them on the site's clocks."""

    site: Site
    name: str
    first_on: date
    last_on: date
    from_time: time | None = None
    until_time: time | None = None


class ClosureRecorded(Conflict):
    """The same closure stands already: a request sent twice."""

    code = "closure_already_recorded"


class ClosureTakenBack(Conflict):
    code = "closure_already_taken_back"


def _lock(site: Site) -> Site | None:
    """Lock the site, and everything that ever serves there (UPDATE) by id: a booking locks resources, then looks.

    The site itself only against other closures (NO KEY UPDATE): a booking that holds a resource still has to refer to
    the site, and would wait for us as we for it.
    """
    locked = Site.objects.select_for_update(no_key=True).filter(pk=site.pk).first()
    serving = Resource.objects.serving(site).order_by().values("pk")
    list(Resource.objects.select_for_update(of=("self",)).filter(pk__in=serving).order_by("pk").values_list("pk"))
    return locked


@act
def record(details: ClosureDetails, *, by: User | None, now: datetime) -> Closure:
    """Shut a site, and ask for new times for the visits this touches: a person applies them.

    Raises RuleBroken with all that is malformed (ends_before_it_begins, time_half_given, ends_before_it_starts,
    site_unknown, …), ClosureRecorded, or NotAllowed.
    """
    if details.site is not None:
        rights.require(by, details.site, Role.MANAGER)
    site = _lock(details.site)
    closure = Closure(
        site=site,
        name=tidy(details.name),
        **when(details),
        source=Closure.Source.CLINIC,
        recorded_at=now,
        recorded_by=by,
    )
    refuse(
        closure,
        "site",
        unknown=_unknown_site(),
        recorded=ClosureRecorded(
            Problem("closure_already_recorded", _("This closure is recorded already: there is nothing to do."))
        ),
    )
    with written_by(by):
        closure.save(force_insert=True)
    replanning.examine_touched(visits_during(closure), reason="closure", by=by, now=now)
    return closure


def visits_during(closure: Closure) -> QuerySet[Appointment]:
    """Return the live visits at the site on the closure's days."""
    return Appointment.objects.live().filter(site=closure.site, on__range=(closure.first_on, closure.last_on))


def _unknown_site() -> Problem:
    return Problem("site_unknown", _("There is no such site: choose one."), "site")


@act
def take_back(closure: Closure, *, by: User | None, now: datetime) -> Closure:
    """Open the site after all, and look again at visits that were to move. Raises ClosureTakenBack.

    Its time is offered to the waiting list.

    Storing holidays again does not bring one back.
    """
    rights.require(by, closure.site, Role.MANAGER)
    _lock(closure.site)
    locked = Closure.objects.select_for_update(no_key=True, of=("self",)).get(pk=closure.pk)
    if locked.cancelled_at is not None:
        raise ClosureTakenBack(
            Problem("closure_already_taken_back", _("This closure was taken back already: there is nothing to do."))
        )
    locked.cancelled_at, locked.cancelled_by = now, by
    with written_by(by):
        locked.save(update_fields=["cancelled_at", "cancelled_by"])
    marks.duty_grew(None, [locked.site], **when(locked), now=now)
    replanning.examine_touched(visits_during(locked), reason="closure_taken_back", by=by, now=now)
    return locked


@act
def store_holidays(site: Site, years: Iterable[int], *, by: User | None, now: datetime) -> list[Closure]:
    """Shut a site on the public holidays of its country and subdivision, and return the closures that are new.

    Visits booked on them get a proposal, as with any closure.

    A date that has its holiday already, taken back or not, is left alone: names and dates change between releases of
    `holidays` (https://pypi.org/project/holidays), stored ones do not. Raises RuleBroken: country_unknown,
    subdivision_unknown, year_out_of_range.
    """
    rights.require(by, site, Role.MANAGER)
    locked = _lock(site)
    if locked is None:
        raise RuleBroken(_unknown_site())
    named = _public_holidays(locked, sorted(set(years)))
    stored = set(
        locked.closures.filter(source=Closure.Source.HOLIDAY, first_on__in=named).values_list("first_on", flat=True)
    )
    longest = longest_text(Closure, "name")
    with written_by(by):
        new = Closure.objects.bulk_create(
            Closure(
                site=locked,
                name=name[:longest],
                first_on=on,
                last_on=on,
                source=Closure.Source.HOLIDAY,
                recorded_at=now,
                recorded_by=by,
            )
            for on, name in sorted(named.items())
            if on not in stored
        )
    touched = Appointment.objects.live().filter(site=site, on__in=[closure.first_on for closure in new])
    replanning.examine_touched(touched, reason="closure", by=by, now=now)
    return new


def _public_holidays(site: Site, years: list[int]) -> dict[date, str]:
    wrong = [year for year in years if not FIRST_YEAR <= year <= LAST_YEAR]
    if wrong or not years:
        sentence = _("Choose years from %(first)d to %(last)d.") % {"first": FIRST_YEAR, "last": LAST_YEAR}
        raise RuleBroken(Problem("year_out_of_range", sentence, "years"))
    try:
        country = holidays.country_holidays(site.country)
    except NotImplementedError as error:
        sentence = _("No public holidays are known for “%(country)s”: correct the site, or enter closures by hand.")
        raise RuleBroken(Problem("country_unknown", sentence % {"country": site.country}, "country")) from error
    language = _language(site.language, country.supported_languages, country.default_language)
    try:
        found = holidays.country_holidays(site.country, subdiv=site.subdivision or None, years=years, language=language)
    except NotImplementedError as error:
        allowed = list(country.subdivisions)
        sentence = _("“%(part)s” is no part of this country that has holidays of its own: choose from %(allowed)s.")
        words = {"part": site.subdivision, "allowed": ", ".join(allowed) or "—"}
        raise RuleBroken(
            Problem("subdivision_unknown", sentence % words, "subdivision", {"allowed": allowed})
        ) from error
    # Years are filtered because an observed day may fall into the next one.
    return {on: name for on, name in found.items() if on.year in years}


def _language(wanted: str, supported: Iterable[str], default: str | None) -> str | None:
    """Return the supported language nearest to the site's, else the country's own (None asks the environment)."""
    tag = wanted.replace("-", "_").casefold()
    exact = [one for one in supported if one.casefold() == tag]
    near = [one for one in supported if one.casefold().split("_")[0] == tag.split("_")[0]]
    if default in near:
        near.insert(0, default)
    return next(iter(exact + near), default)
