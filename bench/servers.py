"""The bench's own PostgreSQL, in a directory that is gone afterwards, and a mail server in a process of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from clinic import embedded

PROJECT = Path(__file__).resolve().parents[1]
# What a developer's environment says about a real clinic is no business of ours.
SET_ASIDE = ("EMAIL_URL", "PUBLIC_URL", "HTTPS", "BEHIND_PROXY", "DEBUG", "DB_POOL", "REDIS_URL", "DATABASE_URL")


@contextlib.contextmanager
def database() -> Iterator[None]:
    """Serve an empty database with the service's own settings (commits are flushed), and point Django at it."""
    for name in SET_ASIDE:
        os.environ.pop(name, None)
    os.environ["SECRET_KEY"] = secrets.token_urlsafe(64)
    os.environ["DJANGO_SETTINGS_MODULE"] = "clinic.settings"
    os.environ["LOG_LEVEL"] = "ERROR"
    data_dir = Path(tempfile.mkdtemp(prefix="cadence-bench-"))
    os.environ["DATA_DIR"] = str(data_dir)
    try:
        with embedded.postgres(data_dir) as server:
            os.environ["DATABASE_URL"] = server.url
            yield
    finally:
        shutil.rmtree(embedded.socket_directory(data_dir), ignore_errors=True)
        shutil.rmtree(data_dir, ignore_errors=True)


@contextlib.contextmanager
def mail_server() -> Iterator[int]:
    """Run the bare sink in its own process, and give its port."""
    command = [sys.executable, "-m", "bench.mail_sink"]
    with subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()  # it ends when nobody holds the other end any more
