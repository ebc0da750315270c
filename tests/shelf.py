"""Rows that hundreds of tests begin with: written once by the project's own acts, then put back as they were.

A test's database is empty again after it, so that each would load the same protocol with the same hundred statements.
What an act wrote is therefore kept, history and all, row by row as it was stored, and is put back in one statement
with its old keys, which no sequence gives twice, and with new public ids, for by these our own code remembers what it
has read. Only where the tables are as empty as they were when it was written.
"""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection, models, transaction

from scheduling.models import RosterState
from tests import triggers

is_open = False  # tests/conftest.py opens it; for a running service (tests/furnish.py) nothing is kept
_kept: dict[str, str] = {}

ROWS = """
SELECT format(
  'INSERT INTO %1$I (%2$s) SELECT %2$s FROM json_populate_recordset(NULL::%1$I, %3$L);', '{table}',
  (SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
    WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''),
  json_agg(row_to_json(each))
) FROM {table} AS each WHERE each.xmin::text::bigint >= {first} HAVING count(*) > 0
"""
UID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
# The rows of the history are among those put back, so no trigger writes them anew.
PUT_BACK = f"{triggers.OFF}; {{rows}} {triggers.ON_AGAIN}"
SAID_BY_TRIGGER = RosterState._meta.db_table


def written_once(what: str, write: Callable[[], object], *, unless: Sequence[models.QuerySet[Any]]) -> None:
    """Write something by `write`, or put back what it wrote the first time, unless there are such rows."""
    if not is_open or any(rows.exists() for rows in unless):
        write()
    elif what in _kept:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(UID.sub(_new_uids(), _kept[what]))
    else:
        _keep(what, write)


def _new_uids() -> Callable[[re.Match[str]], str]:
    """Return what gives a new UUID for each old one, the same wherever that stands."""
    new: defaultdict[str, str] = defaultdict(lambda: str(uuid.uuid4()))
    return lambda old: new[old[0]]


def _keep(what: str, write: Callable[[], object]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        # The savepoint's number is that of a row written in it; what is written from here on bears it or a higher one.
        cursor.execute("CREATE TEMPORARY TABLE first ON COMMIT DROP AS SELECT")
        cursor.execute("INSERT INTO first DEFAULT VALUES RETURNING xmin::text::bigint")
        (first,) = cursor.fetchone()
        cursor.execute("DROP TABLE first")
        write()
        found = []
        for table in set(connection.introspection.table_names(cursor)) - {SAID_BY_TRIGGER}:
            cursor.execute(ROWS.format(table=table, first=first))
            found += [insert for (insert,) in cursor.fetchall()]
        cursor.execute("SELECT current_setting('is_superuser')")
        if cursor.fetchone() == ("on",):
            _kept[what] = PUT_BACK.format(rows=" ".join(found))
