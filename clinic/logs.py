"""What a log line looks like: one line for each event, and nothing in it that tells about a patient."""

from __future__ import annotations

import logging
import re
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger

# Longer than a UUID: only the secret part of a patient's link is.
SECRET_SEGMENT = re.compile(r"[^/]{40,}")
CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


class OneLine(logging.Formatter):
    """Writes `2027-01-11T08:00:00.123Z WARNING scheduling.outbox what happened`, whatever the message holds.

    An exception is told by its type and where it came from, never by its text: PostgreSQL puts the values of a row
    into "Key (email)=(...) already exists", and a parser repeats what it was given.
    """

    @staticmethod
    def converter(seconds: float | None) -> time.struct_time:
        return time.gmtime(seconds)

    def format(self, record: logging.LogRecord) -> str:
        at = f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d}Z"
        line = f"{at} {record.levelname} {record.name} {_message(record)}"
        if record.exc_info and record.exc_info[1]:
            line += f" | {told(record.exc_info[1], record.exc_info[2])}"
        return CONTROL.sub(" ", line)


def _message(record: logging.LogRecord) -> str:
    """Return the message; of a failed task only its name, as Celery puts the exception's text into the message."""
    if isinstance(record.args, dict) and {"name", "traceback"} <= record.args.keys():
        return f"task {record.args['name']} failed"
    return record.getMessage()


def told(error: BaseException, trace: TracebackType | None) -> str:
    """Return an exception's kind, PostgreSQL's code and constraint where it has them, and the way to it."""
    cause = error.__cause__ or error
    facts = [type(error).__qualname__]
    if code := getattr(cause, "sqlstate", None):
        facts.append(str(code))
    if constraint := getattr(getattr(cause, "diag", None), "constraint_name", None):
        facts.append(str(constraint))
    frames = traceback.extract_tb(trace)[-12:]
    way = " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    return f"{' '.join(facts)} at {way}" if way else " ".join(facts)


class WebLogger(GunicornLogger):  # type: ignore[misc] # gunicorn ships no types
    """gunicorn's logger, in the same form, and without the secrets that stand in patients' links."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                handler.setFormatter(OneLine())

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> dict[str, Any]:
        atoms: dict[str, Any] = super().atoms(resp, req, environ, request_time)
        atoms["U"] = SECRET_SEGMENT.sub("(secret)", atoms["U"] or "")
        return atoms
