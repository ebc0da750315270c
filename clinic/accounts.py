"""Who works here, what they may do where, and the sites themselves: the only writer of User, SiteRole and Site.

A manager keeps the accounts of the sites where they are manager, an administrator (superuser) all; `by` is None for
the command line, whose user has the server anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import phonenumbers
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from knox.models import AuthToken

from .audit import written_by
from .errors import Conflict, NotAllowed, Problem, RuleBroken
from .models import Role, Site, SiteRole, User
from .validators import validate_one_address
from .wellformed import field_names, field_problems, language_problems, tidy, unless_taken

SITE_FIELDS: Final = field_names(Site) - {"id", "uid"}


class EmailTaken(Conflict):
    """Another account signs in with this address."""

    code = "email_taken"


class SiteNameTaken(Conflict):
    code = "site_name_taken"


class LastAdministrator(Conflict):
    """Nobody would be left who can let others in."""

    code = "last_administrator"


class NotYourAccounts(NotAllowed):
    """Accounts are kept by the manager of every site concerned."""

    code = "accounts_are_kept_by_managers"


def _refuse_unless_manager(by: User | None, sites: Iterable[Site], *, of: User | None = None) -> None:
    """Refuse a person who is not manager of all the sites; only an administrator touches an administrator."""
    if by is None or (by.is_superuser and by.is_active):
        return
    asked = {site.pk for site in sites}
    managed = set(by.roles.filter(role=Role.MANAGER).values_list("site", flat=True)) if by.is_active else set()
    if not managed or not asked <= managed or (of is not None and of.is_superuser):
        raise NotYourAccounts(
            Problem("accounts_are_kept_by_managers", _("Ask a manager of the site, or an administrator, to do this."))
        )


@transaction.atomic
def create_user(
    *,
    email: str,
    name: str,
    password: str | None,
    roles: Mapping[Site, Iterable[Role]],
    by: User | None,
    now: datetime,
    is_staff: bool = True,
    is_superuser: bool = False,
) -> User:
    """Let a person sign in, with roles at sites. `password` None: by no password until one is set.

    Refuses a malformed address or name, a weak password, an unknown role (RuleBroken), an address in use (EmailTaken),
    and a person who may not do this (NotYourAccounts).
    """
    _refuse_unless_manager(by, roles)
    if is_superuser and by is not None and not by.is_superuser:
        _refuse_administrator()
    user = User(email=_address(email), name=tidy(name), is_staff=is_staff, is_superuser=is_superuser, joined_at=now)
    problems = [*_user_problems(user), *_role_problems(roles)]
    if password is not None:
        problems += _password_problems(password, user)
    if problems:
        raise RuleBroken(*problems)
    user.set_password(password)
    with written_by(by):
        _write_user(user)
        _write_roles(user, roles)
    return user


def _refuse_administrator() -> None:
    raise NotYourAccounts(
        Problem("administrators_are_made_by_administrators", _("Only an administrator makes another one."))
    )


def _address(email: Any) -> Any:
    return tidy(email).lower() if isinstance(email, str) else email


def _user_problems(user: User) -> list[Problem]:
    problems = field_problems(user, exclude={"password"})
    if user.email and not problems:
        try:
            validate_one_address(user.email)
        except ValidationError as error:
            problems.append(Problem(error.code or "invalid", " ".join(error.messages), "email"))
    return problems


def _password_problems(password: str, user: User) -> list[Problem]:
    try:
        validate_password(password, user)
    except ValidationError as error:
        return [Problem(one.code or "invalid", " ".join(one.messages), "password") for one in error.error_list]
    return []


def _role_problems(roles: Mapping[Site, Iterable[Role]]) -> list[Problem]:
    return [
        Problem(
            "role_unknown",
            _("There is no role “%(role)s”. The roles are %(known)s.")
            % {"role": role, "known": ", ".join(Role.values)},
            f"roles.{site.uid}",
        )
        for site, names in roles.items()
        for role in names
        if role not in Role.values
    ]


def _write_user(user: User, *, only: Sequence[str] | None = None) -> None:
    """Write the row (insert when `only` is None), or raise EmailTaken."""
    taken = EmailTaken(
        Problem(
            "email_taken",
            _("Somebody signs in with this address already: use that account, or another address."),
            "email",
        )
    )
    if User.objects.filter(email__iexact=user.email).exclude(pk=user.pk).exists():
        raise taken
    # Both walls say the same: the field's own, and the one that ignores case.
    walls = {"clinic_user_email_key": taken, "user_email_is_unique_whatever_its_case": taken}
    unless_taken(lambda: user.save(force_insert=only is None, update_fields=only), walls)


def _write_roles(user: User, roles: Mapping[Site, Iterable[Role]]) -> None:
    for site, names in roles.items():
        wanted = {str(Role(name)) for name in names}
        held = set(user.roles.filter(site=site).values_list("role", flat=True))
        if held - wanted:
            user.roles.filter(site=site, role__in=held - wanted).delete()
        SiteRole.objects.bulk_create(SiteRole(user=user, site=site, role=role) for role in sorted(wanted - held))


def _locked(user: User) -> User:
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


@transaction.atomic
def set_roles(user: User, roles: Mapping[Site, Iterable[Role]], *, by: User | None, now: datetime) -> User:  # noqa: ARG001
    """Make the roles at the named sites exactly these; an empty list takes all away, other sites stay as they are."""
    _refuse_unless_manager(by, roles, of=user)
    problems = _role_problems(roles)
    if problems:
        raise RuleBroken(*problems)
    locked = _locked(user)
    with written_by(by):
        _write_roles(locked, roles)
    return locked


@transaction.atomic
def correct_user(user: User, changes: Mapping[str, Any], *, by: User | None, now: datetime) -> User:  # noqa: ARG001
    """Change name, e-mail or access to the front desk (`is_staff`); refuses as `create_user` does."""
    unknown = sorted(changes.keys() - {"name", "email", "is_staff"})
    if unknown:
        raise RuleBroken(*(Problem("field_unknown", _("This cannot be changed here."), name) for name in unknown))
    locked = _locked(user)
    _refuse_unless_manager(by, _sites_of(locked), of=locked)
    for name, value in changes.items():
        setattr(locked, name, _address(value) if name == "email" else tidy(value))
    problems = _user_problems(locked)
    if problems:
        raise RuleBroken(*problems)
    with written_by(by):
        _write_user(locked, only=["email", "name", "is_staff"])
    return locked


def _sites_of(user: User) -> list[Site]:
    return list(Site.objects.filter(roles__user=user).distinct())


@transaction.atomic
def set_password(user: User, password: str, *, by: User | None, now: datetime) -> User:  # noqa: ARG001
    """Give the person a new password and end their API tokens; one's own needs no manager. Refuses a weak one."""
    locked = _locked(user)
    if by is None or by.pk != locked.pk:
        _refuse_unless_manager(by, _sites_of(locked), of=locked)
    problems = _password_problems(password, locked)
    if problems:
        raise RuleBroken(*problems)
    locked.set_password(password)
    with written_by(by):
        locked.save(update_fields=["password"])
        AuthToken.objects.filter(user=locked).delete()
    return locked


