"""The long form: hundreds of mails fall due while something is killed every few seconds. `make faults` runs it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

import pytest

from tests.faults.conftest import Mails
from tests.processes import DOWN_SECONDS, eventually
from tests.service import Service

KILLS, BATCHES, PATIENTS = 60, 6, 12
SEED = int(os.environ.get("SEED", "0")) or random.randrange(1, 10**6)


@pytest.mark.faults
def test_no_mail_is_lost_and_none_is_repeated_without_a_kill_to_excuse_it(service, mails_due, capsys):
    """Lost: 0. Repeated: at most once for each kill of a sender, and then the same bytes (docs/messages.md)."""
    chance = random.Random(SEED)
    service.post.seconds_per_mail = 0.15
    batches: list[Mails] = []
    kills = {"worker": 0, "beat": 0, "web": 0, "valkey": 0, "postgres backend": 0, "starter": 0}
    try:
        for number in range(KILLS):
            if number % (KILLS // BATCHES) == 0:
                _see_that_it_runs(service)
                batches.append(mails_due(patients=PATIENTS))
            kills[_kill(chance, service)] += 1
            _wait(chance.uniform(1, 4))
    finally:
        service.post.seconds_per_mail = 0.0
    service.stop()
    service.start()

    expected = sum(batch.count for batch in batches)
    eventually(lambda: sum(batch.arrived for batch in batches) == expected, 300, f"{expected} mails have come")
    eventually(lambda: all(batch.states == {("sent", batch.count)} for batch in batches), 120, "all are recorded")
    copies = [count for batch in batches for count in service.post.copies(batch.domain).values()]
    repeats = sum(copies) - len(copies)
    with capsys.disabled():
        print(f"\nseed {SEED}: {expected} mails, {kills}, {repeats} repeated")  # noqa: T201
    assert repeats <= kills["worker"] + kills["starter"] + kills["postgres backend"]
    for batch in batches:
        _copies_are_equal(service, batch.domain)


def _kill(chance: random.Random, service: Service) -> str:
    """Kill one thing or another with `kill -9`, the starter now and then, and say what it was."""
    what = chance.choices(
        ["worker", "beat", "web", "valkey", "postgres backend", "starter"], weights=[6, 2, 1, 2, 4, 1]
    )[0]
    _see_that_it_runs(service)
    if what == "starter":
        os.kill(service.pid, signal.SIGKILL)
        service.start()
    elif what == "postgres backend":
        service.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'cadence' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1"
        )
    else:
        with contextlib.suppress(LookupError):  # it is being started again after the kill before
            service.kill_group_of(what)
    return what


def _see_that_it_runs(service: Service) -> None:
    """Start it again where a program of it was killed too often in too short a time, and it gave up, as it should."""
    assert service.process is not None
    if "stopping ..." in service.said:
        service.process.wait(DOWN_SECONDS)
    if service.process.poll() is not None:
        service.start()


def _wait(seconds: float) -> None:
    """Let the time between two kills go by: there is no event to wait for."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)


def _copies_are_equal(service: Service, domain: str) -> None:
    contents: dict[str, set[bytes]] = {}
    for taken in service.post.taken:
        if taken.recipients[0].endswith(f"@{domain}"):
            contents.setdefault(str(taken.message["Message-ID"]), set()).add(taken.content)
    assert {len(copies) for copies in contents.values()} == {1}
