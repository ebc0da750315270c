"""The database of each process of the tests, on a server of our own: a copy of one that was migrated once.

`tests.servers` registers this plugin, after pytest-django, whose fixture it replaces.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import DjangoDbBlocker

from clinic import embedded


@pytest.fixture(scope="session")
def django_db_setup(
    pytestconfig: pytest.Config, django_test_environment: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """Copy the migrated database; whichever process comes first makes it. All of them go with their server."""
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


def _use(name: str) -> None:
    connection.close()
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
