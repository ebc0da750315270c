"""An act is everything or nothing, says broken constraints in words, and tries again when the database asks for it."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from clinic.acts import act
from clinic.errors import Conflict, RuleBroken
from clinic.models import Role, Site, SiteRole, User
from tests import build
from tests.refusals import codes


@pytest.mark.django_db
def test_a_broken_constraint_is_a_conflict_by_its_name_and_nothing_is_written():
    site, person = build.site(), build.user()

    @act
    def give_twice() -> None:
        for _ in range(2):
            SiteRole.objects.create(user=person, site=site, role=Role.RECEPTION)

    with pytest.raises(Conflict) as refused:
        give_twice()

    assert codes(refused) == ["user_has_a_role_at_a_site_once"]
    assert SiteRole.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["x" * 200, "a\0b"])
def test_what_no_column_holds_is_refused_and_nothing_is_written(name):
    site = build.site()

    @act
    def rename() -> None:
        Site.objects.filter(pk=site.pk).update(name=name)

    with pytest.raises(RuleBroken) as refused:
        rename()

    assert codes(refused) == ["value_not_storable"]


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_is_tried_again_and_both_acts_succeed():
    first, second = build.user(name="first"), build.user(name="second")
    both_hold_one = threading.Barrier(2)
    met: set[int] = set()

    @act
    def rename(one: User, other: User, name: str) -> None:
        User.objects.filter(pk=one.pk).update(name=name)
        if one.pk not in met:  # only the first tries of the two meet: they deadlock, one of them tries again
            met.add(one.pk)
            both_hold_one.wait(timeout=10)
        User.objects.filter(pk=other.pk).update(name=name)

    def run(one: User, other: User, name: str) -> None:
        try:
            rename(one, other, name)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=run, args=(first, second, "a")),
        threading.Thread(target=run, args=(second, first, "b")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    names = set(User.objects.filter(pk__in=[first.pk, second.pk]).values_list("name", flat=True))
    assert len(names) == 1
    assert names <= {"a", "b"}


@pytest.mark.django_db
def test_an_act_inside_another_leaves_the_outer_one_to_decide():
    @act
    def inner() -> None:
        Site.objects.create(name="inner", zone="UTC", country="GB", sender_name="x", sender_email="x@example.org")
        raise Conflict

    @act
    def outer() -> int:
        with pytest.raises(Conflict):
            inner()
        return Site.objects.count()

    assert outer() == 0
    assert not transaction.get_connection().needs_rollback
