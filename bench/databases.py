"""Databases beside the bench's own, in the same cluster, and which of them the service is on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql
from psycopg.conninfo import make_conninfo

EMPTY = "empty"  # has the tables and nothing in them


def make(name: str, *, like: str = "template1") -> BaseDatabaseWrapper:
    """Make a database that is a copy of another one, to which nobody may be connected meanwhile; return a way to it."""
    home: Any = connections["default"]
    with psycopg.connect(_server(home), autocommit=True) as asked:
        asked.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(like)))
    made: BaseDatabaseWrapper = type(home)(home.settings_dict | {"NAME": name}, "default")
    return made


def keep_empty() -> None:
    """Keep a copy of the tables as they have just been migrated: that takes longer than anything else here."""
    home = connections["default"]
    home.close()
    make(EMPTY, like=str(home.settings_dict["NAME"]))


def use(database: BaseDatabaseWrapper) -> None:
    """Let the service find everything in this database from now on."""
    connections["default"] = database


@contextlib.contextmanager
def using(database: BaseDatabaseWrapper) -> Iterator[None]:
    """Put the service on a database for a while; its connection is closed afterwards, so that it may be copied."""
    home: BaseDatabaseWrapper = connections["default"]
    use(database)
    try:
        yield
    finally:
        use(home)
        database.close()


def tidy() -> None:
    """Do what autovacuum would have done after some minutes."""
    with connections["default"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _server(home: BaseDatabaseWrapper) -> str:
    given = home.settings_dict
    names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD"}
    return make_conninfo(dbname="postgres", **{name: str(given[key]) for name, key in names.items() if given[key]})
