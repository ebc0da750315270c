"""Who may do what, asked by the acts themselves, so that no edge can forget it."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import gettext as _

from .errors import NotAllowed, Problem
from .models import Role, Site, User

FRONT_DESK = (Role.RECEPTION, Role.CLINICIAN, Role.PRESCRIBER, Role.MANAGER)
CLINICAL = (Role.CLINICIAN, Role.PRESCRIBER)
PRESCRIBING = (Role.PRESCRIBER,)
MANAGING = (Role.MANAGER,)


def require(by: User | None, site: Site, *roles: Role) -> None:
    """Raise NotAllowed unless the person still works here, in one of the roles. `None` is the clinic's own jobs."""
    if not has(by, site, *roles):
        raise NotAllowed(_missing(roles, site.name))


def has(by: User | None, site: Site, *roles: Role) -> bool:
    """Whether the person still works here, in one of the roles."""
    return by is None or (by.is_active and (by.is_superuser or by.roles.filter(site=site, role__in=roles).exists()))


def require_somewhere(by: User | None, *roles: Role) -> None:
    """Raise NotAllowed unless the person has one of the roles at any site: for what belongs to no single site."""
    if by is not None and not (by.is_active and by.has_role(*roles)):
        raise NotAllowed(_missing(roles, _("a site")))


def _missing(roles: Iterable[Role], place: str) -> Problem:
    names = ", ".join(str(Role(role).label) for role in roles)
    return Problem(
        "role_missing",
        _("This needs one of these roles at %(site)s: %(roles)s. Ask a manager.") % {"site": place, "roles": names},
    )
