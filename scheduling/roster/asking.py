"""How the database is asked for much at once: in binary, and by statements that it has prepared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.utils import CursorDebugWrapper, CursorWrapper

from scheduling.models.appointments import LIVE

# Written out, and no parameter: only so a prepared statement can use the indexes of live appointments.
LIVE_STATES = "('" + "', '".join(state.value for state in LIVE) + "')"

NEVER_BY_ITSELF = 1 << 31  # times that a statement is to be sent before it is prepared without being asked


class _Cursor(psycopg.RawCursor[Any]):
    """Has statements prepared, once per connection: planning one of these takes longer than carrying it out.

    Django's own cursors put parameters into the text, so they can neither do this nor answer in binary.
    """

    def execute(self, query: Any, params: Any = None, **_: Any) -> Any:
        return super().execute(query, params, prepare=True, binary=True)


class _Logged(CursorDebugWrapper):
    """Writes statements down as they are sent; Django would ask the cursor for a text that only its own have."""

    def execute(self, sql: Any, params: Any = None) -> Any:
        with self.debug_sql(sql, params):
            return CursorWrapper.execute(self, sql, params)


def ask(statement: str, asked: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the rows that a statement of ours finds.

    Its parameters are written `%(name)s`. It begins with SELECT: before any other pghistory puts one of its own (who
    did it), and two are not prepared as one.
    """
    connection.close_if_health_check_failed()  # as Django does before it makes a cursor
    connection.ensure_connection()
    if connection.connection.prepare_threshold is None:  # as Django has it: nothing is prepared, even when asked for
        connection.connection.prepare_threshold = NEVER_BY_ITSELF
    wrapper = _Logged if connection.queries_logged else CursorWrapper
    with wrapper(_Cursor(connection.connection), connection) as cursor:
        numbered, names = _numbered(statement)
        cursor.execute(numbered, [asked[name] for name in names])
        return list(cursor.fetchall())


@cache
def _numbered(statement: str) -> tuple[str, tuple[str, ...]]:
    """Return a statement as PostgreSQL takes it, and the names of its parameters: worked out once."""
    names = tuple(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    return re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", statement), names


def minutes_of(moment: str) -> str:
    """Return the SQL for the minutes from 1970 to a moment."""
    return f"floor(extract(epoch FROM {moment}) / 60)::bigint"
