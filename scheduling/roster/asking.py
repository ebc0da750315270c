"""How the database is asked for much at once: in binary, and by statements that it has prepared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection

from scheduling.models.appointments import LIVE

# Written out, and no parameter: only so a prepared statement can use the indexes of live appointments.
LIVE_STATES = "('" + "', '".join(state.value for state in LIVE) + "')"


class _Cursor(psycopg.Cursor[Any]):
    """Has statements prepared, once per connection: planning one of these takes longer than carrying it out.

    Django's own cursors put parameters into the text, so they can neither do this nor answer in binary.
    """

    def execute(self, query: Any, params: Any = None, **_: Any) -> Any:
        return super().execute(query, params, prepare=True, binary=True)


def ask(statement: str, asked: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows that a statement of ours finds."""
    connection.ensure_connection()
    # Django's wrappers take any cursor; a debugging one writes the statement down.
    wrapped = connection.make_debug_cursor if connection.queries_logged else connection.make_cursor
    with wrapped(_Cursor(connection.connection)) as cursor:  # type: ignore[arg-type]
        cursor.execute(statement, asked)
        return list(cursor.fetchall())


def minutes_of(moment: str) -> str:
    """Return the SQL for the minutes from 1970 to a moment."""
    return f"floor(extract(epoch FROM {moment}) / 60)::bigint"
