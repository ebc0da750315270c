"""A request sent twice acts once, also when both come at the same time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from clinic.errors import Conflict, Problem, RuleBroken
from clinic.idempotency import KeyReused, StillRunning, forget_before, once
from clinic.models import AccessEvent, IdempotencyKey, User
from tests.refusals import codes

PATH = "/api/v1/courses/"


def act(status: int = 201, answer: Any = None) -> tuple[int, Any]:
    """Leave a row that can be counted."""
    AccessEvent.objects.create(action="view", subject="test", door="api")
    return status, {"done": True} if answer is None else answer


def effects() -> int:
    return AccessEvent.objects.count()


def make_user(name: str = "ann") -> User:
    return User.objects.create_user(f"{name}@harbour.example", "correct horse battery staple", name=name)


@pytest.fixture
def user(db: None) -> User:
    return make_user()


def test_the_first_request_acts_and_the_second_gets_its_answer(user):
    answers = [once(user, "k", "POST", PATH, b"{}", act) for _ in range(3)]

    assert answers == [
        (201, {"done": True}, False),
        (201, {"done": True}, True),
        (201, {"done": True}, True),
    ]
    assert effects() == 1


def test_the_replay_reads_as_the_first_answer_did_key_order_included(user):
    answer = {"zebra": 1.0, "a": [(1, 2)], "uid": UUID(int=1), "on": date(2027, 1, 4), "big": 10**30, "nul": "\0"}

    first = once(user, "k", "POST", PATH, b"", lambda: act(200, answer))[1]
    second = once(user, "k", "POST", PATH, b"", lambda: act(200, answer))[1]

    assert first == {
        "zebra": 1.0,
        "a": [[1, 2]],
        "uid": "00000000-0000-0000-0000-000000000001",
        "on": "2027-01-04",
        "big": 10**30,
        "nul": "\0",
    }
    assert (list(second), second) == (list(answer), first)


def test_an_empty_answer_is_replayed_too(user):
    assert [once(user, "k", "DELETE", PATH, b"", lambda: (204, None)) for _ in range(2)] == [
        (204, None, False),
        (204, None, True),
    ]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", PATH, b"{} "), ("PATCH", PATH, b"{}"), ("POST", PATH + "1/", b"{}")],
    ids=["other body", "other method", "other path"],
)
def test_a_key_stands_for_one_request_only(user, method, path, body):
    once(user, "k", "POST", PATH, b"{}", act)

    with pytest.raises(KeyReused) as refusal:
        once(user, "k", method, path, body, act)

    assert (refusal.value.status, refusal.value.code, effects()) == (422, "idempotency_key_reused", 1)
    assert codes(refusal) == ["idempotency_key_reused"]


def test_another_users_key_is_another_key(user):
    once(user, "k", "POST", PATH, b"{}", act)

    assert once(make_user("bob"), "k", "POST", PATH, b"other", act) == (201, {"done": True}, False)
    assert effects() == 2


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb", "a\0b", "\x7f", "\ud800"])
def test_what_cannot_be_a_key_is_refused(user, key):
    with pytest.raises(RuleBroken) as refusal:
        once(user, key, "POST", PATH, b"{}", act)

    assert [(one.code, one.where) for one in refusal.value.problems] == [("idempotency_key_invalid", "Idempotency-Key")]
    assert (effects(), IdempotencyKey.objects.count()) == (0, 0)


def test_a_key_of_two_hundred_characters_is_good(user):
    assert once(user, "ü" * 200, "POST", PATH, b"{}", act)[2] is False


def test_a_refusal_keeps_nothing_and_the_same_key_may_try_again(user):
    def refuse() -> tuple[int, Any]:
        act()
        raise Conflict(Problem("taken", "Taken."))

    with pytest.raises(Conflict):
        once(user, "k", "POST", PATH, b"{}", refuse)

    assert (effects(), IdempotencyKey.objects.count()) == (0, 0)
    assert once(user, "k", "POST", PATH, b"{}", act) == (201, {"done": True}, False)


def test_an_answer_that_is_no_json_keeps_nothing(user):
    with pytest.raises(TypeError):
        once(user, "k", "POST", PATH, b"{}", lambda: act(200, {"x": object()}))

    assert (effects(), IdempotencyKey.objects.count()) == (0, 0)


def test_old_keys_are_forgotten(user):
    once(user, "old", "POST", PATH, b"{}", act)
    IdempotencyKey.objects.update(created_at=timezone.now() - timedelta(days=8))
    once(user, "new", "POST", PATH, b"{}", act)

    assert forget_before(datetime.now(tz=UTC) - timedelta(days=7)) == 1
    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["new"]


# --- races: real threads, each with a connection of its own ---------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_many_equal_requests_at_once_one_acts_and_all_get_its_answer():
    user, start = make_user(), threading.Barrier(5)

    def send(number: int) -> tuple[int, Any, bool]:
        try:
            start.wait(10)
            return once(user, "k", "POST", PATH, b"{}", lambda: act(201, {"by": number}))
        finally:
            connection.close()

    for _ in range(5):
        with ThreadPoolExecutor(max_workers=5) as pool:
            answers = list(pool.map(send, range(5)))
        assert (sorted(replayed for _, _, replayed in answers), effects()) == ([False, True, True, True, True], 1)
        assert len({answer["by"] for _, answer, _ in answers}) == 1
        IdempotencyKey.objects.all().delete()
        connection.cursor().execute("truncate clinic_accessevent")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first_succeeds", [True, False])
def test_a_second_request_waits_for_the_first_and_then_replays_or_acts(first_succeeds):
    user, running, go_on = make_user(), threading.Event(), threading.Event()

    def slow() -> tuple[int, Any]:
        running.set()
        assert go_on.wait(10)
        if not first_succeeds:
            raise Conflict(Problem("taken", "Taken."))
        return act(201, {"by": "first"})

    def first() -> Any:
        try:
            return once(user, "k", "POST", PATH, b"{}", slow)
        except Conflict as refusal:
            return refusal.problems[0].code
        finally:
            connection.close()

    def second() -> Any:
        try:
            assert running.wait(10)
            with connection.cursor() as cursor:
                cursor.execute("select pg_backend_pid()")
                pids.append(cursor.fetchone()[0])
            return once(user, "k", "POST", PATH, b"{}", lambda: act(201, {"by": "second"}))
        finally:
            connection.close()

    pids: list[int] = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        one, two = pool.submit(first), pool.submit(second)
        assert running.wait(10)
        while not (pids and _waits(pids[0])):
            assert not two.done()
        go_on.set()
        answers = one.result(20), two.result(20)

    assert effects() == 1
    if first_succeeds:
        assert answers == ((201, {"by": "first"}, False), (201, {"by": "first"}, True))
    else:
        assert answers == ("taken", (201, {"by": "second"}, False))


@contextlib.contextmanager
def short_waits() -> Iterator[None]:
    """Wait for locks no longer than 50 ms, in a transaction of its own."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("set local lock_timeout = '50ms'")
        yield


def _waits(pid: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("select pg_sleep(0.01), wait_event_type = 'Lock' from pg_stat_activity where pid = %s", [pid])
        row = cursor.fetchone()
    return bool(row and row[1])


@pytest.mark.django_db(transaction=True)
def test_a_request_whose_first_one_takes_too_long_is_told_so():
    user, running, go_on = make_user(), threading.Event(), threading.Event()

    def slow() -> tuple[int, Any]:
        running.set()
        assert go_on.wait(10)
        return act()

    def first() -> Any:
        try:
            return once(user, "k", "POST", PATH, b"{}", slow)
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as pool:
        one = pool.submit(first)
        assert running.wait(10)
        try:
            with short_waits(), pytest.raises(StillRunning) as refusal:
                once(user, "k", "POST", PATH, b"{}", act)
        finally:
            go_on.set()
        assert one.result(20) == (201, {"done": True}, False)

    assert (refusal.value.status, codes(refusal)) == (409, ["request_still_running"])
    assert once(user, "k", "POST", PATH, b"{}", act) == (201, {"done": True}, True)
    assert effects() == 1
