"""Who may sign in, what they may do where, and who may decide that."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from knox.models import AuthToken

from clinic import accounts
from clinic.errors import Conflict, NotAllowed, Refusal, RuleBroken
from clinic.models import Role, Site, User

NOW = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
PASSWORD = "correct horse battery staple"


def make_site(name: str = "Harbour Street", **fields: Any) -> Site:
    details = {
        "zone": "Europe/London",
        "country": "GB",
        "sender_name": "Harbour Clinic",
        "sender_email": "desk@harbour.example",
    }
    return accounts.save_site(name=name, by=None, now=NOW, **{**details, **fields})


def make_user(email: str = "ann@harbour.example", **fields: Any) -> User:
    details: dict[str, Any] = {"name": "Ann Archer", "password": PASSWORD, "roles": {}, "by": None, "now": NOW}
    return accounts.create_user(email=email, **{**details, **fields})


def roles_of(user: User) -> set[tuple[str, str]]:
    return set(user.roles.values_list("site__name", "role"))


def problems_of(refusal: Refusal) -> list[tuple[str, str]]:
    return sorted((problem.code, problem.where) for problem in refusal.problems)


@pytest.fixture
def site(db: None) -> Site:
    return make_site()


@pytest.fixture
def manager(site: Site) -> User:
    return make_user("mona@harbour.example", name="Mona", roles={site: [Role.MANAGER]})


def test_a_user_signs_in_by_address_whatever_its_case_and_has_roles(site):
    user = make_user(" Ann.Archer@Harbour.Example ", roles={site: [Role.RECEPTION, Role.MANAGER]})

    assert (user.email, user.name, user.is_staff, user.is_superuser) == (
        "ann.archer@harbour.example",
        "Ann Archer",
        True,
        False,
    )
    assert roles_of(user) == {("Harbour Street", "reception"), ("Harbour Street", "manager")}
    assert user.check_password(PASSWORD)


def test_everything_wrong_with_an_account_is_said_at_once(site):
    with pytest.raises(RuleBroken) as refusal:
        make_user("a@x.example, b@x.example", name="Ann\nArcher", password="12345", roles={site: ["boss"]})

    assert problems_of(refusal.value) == [
        ("invalid", "email"),
        ("not_one_line", "name"),
        ("password_entirely_numeric", "password"),
        ("password_too_common", "password"),
        ("password_too_short", "password"),
        ("role_unknown", f"roles.{site.uid}"),
    ]
    assert User.objects.count() == 0


def test_a_password_like_the_name_is_refused(db):
    with pytest.raises(RuleBroken) as refusal:
        make_user(name="Annabella Archerson", password="annabella archerson")

    assert problems_of(refusal.value) == [("password_too_similar", "password")]


def test_a_user_without_a_password_cannot_sign_in_by_one(db):
    assert make_user(password=None).has_usable_password() is False


def test_an_address_in_use_is_refused_whatever_its_case(db):
    make_user()

    with pytest.raises(accounts.EmailTaken) as refusal:
        make_user("ANN@harbour.example")

    assert problems_of(refusal.value) == [("email_taken", "email")]


@pytest.mark.django_db(transaction=True)
def test_one_of_two_equal_accounts_made_at_once_wins():
    def create(_: int) -> str:
        try:
            make_user()
        except Refusal as refusal:
            return refusal.code
        else:
            return "made"
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=4) as pool:
        outcomes = sorted(pool.map(create, range(4)))

    assert outcomes == ["email_taken", "email_taken", "email_taken", "made"]


def test_a_manager_makes_accounts_at_their_own_site_only(site, manager):
    other = make_site("Hill Road")
    user = make_user(by=manager, roles={site: [Role.RECEPTION]})

    assert roles_of(user) == {("Harbour Street", "reception")}
    with pytest.raises(NotAllowed) as refusal:
        make_user("bob@harbour.example", by=manager, roles={site: [Role.RECEPTION], other: [Role.RECEPTION]})
    assert problems_of(refusal.value) == [("accounts_are_kept_by_managers", "")]


@pytest.mark.parametrize("role", [Role.RECEPTION, Role.CLINICIAN, Role.PRESCRIBER, Role.OPERATOR])
def test_nobody_but_a_manager_or_an_administrator_keeps_accounts(site, role):
    by = make_user("eve@harbour.example", roles={site: [role]})
    victim = make_user()

    for act in (
        lambda: make_user("bob@harbour.example", by=by, roles={site: [Role.MANAGER]}),
        lambda: make_user("bob@harbour.example", by=by),
        lambda: accounts.set_roles(by, {site: [Role.MANAGER]}, by=by, now=NOW),
        lambda: accounts.set_roles(by, {}, by=by, now=NOW),
        lambda: accounts.deactivate(victim, by=by, now=NOW),
        lambda: accounts.reactivate(victim, by=by, now=NOW),
        lambda: accounts.set_password(victim, PASSWORD, by=by, now=NOW),
        lambda: accounts.correct_user(victim, {"name": "X"}, by=by, now=NOW),
        lambda: accounts.save_site(site, name="Mine", by=by, now=NOW),
        lambda: accounts.save_site(name="Mine", by=by, now=NOW),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_a_manager_makes_no_administrator_and_touches_none(site, manager):
    root = make_user("root@harbour.example", is_superuser=True)

    with pytest.raises(NotAllowed):
        make_user("bob@harbour.example", by=manager, is_superuser=True)
    with pytest.raises(NotAllowed):
        accounts.deactivate(root, by=manager, now=NOW)
    with pytest.raises(NotAllowed):
        accounts.set_password(root, PASSWORD, by=manager, now=NOW)
    with pytest.raises(NotAllowed):
        accounts.set_roles(root, {site: []}, by=manager, now=NOW)


def test_a_manager_who_left_keeps_nothing(site, manager):
    root = make_user("root@harbour.example", is_superuser=True)
    gone = accounts.deactivate(manager, by=root, now=NOW)

    with pytest.raises(NotAllowed):
        make_user("bob@harbour.example", by=gone, roles={site: [Role.RECEPTION]})


def test_setting_roles_replaces_those_of_the_named_sites_and_leaves_the_others(site):
    other = make_site("Hill Road")
    user = make_user(roles={site: [Role.RECEPTION, Role.MANAGER], other: [Role.CLINICIAN]})

    accounts.set_roles(user, {site: [Role.PRESCRIBER, Role.RECEPTION]}, by=None, now=NOW)

    assert roles_of(user) == {
        ("Harbour Street", "reception"),
        ("Harbour Street", "prescriber"),
        ("Hill Road", "clinician"),
    }
    accounts.set_roles(user, {site: []}, by=None, now=NOW)
    assert roles_of(user) == {("Hill Road", "clinician")}


def test_deactivating_ends_sign_in_and_tokens_at_once_and_again_is_no_change(site, manager):
    user = make_user(roles={site: [Role.RECEPTION]})
    AuthToken.objects.create(user)

    accounts.deactivate(user, by=manager, now=NOW)
    accounts.deactivate(user, by=manager, now=NOW)

    user.refresh_from_db()
    assert (user.is_active, AuthToken.objects.count(), roles_of(user)) == (
        False,
        0,
        {("Harbour Street", "reception")},
    )
    assert accounts.reactivate(user, by=manager, now=NOW).is_active is True


def test_nobody_closes_their_own_account_or_the_last_administrators(db):
    root = make_user("root@harbour.example", is_superuser=True)

    with pytest.raises(Conflict) as own:
        accounts.deactivate(root, by=root, now=NOW)
    with pytest.raises(accounts.LastAdministrator) as last:
        accounts.deactivate(root, by=None, now=NOW)

    assert (problems_of(own.value), problems_of(last.value)) == ([("own_account", "")], [("last_administrator", "")])
    make_user("other@harbour.example", is_superuser=True)
    assert accounts.deactivate(root, by=None, now=NOW).is_active is False


def test_an_account_is_corrected_and_its_address_stays_unique(site, manager):
    user = make_user(roles={site: [Role.RECEPTION]})

    corrected = accounts.correct_user(
        user, {"name": "Ann Baker", "email": "Baker@Harbour.Example", "is_staff": False}, by=manager, now=NOW
    )

    assert (corrected.name, corrected.email, corrected.is_staff) == ("Ann Baker", "baker@harbour.example", False)
    with pytest.raises(accounts.EmailTaken):
        accounts.correct_user(user, {"email": "MONA@harbour.example"}, by=manager, now=NOW)
    with pytest.raises(RuleBroken) as refusal:
        accounts.correct_user(user, {"is_superuser": True, "password": "x"}, by=manager, now=NOW)
    assert problems_of(refusal.value) == [("field_unknown", "is_superuser"), ("field_unknown", "password")]


def test_a_new_password_ends_tokens_and_ones_own_needs_no_manager(site):
    user = make_user(roles={site: [Role.RECEPTION]})
    AuthToken.objects.create(user)

    accounts.set_password(user, "another horse battery staple", by=user, now=NOW)

    user.refresh_from_db()
    assert (user.check_password("another horse battery staple"), AuthToken.objects.count()) == (True, 0)
    with pytest.raises(RuleBroken) as refusal:
        accounts.set_password(user, "short", by=user, now=NOW)
    assert problems_of(refusal.value) == [("password_too_short", "password")]


def test_who_opens_a_site_is_its_first_manager(site, manager):
    opened = accounts.save_site(
        name="Hill Road",
        zone="Europe/Berlin",
        country="DE",
        subdivision="BY",
        sender_name="Hill Clinic",
        sender_email="desk@hill.example",
        language="de",
        by=manager,
        now=NOW,
    )

    assert roles_of(manager) == {("Harbour Street", "manager"), ("Hill Road", "manager")}
    changed = accounts.save_site(opened, phone="+49 30 23125 000", by=manager, now=NOW)
    opened.refresh_from_db()
    assert (changed.pk, opened.phone, opened.zone) == (opened.pk, "+49 30 23125 000", "Europe/Berlin")


def test_everything_wrong_with_a_site_is_said_at_once(db):
    with pytest.raises(RuleBroken) as refusal:
        make_site(
            "Harbour\nStreet",
            zone="Europe",
            country="UK",
            sender_name="",
            sender_email="desk@x.example,desk@y.example",
            language="english please",
            grid_minutes=0,
            booking_horizon_days=1101,
        )

    assert problems_of(refusal.value) == [
        ("country_unknown", "country"),
        ("invalid", "sender_email"),
        ("missing", "sender_name"),
        ("not_one_line", "name"),
        ("too_large", "booking_horizon_days"),
        ("too_long", "language"),
        ("too_small", "grid_minutes"),
        ("zone_unknown", "zone"),
    ]


def test_bookings_are_taken_for_three_years_at_most_whoever_writes_it(site):
    assert accounts.save_site(site, booking_horizon_days=1100, by=None, now=NOW).booking_horizon_days == 1100

    with pytest.raises(IntegrityError, match="site_takes_bookings_for_three_years_at_most"), transaction.atomic():
        Site.objects.filter(pk=site.pk).update(booking_horizon_days=1101)


def test_unknown_fields_and_names_in_use_are_refused(site):
    with pytest.raises(RuleBroken) as unknown:
        accounts.save_site(site, colour="red", uid="x", by=None, now=NOW)
    with pytest.raises(accounts.SiteNameTaken) as taken:
        make_site("Harbour Street")

    assert problems_of(unknown.value) == [("field_unknown", "colour"), ("field_unknown", "uid")]
    assert problems_of(taken.value) == [("site_name_taken", "name")]


def test_characters_that_cannot_be_stored_are_refused_and_not_a_crash(db):
    with pytest.raises(RuleBroken) as refusal:
        make_site(address="1 Harbour\0Street")

    assert problems_of(refusal.value) == [("not_storable", "address")]