@transaction.atomic
def deactivate(user: User, *, by: User | None, now: datetime) -> User:  # noqa: ARG001
    """Let the person sign in no more, at once: API tokens end too, their rows and name stay.

    Refuses one's own account, and the last administrator. Again is no change.
    """
    administrators = list(
        User.objects.select_for_update(no_key=True)
        .filter(is_superuser=True, is_active=True)
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    locked = _locked(user)
    _refuse_unless_manager(by, _sites_of(locked), of=locked)
    if by is not None and by.pk == locked.pk:
        raise Conflict(Problem("own_account", _("You cannot close the account you are working with: ask a colleague.")))
    if administrators == [locked.pk]:
        raise LastAdministrator(
            Problem("last_administrator", _("This is the last administrator: make another one first."))
        )
    with written_by(by):
        User.objects.filter(pk=locked.pk).update(is_active=False)
        AuthToken.objects.filter(user=locked).delete()
    locked.is_active = False
    return locked


@transaction.atomic
def reactivate(user: User, *, by: User | None, now: datetime) -> User:  # noqa: ARG001
    """Let the person sign in again, with the roles they have."""
    locked = _locked(user)
    _refuse_unless_manager(by, _sites_of(locked), of=locked)
    with written_by(by):
        User.objects.filter(pk=locked.pk).update(is_active=True)
    locked.is_active = True
    return locked


@transaction.atomic
def save_site(site: Site | None = None, *, by: User | None, now: datetime, **fields: Any) -> Site:  # noqa: ARG001
    """Open a site (None), or change the named fields of one. Who opens a site is its first manager.

    Refuses malformed fields, an unknown zone or country (RuleBroken) and a name in use (SiteNameTaken). Booked visits
    keep the zone they were booked in. Whether a site may be given up is asked by `scheduling.sites`, not here.
    """
    unknown = sorted(fields.keys() - SITE_FIELDS)
    if unknown:
        raise RuleBroken(*(Problem("field_unknown", _("A site has no such field."), name) for name in unknown))
    _refuse_unless_manager(by, [site] if site else [])
    row = Site.objects.select_for_update(no_key=True).get(pk=site.pk) if site else Site()
    for name, value in fields.items():
        setattr(row, name, tidy(value))
    problems = _site_problems(row)
    if problems:
        raise RuleBroken(*problems)
    taken = SiteNameTaken(Problem("site_name_taken", _("Another site has this name: choose another one."), "name"))
    if Site.objects.filter(name=row.name).exclude(pk=row.pk).exists():
        raise taken
    walls: dict[str, Conflict] = {"clinic_site_name_key": taken}
    with written_by(by):
        if site is None:
            unless_taken(lambda: row.save(force_insert=True), walls)
            if by is not None and not by.is_superuser:
                SiteRole.objects.create(user=by, site=row, role=Role.MANAGER)
        elif fields:
            unless_taken(lambda: row.save(update_fields=sorted(fields)), walls)
    return row


def _site_problems(site: Site) -> list[Problem]:
    problems = field_problems(site)
    found = {problem.where for problem in problems}
    if "country" not in found and site.country not in phonenumbers.SUPPORTED_REGIONS:
        problems.append(
            Problem(
                "country_unknown",
                _("“%(country)s” is no country code: use two capital letters, such as GB.") % {"country": site.country},
                "country",
            )
        )
    if "language" not in found:
        problems += language_problems(site.language, "language")
    if "sender_email" not in found and any(c in site.sender_email for c in ",;\r\n"):
        problems.append(Problem("more_than_one_address", _("Give one e-mail address only."), "sender_email"))
    return problems
