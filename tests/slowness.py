"""A database that is too slow, for tests that run in no transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

OF_EVERY_COURSE = "scheduling_override"  # read whenever it is said how a course stands


@contextmanager
def too_slow_to_read(table: str) -> Iterator[None]:
    """Have PostgreSQL break off, at its time limit, every statement of ours that asks for this table."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor, connection.cursor() as ours:
            cursor.execute(f"LOCK TABLE {table}")
            ours.execute("SET statement_timeout = '400ms'")
            yield
    finally:
        other.close()
        connection.close()
