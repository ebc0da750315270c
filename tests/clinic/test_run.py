"""`manage.py run` as a person meets it: real processes, a data directory and a port of its own, nothing replaced."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes import (
    DOWN_SECONDS,
    PROJECT,
    child_of,
    descendants,
    eventually,
    free_port,
    is_up,
    parents,
    started,
    variables_of,
)

UP_SECONDS = 90
# What is asked of a running service's own database server.
SERVER = "from django.conf import settings; print(settings.DATABASES['default']['HOST'])"
MAKE_A_GUEST = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("create role guest login")
    cursor.execute("create database guests")
"""


class Service:
    """A run of the service, with what it said so far."""

    def __init__(self, output: Path, data_dir: Path, port: int, *wrapper: str, **variables: str) -> None:
        self.port, self.data_dir = port, data_dir
        self.variables = variables_of(data_dir, port, **variables)
        self._output = output
        self.process = started(*wrapper, variables=self.variables, output=output)

    @property
    def said(self) -> str:
        return self._output.read_text()

    def up(self) -> Service:
        eventually(lambda: is_up(self.process, self.said), UP_SECONDS, "the service is up")
        return self

    def ended(self) -> int:
        """Wait for the end, and return the exit code."""
        return self.process.wait(DOWN_SECONDS)

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.ended()

    def get(self, path: str) -> tuple[int, str]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()

    def ask_django(self, *command: str) -> str:
        asked = [sys.executable, "manage.py", *command]
        answer = subprocess.run(
            asked, cwd=PROJECT, env=self.variables, capture_output=True, text=True, check=False, timeout=60
        )
        return answer.stdout + answer.stderr


