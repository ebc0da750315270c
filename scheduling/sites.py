"""Places where patients are treated: open one, change it, or give it up once nothing is left to do there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from clinic import accounts, rights
from clinic.acts import act
from clinic.errors import Conflict, Problem
from clinic.models import Role, Site, User

from .models import Appointment, Course


class SiteInUse(Conflict):
    """Visits stand at the site, or courses are open there: who gave it up would lose sight of them."""

    code = "site_in_use"
    title = "This site cannot be given up yet."


@act
def save(site: Site | None = None, *, by: User | None, now: datetime, **fields: Any) -> Site:
    """Open a site (None), or change the named fields of one; see `accounts.save_site` for what is refused.

    With `is_active` False it is given up: nothing is booked or started there any more. Raises SiteInUse, with how many
    visits and courses there are, while any visit stands or any course is open.
    """
    if site is not None and fields.get("is_active") is False:
        rights.require(by, site, Role.MANAGER)
        _refuse_while_in_use(Site.objects.select_for_update().get(pk=site.pk))
    return accounts.save_site(site, by=by, now=now, **fields)


def _refuse_while_in_use(site: Site) -> None:
    """Raise SiteInUse while something is left to do at a site that we have locked; see `roster.keep_site`."""
    found = {
        "visits": Appointment.objects.live().filter(site=site).count(),
        "courses": Course.objects.open().filter(site=site).count(),
    }
    if any(found.values()):
        sentence = _(
            "Visits that stand here: %(visits)d; open courses: %(courses)d. First record a closure from the last day on"
            " and apply what it proposes, record or cancel the visits that are left, and complete or end the courses."
        )
        raise SiteInUse(Problem("site_in_use", sentence % found, "is_active", found))
