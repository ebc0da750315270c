"""`manage.py doctor`: one line for each thing that the service needs, and exit code 1 when one of them is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import redis
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from clinic.models import Site
from clinic.supervisor import OLDEST_POSTGRES, broker_policy, server_version


class Ailing(Exception):
    """A check found something wrong; the text says what to do."""


class Command(BaseCommand):
    help = "Check what the service needs to run: one line each, exit code 1 when something is missing."
    requires_system_checks: list[str] = []

    def handle(self, *_: Any, **__: Any) -> None:
        ailing = 0
        for name, check in CHECKS.items():
            try:
                self.stdout.write(f"ok      {name}: {check()}")
            except Ailing as found:
                ailing += 1
                self.stdout.write(f"FAILED  {name}: {found}")
        if ailing:
            sys.exit(1)


def python() -> str:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < (3, 11):  # noqa: UP036 - said to a person who tries
        raise Ailing(f"{found} is too old: 3.11 or newer is needed")
    return found


def data_directory() -> str:
    data_dir = Path(settings.DATA_DIR)
    probe = data_dir / ".probe"
    try:
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise Ailing(
            f"{data_dir} cannot be written ({error.strerror}): set DATA_DIR, or start `make run` once"
        ) from None
    return str(data_dir)


def database() -> str:
    try:
        version = server_version() // 10000
    except DatabaseError as error:
        where = "is `make run` running?" if settings.EMBEDDED_DATABASE else "see DATABASE_URL"
        raise Ailing(f"not reachable, {where} ({_one_line(error)})") from None
    if version < OLDEST_POSTGRES:
        raise Ailing(f"PostgreSQL {version} is too old: {OLDEST_POSTGRES} or newer is needed")
    return f"PostgreSQL {version}"


def migrations() -> str:
    try:
        executor = MigrationExecutor(connection)
    except DatabaseError:
        raise Ailing("the database is not reachable") from None
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise Ailing(f"{len(missing)} to apply: run manage.py migrate")
    return "all applied"


def broker() -> str:
    try:
        policy = broker_policy()
    except (redis.RedisError, ValueError) as error:
        where = "is `make run` running?" if settings.EMBEDDED_BROKER else "see REDIS_URL"
        raise Ailing(f"not reachable, {where} ({_one_line(error)})") from None
    if policy != "noeviction":
        raise Ailing(f"maxmemory-policy is {policy}: set noeviction, or queued work may vanish")
    return "answers"


def mail() -> str:
    if settings.MAIL_HOST:
        return f"handed to {settings.MAIL_HOST}:{settings.MAIL_PORT} ({settings.MAIL_SECURITY or 'not encrypted'})"
    if not settings.EMBEDDED_DATABASE:
        raise Ailing("EMAIL_URL is not set, so patients get no mail: write smtp+tls://user:password@host:587")
    return f"written to {settings.MAIL_DIR}, none is sent (EMAIL_URL is not set)"


def zones() -> str:
    try:
        names = {"UTC", *Site.objects.values_list("zone", flat=True).distinct()}
    except DatabaseError:
        raise Ailing("the sites cannot be read from the database") from None
    for name in sorted(names):
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            raise Ailing(f"{name} is not known: install the package tzdata, or correct the site") from None
    return ", ".join(sorted(names))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


CHECKS: dict[str, Callable[[], str]] = {
    "python": python,
    "data directory": data_directory,
    "database": database,
    "migrations": migrations,
    "broker": broker,
    "mail": mail,
    "time zones": zones,
}