@contextlib.contextmanager
def services(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Give what starts services on one data directory; whatever is left behind is ended."""
    started: list[Service] = []
    port = free_port()

    def start(*wrapper: str, **variables: str) -> Service:
        data_dir = Path(variables.pop("DATA_DIR", str(tmp_path / "var")))
        output = tmp_path / f"said-{len(started)}"
        service = Service(output, data_dir, int(variables.pop("PORT", port)), *wrapper, **variables)
        started.append(service)
        return service

    try:
        yield start
    finally:
        for service in started:
            if service.process.poll() is None:
                service.process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    service.process.wait(DOWN_SECONDS)
                service.process.kill()
                service.process.wait(DOWN_SECONDS)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A service that was started on nothing, and stopped: its data directory is what the other tests start from."""
    with services(tmp_path_factory.mktemp("first")) as start:
        service = start().up()
        service.end()
    return service


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Start services that a test ends, kills or starts again, on nothing."""
    with services(tmp_path) as start:
        yield start


@pytest.fixture
def start_again(first_run: Service, start: Callable[..., Service], tmp_path: Path) -> Callable[..., Service]:
    """Start services on a copy of what the first run left."""
    subprocess.run(["cp", "-a", first_run.data_dir, tmp_path / "var"], check=True)  # owners too
    return start


@pytest.fixture(scope="module")
def running(first_run: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that stays up for the tests that leave it as it was."""
    base = tmp_path_factory.mktemp("running")
    subprocess.run(["cp", "-a", first_run.data_dir, base / "var"], check=True)
    with services(base) as start:
        yield start().up()


def whole_family(service: Service) -> set[int]:
    """Return all it started: PostgreSQL and its eight, Valkey, gunicorn and its two, Celery and its two, beat."""
    eventually(lambda: len(descendants(service.process.pid)) >= 17, 30, "every process is there")
    return descendants(service.process.pid)


def test_the_first_start_makes_an_administrator_whose_password_is_shown_once(first_run):
    assert re.search(r"made: admin@example.org with the password \S+ \(shown only now\)", first_run.said)
    assert "the password stands above, this once; manage.py changepassword admin@example.org sets" in first_run.said
    assert "was shown at the first start" not in first_run.said
    assert f"http://127.0.0.1:{first_run.port}/ as admin@example.org" in first_run.said
    assert f"written to {first_run.data_dir}/mail/" in first_run.said
    assert "stopped; the data is kept" in first_run.said
    assert first_run.process.returncode == 0
    assert (first_run.data_dir / "secret_key").stat().st_mode & 0o777 == 0o600


def test_the_next_start_keeps_everything_and_tells_again_where_to_sign_in(first_run, running):
    key = "secret_key"

    assert "An administrator was made" not in running.said
    assert "the password was shown at the first start; manage.py changepassword" in running.said
    assert f"http://127.0.0.1:{running.port}/ as admin@example.org" in running.said
    assert (running.data_dir / key).read_text() == (first_run.data_dir / key).read_text()
    assert running.get("/admin/login/")[0] == 200


def test_the_terminal_closing_ends_it_in_good_order(start_again):
    service = start_again().up()
    family = whole_family(service)

    service.process.send_signal(signal.SIGHUP)

    assert service.ended() == 0
    assert not family & parents().keys()


def test_a_second_start_on_the_same_data_directory_says_so_and_ends(start, running):
    second = start(DATA_DIR=str(running.data_dir))

    assert second.ended() == 1
    assert f"it is already running on {running.data_dir}" in second.said
    assert running.get("/admin/login/")[0] == 200


def test_a_second_start_cannot_be_reset_away_from_under_the_first(running):
    assert "it is already running on" in running.ask_django("reset")
    assert running.get("/admin/login/")[0] == 200


def test_the_doctor_finds_everything_in_place_while_it_runs(running):
    healthy = running.ask_django("doctor")

    assert "FAILED" not in healthy
    assert healthy.count("ok ") == 7


def test_the_doctor_says_what_is_missing_when_nothing_runs(start, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        idle = start(PORT=str(other.getsockname()[1]))
        idle.ended()

    ailing = idle.ask_django("doctor")

    assert "FAILED  database: not reachable, is `make run` running?" in ailing
    assert "FAILED  broker: not reachable, is `make run` running?" in ailing


def test_a_port_in_use_is_refused_before_anything_starts(start, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        service = start(PORT=str(port))

        assert service.ended() == 1
    assert f"port {port} is in use by another program: stop it or choose another with PORT={port + 1}" in service.said
    assert not (service.data_dir / "pg").exists()


def test_a_data_directory_that_cannot_be_written_is_refused(start, tmp_path):
    file = tmp_path / "a-file"  # nobody can make a directory below a file, not even root
    file.write_text("")

    service = start(DATA_DIR=str(file / "var"))

    assert service.ended() == 1
    assert f"the data directory {file / 'var'} cannot be written" in service.said


def test_a_data_directory_from_rewritten_migrations_is_refused_and_can_be_thrown_away(start_again, tmp_path):
    memory = tmp_path / "var" / "migrations.json"
    applied = json.loads(memory.read_text())
    memory.write_text(json.dumps(applied | {"clinic.0001_before_it_was_rewritten": "0123456789abcdef"}))
    (tmp_path / "var" / "somebody-elses-file").write_text("")

    service = start_again()

    assert service.ended() == 1
    assert "`make reset` throws it away" in service.said
    assert "thrown away" in service.ask_django("reset")
    assert [left.name for left in service.data_dir.iterdir()] == ["somebody-elses-file"]


def test_a_database_that_cannot_be_reached_is_said_clearly(start):
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/clinic"

    service = start(DATABASE_URL=url, SECRET_KEY="k" * 50)

    assert service.ended() == 1
    assert "cannot run: the database cannot be used: connection failed" in service.said
    assert "Traceback" not in service.said


def test_a_broker_that_cannot_be_reached_is_said_clearly(start):
    port = free_port()

    service = start(REDIS_URL=f"redis://:hush@127.0.0.1:{port}/0")

    assert service.ended() == 1
    assert f"cannot run: the broker cannot be used: Error 111 connecting to 127.0.0.1:{port}." in service.said
    assert "; see REDIS_URL\n" in service.said
    assert "Traceback" not in service.said
    assert "hush" not in service.said


def test_a_database_user_without_rights_is_said_clearly(start, running):
    """On the server of another run, as on one of a clinic's own."""
    server = running.ask_django("shell", "--no-imports", "-c", SERVER)
    running.ask_django("shell", "--no-imports", "-c", MAKE_A_GUEST)

    service = start(DATABASE_URL=f"postgresql://guest@/guests?host={server.strip()}", SECRET_KEY="k" * 50)

    assert service.ended() == 1
    assert (
        "cannot run: the user of DATABASE_URL may not make tables and extensions there "
        "(permission denied for schema public): let it own the database"
    ) in service.said
    assert "Traceback" not in service.said


def test_everything_it_started_ends_with_it_when_the_starter_is_killed(start, start_again):
    service = start_again().up()
    family = whole_family(service)
    groups = {os.getpgid(pid) for pid in family}

    service.process.kill()
    again = start().up()  # at once: it waits for what is left of the first

    assert not family & parents().keys()
    assert not any(_lives(group) for group in groups)
    assert again.get("/admin/login/")[0] == 200


def test_everything_ends_when_make_is_killed(start_again):
    service = start_again("make", "--no-print-directory", "run").up()
    family = whole_family(service)

    service.process.kill()

    eventually(lambda: not family & parents().keys(), DOWN_SECONDS, "all it started have ended")
    eventually(lambda: "stopped; the data is kept" in service.said, 5, "it ended in good order")


def test_a_worker_that_is_killed_is_started_again(running):
    worker = child_of(running.process.pid, "worker")

    os.kill(worker, signal.SIGKILL)

    eventually(lambda: "worker ended by itself (signal 9): starting it again" in running.said, 20, "it is said")
    eventually(lambda: _has_child(running, "worker", other_than=worker), 20, "there is another worker")


def test_a_broker_that_is_killed_is_started_again_on_the_same_socket(running):
    os.kill(child_of(running.process.pid, "valkey"), signal.SIGKILL)

    eventually(lambda: "Valkey ended by itself" in running.said, 20, "it is said")
    eventually(lambda: "ok      broker: answers" in running.ask_django("doctor"), 30, "the broker answers again")


def test_everything_ends_when_the_database_dies_and_the_next_start_recovers(start, start_again):
    service = start_again().up()

    os.kill(child_of(service.process.pid, "postgres"), signal.SIGKILL)

    assert service.ended() == 1
    assert "the database ended by itself" in service.said
    assert start().up().get("/admin/login/")[0] == 200


def test_no_query_and_no_secret_of_a_link_reaches_the_access_log(running):
    secret = "s3cret" * 10

    running.get("/admin/login/?next=/admin/&patient=Zoe")
    with contextlib.suppress(urllib.error.HTTPError):
        running.get(f"/v/{secret}/")
    log = running.data_dir / "log" / "web.log"
    eventually(lambda: "GET /v/(secret)/ 404" in log.read_text(), 10, "the requests are logged")

    assert re.search(r"INFO gunicorn.access GET /admin/login/ 200 \d+$", log.read_text(), re.MULTILINE)
    assert "Zoe" not in log.read_text()
    assert secret not in log.read_text()


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _has_child(service: Service, part: str, *, other_than: int) -> bool:
    try:
        return child_of(service.process.pid, part) != other_than
    except LookupError:
        return False
