"""The database of each process of the tests, on a server of our own: a copy of one that was migrated once.

`tests.servers` registers this plugin, after pytest-django, whose fixture it replaces.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker

from clinic import embedded


@pytest.fixture(scope="session")
def django_db_setup(
    pytestconfig: pytest.Config, django_test_environment: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Copy the migrated database; whichever process comes first makes it. All of them go with their server.

    After a test whose writes were committed only the tables with rows are emptied, and the content types and
    permissions stay that migrating made: Django truncates all hundred tables, and makes those anew.
    """
    process = getattr(pytestconfig, "workerinput", {}).get("workerid", "")
    data_dir = Path(os.environ["DATA_DIR"])
    with django_db_blocker.unblock(), embedded.locked(data_dir / "migrating", wait_seconds=300):
        if not (data_dir / "migrated").exists():
            connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
            (data_dir / "migrated").touch()
        else:
            _use(connection.creation._get_test_db_name())
        if process:
            connection.creation.clone_test_db(process, verbosity=0)
            _use(connection.creation.get_test_db_clone_settings(process)["NAME"])
        kept = set(_filled_tables())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: _empty_tables(kept))
        yield


def _use(name: str) -> None:
    connection.close()
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name


def _filled_tables() -> list[str]:
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        cursor.execute(" UNION ALL ".join(f"SELECT '{one}' WHERE EXISTS (SELECT FROM {one})" for one in tables))
        return [table for (table,) in cursor.fetchall()]


def _empty_tables(kept: set[str]) -> None:
    """Delete every row, but for those of some tables, whatever points at it or guards it."""
    deletions = "".join(f"DELETE FROM {table}; " for table in _filled_tables() if table not in kept)
    with connection.cursor() as cursor:
        cursor.execute(f"SET session_replication_role = replica; {deletions} RESET session_replication_role")
