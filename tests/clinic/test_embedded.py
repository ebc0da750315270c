"""The embedded servers: what they know, who owns them, and what is left when they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from clinic import embedded

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("embedded")


def test_the_database_knows_letters_of_every_language_whatever_the_terminal_speaks(data_dir, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    with embedded.postgres(data_dir) as server, psycopg.connect(server.url) as connection:
        row = connection.execute("select lower('ÉŁ'), 'Émile' ilike 'émile', current_setting('timezone')").fetchone()

    assert row == ("éł", True, "UTC")


def test_data_is_kept_when_the_server_is_killed_and_started_again(data_dir):
    with embedded.postgres(data_dir) as server:
        with psycopg.connect(server.url) as connection:
            connection.execute("create table if not exists kept (what text)")
            connection.execute("insert into kept values ('this')")
        server.process.kill()
        server.process.wait(30)
        server.start_again()
        with psycopg.connect(server.url) as connection:
            assert connection.execute("select what from kept").fetchall() == [("this",)]
    assert not embedded.socket_directory(data_dir).joinpath("pg", ".s.PGSQL.5432").exists()


def test_an_unfinished_first_start_is_made_anew(tmp_path):
    unfinished = tmp_path / "pg.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18")

    with embedded.postgres(tmp_path, throwaway=True) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_lock_file_of_a_process_that_is_something_else_by_now_does_not_stop_the_start(data_dir):
    with embedded.postgres(data_dir):
        pass
    pid_file = data_dir / "pg" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{data_dir / 'pg'}\n")

    with embedded.postgres(data_dir) as server, psycopg.connect(server.url) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_what_is_queued_outlives_the_broker(tmp_path):
    with embedded.valkey(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        client.rpush("queue", "work")
    with embedded.valkey(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        assert client.lrange("queue", 0, -1) == [b"work"]
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_sockets_are_for_this_account_alone_and_addresses_fit_into_the_kernels_limit(tmp_path):
    deep = tmp_path / ("a-long-name" * 9)

    with embedded.valkey(deep, throwaway=True):
        sockets = embedded.socket_directory(deep) / "valkey"

        assert sockets.stat().st_mode & 0o077 == 0
        assert len(str(sockets / "valkey.sock")) < 107


def test_servers_end_with_their_owner_even_when_it_is_killed(tmp_path):
    program = (
        "import sys, time, pathlib\n"
        "from clinic import embedded\n"
        "data = pathlib.Path(sys.argv[1])\n"
        "with embedded.postgres(data, throwaway=True) as one, embedded.valkey(data, throwaway=True) as two:\n"
        "    print(one.process.pid, two.process.pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout
        pids = [int(pid) for pid in owner.stdout.readline().split()]
        owner.send_signal(signal.SIGKILL)

    end = time.monotonic() + 30
    while any(_runs(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert len(pids) == 2
    assert not any(_runs(pid) for pid in pids)


def test_a_directory_of_somebody_else_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)

    with pytest.raises(embedded.CannotServe, match="belongs to another account"), embedded.valkey(tmp_path):
        pytest.fail("it was served")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
