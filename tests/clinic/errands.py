"""Tasks for a worker that a test starts with `celery worker --include tests.clinic.errands`."""

from __future__ import annotations

import os
import time
from pathlib import Path

from celery import shared_task

from tests.processes import eventually


@shared_task(name="tests.fail_at_length")
def fail_at_length(directory: str) -> None:
    """Say who does it, wait until told to go on, and fail with more words than a pipe can hold."""
    (Path(directory) / "begun").write_text(str(os.getpid()))
    eventually((Path(directory) / "go on").exists, 60, "it may go on")
    raise ValueError("x" * 2**21)


@shared_task(name="tests.take_seconds")
def take_seconds(directory: str, seconds: float) -> None:
    """Say who does it, do what takes so long, and say that it is done."""
    (Path(directory) / "begun").write_text(str(os.getpid()))
    time.sleep(seconds)
    (Path(directory) / "done").touch()
