"""Places where patients are treated: open one, change it, or give it up once nothing is left to do there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from clinic import accounts, rights
from clinic.acts import act
from clinic.errors import Conflict, Problem
from clinic.models import Role, Site, User

from . import roster
from .models import Appointment, Course, FollowUpTask, Session


class SiteInUse(Conflict):
    """Something is left to do at the site: who gave it up would lose sight of it."""

    code = "site_in_use"
    title = "This site cannot be given up yet."


@act
def save(site: Site | None = None, *, by: User | None, now: datetime, **fields: Any) -> Site:
    """Open a site (None), or change the named fields of one; see `accounts.save_site` for what is refused.

    With `is_active` False it is given up: nothing is booked or started there any more. Raises SiteInUse, with how many
    of each there are, while visits stand, courses are open, outcomes are missing or calls may still be made there.
    """
    if site is not None and fields.get("is_active") is False:
        rights.require(by, site, Role.MANAGER)
        _refuse_while_in_use(Site.objects.select_for_update().get(pk=site.pk), now)
    return accounts.save_site(site, by=by, now=now, **fields)


def _refuse_while_in_use(site: Site, now: datetime) -> None:
    """Raise SiteInUse while something is left to do at a site that we have locked; see `roster.keep_site`.

    Not for what no act takes off: calls whose last day has passed, and mail that was not delivered. The site stays at
    work for them.
    """
    calls = FollowUpTask.objects.open().filter(session__course__site=site)
    found = {
        "visits": Appointment.objects.live().filter(site=site).count(),
        "courses": Course.objects.open().filter(site=site).count(),
        "outcomes": Session.objects.without_outcome().filter(course__site=site).count(),
        "calls": calls.filter(until_on__gte=roster.today(site, now)).count(),
    }
    if any(found.values()):
        sentence = _(
            "Visits that stand here: %(visits)d; open courses: %(courses)d; outcomes missing: %(outcomes)d; calls to"
            " make: %(calls)d. First record a closure from the last day on and apply what it proposes, record or cancel"
            " the visits that are left, complete or end the courses, and record the outcomes. Calls can be made until"
            " their last day: give the site up after it."
        )
        raise SiteInUse(Problem("site_in_use", sentence % found, "is_active", found))
