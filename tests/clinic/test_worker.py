"""The end of a real worker on the tests' broker, also where a child dies so that Celery alone would never end."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import sys
import termios
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clinic import embedded
from clinic.celery import app
from tests.processes import DOWN_SECONDS, PROJECT, descendants, eventually, parents

UP_SECONDS = 60
COLD, WARM = {"REMAP_SIGTERM": "SIGQUIT"}, {"REMAP_SIGTERM": ""}  # as `run` starts it, and as Celery does
SOFT_SECONDS, TASK_SECONDS = 6, 8
MESSAGE = 4096  # bytes; all else that goes through its pipes is shorter


class AWorker:
    """A worker of two children, with a queue of its own."""

    def __init__(self, directory: Path, end_seconds: int, variables: dict[str, str]) -> None:
        self.directory, self.queue, self._log = directory, uuid.uuid4().hex, directory / "worker.log"
        command = [sys.executable, "-m", "celery", "-A", "clinic", "worker", "--include", "tests.clinic.errands"]
        command += ["--pool", "prefork", "--concurrency", "2", "--queues", self.queue, "--hostname", self.queue]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        command += ["--time-limit", str(TASK_SECONDS), "--soft-time-limit", str(TASK_SECONDS - 1)]
        command += ["--", f"worker.soft_shutdown_timeout={SOFT_SECONDS}"]
        environment = os.environ | {"WORKER_END_SECONDS": str(end_seconds)} | variables
        with self._log.open("wb") as output:
            self.process = embedded.spawn(command, output, environment, signal.SIGKILL, cwd=PROJECT)
        eventually(lambda: "ready." in self.said and self.process.poll() is None, UP_SECONDS, "the worker is up")

    @property
    def said(self) -> str:
        return self._log.read_text()

    def begin(self, task: str, **how: float) -> int:
        """Have a task begun, and return the child that has begun it."""
        app.send_task(task, kwargs={"directory": str(self.directory), **how}, queue=self.queue, ignore_result=True)
        begun = self.directory / "begun"
        eventually(lambda: begun.exists() and begun.read_text(), 20, "a child has begun")
        return int(begun.read_text())

    def ask_to_end(self) -> None:
        """Ask it to end, and wait until it only waits for its children: it reads no more what they send by itself."""
        threads = self._threads
        self.process.send_signal(signal.SIGTERM)
        eventually(
            lambda: "Initiating Soft Shutdown" in self.said or self._threads > threads, 20, "it waits for its children"
        )

    @property
    def _threads(self) -> int:
        """Joining its children, it has a thread for what else goes on meanwhile."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    @property
    def unread(self) -> int:
        """The bytes that lie in the fullest of its pipes."""
        fullest = 0
        for file in Path(f"/proc/{self.process.pid}/fd").iterdir():
            if str(file.readlink()).startswith("pipe:"):
                pipe = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
                try:
                    (size,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
                finally:
                    os.close(pipe)
                fullest = max(fullest, size)
        return fullest


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., AWorker]]:
    """Start a worker that a test ends; what is left of it is ended."""
    started: list[AWorker] = []

    def start(end_seconds: int, variables: dict[str, str]) -> AWorker:
        started.append(AWorker(tmp_path, end_seconds, variables))
        return started[-1]

    yield start
    for worker in started:
        embedded.stop(worker.process, signal.SIGKILL, 10, then=signal.SIGKILL)


@pytest.mark.parametrize("how", [COLD, WARM], ids=["cold", "warm"])
def test_a_worker_ends_in_time_though_a_child_was_killed_in_the_middle_of_a_result(start, how):
    worker = start(2, how)
    child = worker.begin("tests.fail_at_length")
    family = descendants(worker.process.pid)
    assert child in family

    worker.ask_to_end()
    worker.process.send_signal(signal.SIGSTOP)  # or it might be quicker than we are
    (worker.directory / "go on").touch()
    eventually(lambda: worker.unread > MESSAGE, 20, "part of the result is in the pipe")  # all of it never has room
    os.kill(child, signal.SIGSTOP)
    worker.process.send_signal(signal.SIGCONT)
    eventually(lambda: worker.unread < MESSAGE, 20, "it reads, and waits for the rest")
    os.kill(child, signal.SIGKILL)

    assert worker.process.wait(DOWN_SECONDS) == -signal.SIGALRM
    eventually(lambda: not family & parents().keys(), 5, "no child is left")


@pytest.mark.parametrize("how", [COLD, WARM], ids=["cold", "warm"])
def test_a_worker_that_is_asked_to_end_leaves_a_task_the_time_it_has(start, how):
    worker = start(4, how)
    worker.begin("tests.take_seconds", seconds=5)

    worker.ask_to_end()

    assert worker.process.wait(DOWN_SECONDS) == 0
    assert (worker.directory / "done").exists()
