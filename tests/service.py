"""The service as it really runs, for stories and faults: `manage.py run` on a port, a data directory and a mailbox of
its own. Its clinic is furnished by another process with the same database, as a clinic's would be by its commands; time
passes by moving what is stored (`let_days_pass`), never by replacing a clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import redis
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from celery import Celery

from tests import triggers
from tests.processes import DOWN_SECONDS, PROJECT, child_of, eventually, free_port, is_up, started, variables_of
from tests.smtp_sink import Sink

UP_SECONDS = 180
BEAT_SECONDS = 15  # CELERY_BEAT_SCHEDULE asks what is due so often
MAIL_SECONDS = 3 * BEAT_SECONDS
# What the database's clock writes, and what did not happen at the clinic.
NOT_MOVED = {"born_on", "lease_until"}


# --- mail -------------------------------------------------------------------------------------------------------------


@dataclass
class PostOffice(Sink):
    """The mail server of a running service. It can keep a sender waiting for its answer after the final dot."""

    begun: int = 0  # mails whose final dot has come
    cut_off: int = 0  # mails whose sender went away before it was answered
    is_holding: bool = False

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.begun += 1
        try:
            while self.is_holding:  # noqa: ASYNC110  (another thread decides it, which no asyncio.Event hears)
                await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            self.cut_off += 1
            raise
        return await super().handle_DATA(server, session, envelope)

    @contextlib.contextmanager
    def holding(self) -> Iterator[Callable[[int], None]]:
        """Answer no mail; give what waits until so many senders are held at their final dot."""
        begun, self.is_holding = self.begun, True

        def until_held(senders: int) -> None:
            eventually(lambda: self.begun >= begun + senders, MAIL_SECONDS, f"{senders} senders are held")

        try:
            yield until_held
        finally:
            self.is_holding = False

    def mails_to(self, address: str) -> list[EmailMessage]:
        return [taken.message for taken in list(self.taken) if address in taken.recipients]

    def next_mail_to(self, address: str, *, after: int, seconds: float = MAIL_SECONDS) -> EmailMessage:
        """Return the mail that comes after so many others to the address; fail when none comes."""
        eventually(lambda: len(self.mails_to(address)) > after, seconds, f"mail number {after + 1} has come")
        return self.mails_to(address)[after]

    def copies(self, domain: str) -> dict[str, int]:
        """Return how many times each mail to addresses of a domain was taken, by Message-ID."""
        counts: dict[str, int] = {}
        for taken in list(self.taken):
            if all(address.endswith(f"@{domain}") for address in taken.recipients):
                counts[str(taken.message["Message-ID"])] = counts.get(str(taken.message["Message-ID"]), 0) + 1
        return counts


@contextlib.contextmanager
def post_office() -> Iterator[PostOffice]:
    office = PostOffice(port=free_port())
    controller = Controller(office, hostname="127.0.0.1", port=office.port, ready_timeout=10)
    controller.start()
    try:
        yield office
    finally:
        controller.stop()


# --- the API, as another program uses it ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str] = field(repr=False)

    @property
    def codes(self) -> list[str]:
        """The code of every violation of a refusal."""
        return [violation["code"] for violation in self.body["violations"]]


@dataclass
class Api:
    """REST over HTTP, with the token of one person."""

    port: int
    token: str = ""

    def get(self, path: str) -> Answer:
        return self._ask("GET", path, None, {})

    def post(self, path: str, body: Any = None, *, key: str = "") -> Answer:
        return self._ask("POST", path, json.dumps(body or {}).encode(), {"Idempotency-Key": key} if key else {})

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        if self.token:
            headers = headers | {"Authorization": f"Token {self.token}"}
        if body is not None:
            headers = headers | {"Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"/api/v1/{path}", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            return Answer(answer.status, json.loads(text) if text else None, dict(answer.headers))
        finally:
            connection.close()


# --- the service ------------------------------------------------------------------------------------------------------


@dataclass
class Service:
    """A run of the service, which may be killed and started again on the same data."""

    post: PostOffice
    data_dir: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def variables(self) -> dict[str, str]:
        return variables_of(self.data_dir, self.port, EMAIL_URL=f"smtp://127.0.0.1:{self.post.port}")

    # --- its life -----------------------------------------------------------------------------------------------------

    @property
    def _output(self) -> Path:
        return self.data_dir.parent / f"said-{self.starts}"

    @property
    def said(self) -> str:
        return self._output.read_text()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it, and wait until it is up. It ends with this process, in whatever way that ends."""
        self.starts += 1
        if self.process is not None:
            self.process.wait(DOWN_SECONDS)  # it was killed
        command = (sys.executable, "manage.py", "run", "--end-with-starter", str(os.getpid()))
        process = self.process = started(*command, variables=self.variables, output=self._output)
        eventually(lambda: is_up(process, self.said), UP_SECONDS, "the service is up")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(DOWN_SECONDS)
            finally:
                self.process.kill()
                self.process.wait(DOWN_SECONDS)

    def child(self, name: str) -> int:
        """Return the process that it started directly for that program: worker, beat, web, valkey or postgres."""
        return child_of(self.pid, name)

    def kill_group_of(self, name: str) -> int:
        """`kill -9` one of its programs with everything that it started itself, and return which it was."""
        pid = self.child(name)
        os.killpg(pid, signal.SIGKILL)  # each child leads a process group of its own
        return pid

    # --- what is stored -----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        from clinic import embedded

        with psycopg.connect(embedded.database_url(self.data_dir)) as connection:
            yield connection

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.database() as connection:
            return connection.execute(query, values).fetchall()

    def change(self, statement: str, *values: Any) -> int:
        with self.database() as connection:
            return connection.execute(statement, values).rowcount

    @contextlib.contextmanager
    def broker(self) -> Iterator[redis.Redis]:
        from clinic import embedded

        with redis.Redis.from_url(embedded.broker_url(self.data_dir)) as client:
            yield client

    def ring(self, task: str = "deliver_due") -> None:
        """Say “look now” to the workers, as beat does every fifteen seconds, or each minute."""
        from clinic import embedded

        url = embedded.broker_url(self.data_dir).replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
        with Celery(broker=url) as bell:
            bell.send_task(f"scheduling.tasks.{task}", ignore_result=True)

    def let_days_pass(self, days: int, zone: str) -> None:
        """Make everything that is stored so many days older, at the same times of the clocks of that zone.

        For the service this is the same as if the days had passed: it compares what is stored with the real clock. The
        history kept by triggers is not written (`session_replication_role`), for nobody did anything.
        """
        from django.apps import apps

        with self.database() as connection:
            connection.execute(triggers.OFF)
            tables = {
                model._meta.db_table: columns
                for label in ("patients", "scheduling")
                for model in apps.get_app_config(label).get_models(include_auto_created=True)
                if not model.__name__.endswith("Event") and (columns := _columns_of_time(model, days, zone))
            }
            connection.execute(f"LOCK TABLE {', '.join(tables)} IN EXCLUSIVE MODE")
            for table, columns in tables.items():
                connection.execute(f"UPDATE {table} SET {', '.join(columns)}")
            connection.execute(triggers.ON_AGAIN)

    def let_the_grace_pass(self) -> None:
        """Let the three minutes pass that news about a change waits for a newer change."""
        self.change(
            "UPDATE scheduling_message SET due_at = due_at - interval '3 minutes'"
            " WHERE state = 'pending' AND kind IN ('changed', 'cancelled')"
        )

    def let_leases_run_out(self) -> None:
        """Let the thirty seconds pass for which a sender, dead by now, has its mails."""
        self.change("UPDATE scheduling_message SET lease_until = clock_timestamp() WHERE state = 'sending'")

    # --- its clinic ---------------------------------------------------------------------------------------------------

    def furnish(self, what: str, **how: Any) -> SimpleNamespace:
        """Run a function of tests/furnish.py in a process on the same database, and return what it tells."""
        made = subprocess.run(
            [sys.executable, "-m", "tests.furnish", what, json.dumps(how)],
            cwd=PROJECT,
            env=self.variables | {"DJANGO_SETTINGS_MODULE": "clinic.settings"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert made.returncode == 0, made.stderr[-3000:]
        return SimpleNamespace(**json.loads(made.stdout.splitlines()[-1]))

    def sign_in(self, email: str, password: str) -> Api:
        signed_in = Api(self.port).post("sign-in/", {"email": email, "password": password})
        assert signed_in.status == 200, signed_in
        return Api(self.port, signed_in.body["token"])


def _columns_of_time(model: Any, days: int, zone: str) -> list[str]:
    """Return the assignments that move a table's columns by days."""
    from django.contrib.postgres.fields import ArrayField, DateTimeRangeField
    from django.db import models

    def moved(expression: str) -> str:
        return f"(({expression} AT TIME ZONE '{zone}') - interval '{days} days') AT TIME ZONE '{zone}'"

    found = []
    for one in model._meta.concrete_fields:
        name = f'"{one.column}"'
        if one.column in NOT_MOVED:
            continue
        if isinstance(one, models.DateTimeField):
            found.append(f"{name} = {moved(name)}")
        elif isinstance(one, models.DateField):
            found.append(f"{name} = {name} - {days}")
        elif isinstance(one, DateTimeRangeField):
            found.append(f"{name} = tstzrange({moved(f'lower({name})')}, {moved(f'upper({name})')}, '[)')")
        elif isinstance(one, ArrayField) and isinstance(one.base_field, models.DateField):
            found.append(f"{name} = ARRAY(SELECT each - {days} FROM unnest({name}) AS each)")
    return found


_shared: list[Service] = []


def shared(config: pytest.Config) -> Service:
    """Return the one service of this run of the tests. It is started when there is none, or when it was killed."""
    if not _shared:
        owned = contextlib.ExitStack()
        config.add_cleanup(owned.close)
        base = Path(tempfile.mkdtemp(prefix="cadence-service-"))
        owned.callback(shutil.rmtree, base, ignore_errors=True)
        service = Service(owned.enter_context(post_office()), base / "var")
        owned.callback(_shared.clear)
        owned.callback(_forget_sockets, service.data_dir)
        owned.callback(service.stop)
        _shared.append(service)
    (service,) = _shared
    if service.process is None or service.process.poll() is not None:
        service.start()
    return service


def _forget_sockets(data_dir: Path) -> None:
    from clinic import embedded

    shutil.rmtree(embedded.socket_directory(data_dir), ignore_errors=True)
