"""How an act runs: one transaction, retried when the database asks for it, its broken constraints said in words."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.utils.translation import gettext as _

from .errors import Conflict, Problem, RuleBroken

Args = ParamSpec("Args")
Answer = TypeVar("Answer")

TRIES = 4
# Serialization failure, deadlock, lock not available: the same act may well succeed a moment later.
WORTH_ANOTHER_TRY = {"40001", "40P01", "55P03"}
QUERY_CANCELED = "57014"
# What a job does where the database is too slow: it comes back later, and has died only after some in a row.
TOO_SLOW_FOR = timedelta(minutes=5)
MOST_TIMEOUTS = 6


class Busy(Conflict):
    """Others were writing the same rows, several times over."""

    code = "busy"


def act(function: Callable[Args, Answer]) -> Callable[Args, Answer]:
    """Run a function in one transaction: everything it writes, or nothing.

    A constraint that refuses a write surfaces as Conflict whose code is the constraint's name, a value that no column
    holds (too long, too large, a NUL) as RuleBroken. Deadlocks and lock time-outs are tried again, a few times, by the
    outermost act only: inner ones have no transaction to restart.
    """

    @wraps(function)
    def run(*args: Args.args, **kwargs: Args.kwargs) -> Answer:
        is_outermost = not connection.in_atomic_block
        for left in reversed(range(TRIES if is_outermost else 1)):
            try:
                with transaction.atomic():
                    return function(*args, **kwargs)
            except IntegrityError as error:
                raise _as_conflict(error) from error
            except DataError as error:
                raise RuleBroken(
                    Problem("value_not_storable", _("Something is too long, too large, or no text. Shorten it."))
                ) from error
            except OperationalError as error:
                if not is_outermost or _sqlstate(error) not in WORTH_ANOTHER_TRY:
                    raise
                if not left:
                    raise Busy(
                        Problem("busy", _("Others are changing the same records right now. Try again in a moment."))
                    ) from error
                time.sleep(random.uniform(0.02, 0.1))  # noqa: S311  (spreads the tries of rivals, guards nothing)
        raise AssertionError("the last try returns or raises")

    return run


def may_come_back(error: OperationalError, *, timeouts: int) -> bool:
    """Whether a job that ended so has only met a slow database, and not yet too often in a row (`timeouts` before it).

    Then a statement was broken off at its time limit (DB_STATEMENT_TIMEOUT_SECONDS), or because someone asked for it.
    """
    return _sqlstate(error) == QUERY_CANCELED and timeouts < MOST_TIMEOUTS


def _sqlstate(error: OperationalError) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)


def _as_conflict(error: IntegrityError) -> Conflict:
    diagnosis = getattr(error.__cause__, "diag", None)
    name = getattr(diagnosis, "constraint_name", None) or "constraint_broken"
    return Conflict(
        Problem(
            name,
            _("This clashes with what is stored: %(rule)s. Load the page again and look.")
            % {"rule": name.replace("_", " ")},
        )
    )
