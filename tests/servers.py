"""The pytest plugin that owns a throwaway PostgreSQL and Valkey for one run of the tests.

A plugin and not a conftest.py, because pytest-django reads the settings before any conftest.py. Where DATABASE_URL or
REDIS_URL is set, that server is used instead (a worker of pytest-xdist inherits them from its controller).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from pathlib import Path

import pytest

_owned = contextlib.ExitStack()
THROWAWAY = "CADENCE_TESTS_OWN_POSTGRES"  # set for the workers of pytest-xdist too


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Start the servers, and set aside what a developer's own environment says about a real clinic."""
    from clinic import embedded

    for name in ("EMAIL_URL", "PUBLIC_URL", "HTTPS", "BEHIND_PROXY", "DEBUG", "DEMO", "DEMO_PASSWORD", "ADMIN_EMAIL"):
        os.environ.pop(name, None)
    os.environ["DB_POOL"] = "0"
    os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(64))
    if not os.environ.get("DATABASE_URL") or not os.environ.get("REDIS_URL"):
        data_dir = Path(tempfile.mkdtemp(prefix="cadence-test-"))
        _owned.callback(shutil.rmtree, data_dir, ignore_errors=True)
        _owned.callback(shutil.rmtree, embedded.socket_directory(data_dir), ignore_errors=True)
        os.environ["DATA_DIR"] = str(data_dir)
        if not os.environ.get("DATABASE_URL"):
            os.environ["DATABASE_URL"] = _owned.enter_context(embedded.postgres(data_dir, throwaway=True)).url
            os.environ[THROWAWAY] = "yes"
        if not os.environ.get("REDIS_URL"):
            os.environ["REDIS_URL"] = _owned.enter_context(embedded.valkey(data_dir, throwaway=True)).url


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Hash passwords quickly: the real one takes a seventh of a second, for every user that a test makes."""
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    if THROWAWAY in os.environ:
        config.pluginmanager.import_plugin("tests.databases")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        _owned.close()
