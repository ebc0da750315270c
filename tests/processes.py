"""What the tests of the running service ask of the machine: time, a port, its processes, and a start of our own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
DOWN_SECONDS = 60
# A developer's own environment may speak of a real clinic.
UNWANTED = ("DATABASE_URL", "REDIS_URL", "EMAIL_URL", "SECRET_KEY", "DB_POOL")
PROGRAMS = {"web": "gunicorn", "valkey": "valkey-server"}  # the others are called as their part is


def eventually(fact: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until something is so, asking again and again; fail when it is not so in time."""
    end = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.1)


def becomes(ask: Callable[[], object], wanted: object, seconds: float, what: str) -> None:
    """The same of what an answer must become; a failure tells what it was at last."""
    end = time.monotonic() + seconds
    while (found := ask()) != wanted:
        assert time.monotonic() < end, f"not within {seconds} s: {what}, but {found}"
        time.sleep(0.1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def parents() -> dict[int, int]:
    """Return every living process with its parent."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rsplit(")", 1)[1].split()[:2]
            if state != "Z":
                found[int(stat.parent.name)] = int(parent)
    return found


def descendants(pid: int) -> set[int]:
    family, known = {pid}, parents()
    while more := {child for child, parent in known.items() if parent in family} - family:
        family |= more
    return family - {pid}


def child_of(pid: int, part: str) -> int:
    """Return the process that a service started directly for a part: worker, beat, web, valkey or postgres."""
    program = PROGRAMS.get(part, part)
    for child in (child for child, parent in parents().items() if parent == pid):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
            # Only the last part of a path: the project may lie in a directory of any name.
            if any(program == Path(part).name for word in words for part in word.split(" ")):
                return child
    raise LookupError(f"no {part} among the children")


def variables_of(data_dir: Path, port: int, **more: str) -> dict[str, str]:
    """Return the environment of a service on a data directory and a port of its own, without the demo clinic."""
    kept = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    return kept | {"DATA_DIR": str(data_dir), "PORT": str(port), "DEMO": "0"} | more


def started(*command: str, variables: Mapping[str, str], output: Path) -> subprocess.Popen[bytes]:
    """Start `manage.py run`, or the command given, in a session of its own; what it says goes to a file."""
    with output.open("w") as said:
        return subprocess.Popen(
            [*command] or [sys.executable, "manage.py", "run"],
            cwd=PROJECT,
            env=dict(variables),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )


def is_up(process: subprocess.Popen[bytes], said: str) -> bool:
    """Whether a service has said that it runs; fail with what it said when it has ended instead."""
    assert process.poll() is None, f"ended: {said}"
    return "Cadence is running." in said
