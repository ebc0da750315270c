"""What is put back for a test is what the acts wrote, in every table, but for the public ids."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from tests import build, shelf


def every_row() -> dict[str, list[str]]:
    """Return the rows of each table that has any."""
    with connection.cursor() as cursor:
        found = {}
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT each::text FROM {table} AS each ORDER BY 1")
            found[table] = [row for (row,) in cursor.fetchall()]
    return {table: rows for table, rows in found.items() if rows}


def without_uids(rows: dict[str, list[str]]) -> dict[str, list[str]]:
    return {
        table: sorted(shelf.UID.sub("(a UUID)", row) for row in of_table)
        for table, of_table in rows.items()
        if table != shelf.SAID_BY_TRIGGER
    }


@pytest.mark.django_db
def test_what_is_put_back_is_what_was_written_with_new_public_ids(monkeypatch):
    monkeypatch.setattr(shelf, "_kept", {})
    monkeypatch.setattr(shelf, "is_open", True)
    before, after = every_row(), []
    for _ in range(3):
        with transaction.atomic():
            build.shipped_protocol()
            build.message_texts()
            after.append(every_row())
            transaction.set_rollback(True)

    written, put_back, again = after
    assert without_uids(put_back) == without_uids(again) == without_uids(written)
    assert {"scheduling_protocolversion", "scheduling_protocolversionevent", "scheduling_messagetext"} < put_back.keys()
    for table in ("scheduling_protocolversion", shelf.SAID_BY_TRIGGER):
        assert len({rows[table][0] for rows in after}) == 3
    assert every_row() == before


@pytest.mark.django_db
def test_nothing_is_put_back_where_something_is():
    own = build.resource("sclerotherapy", at=build.site(), name="Here before")

    version = build.shipped_protocol()

    assert (version.protocol.key, version.number, version.state) == ("microsclerotherapy", 1, "approved")
    assert [one.code for one in own.capabilities.all()] == ["sclerotherapy"]
