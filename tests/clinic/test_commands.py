"""`manage.py` in a terminal of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import PROJECT, UNWANTED


def manage(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        check=False,
        cwd=PROJECT,
        env=kept | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_command_without_a_database_says_how_to_start_one(tmp_path: Path):
    said = manage("protocol", "list", DATA_DIR=str(tmp_path))

    assert said.returncode == 1
    assert said.stderr == (
        "The database cannot be reached. Start it with `make run` in another terminal, or set DATABASE_URL.\n"
    )


KEY_MISSING = "SECRET_KEY is missing: with DATABASE_URL set, write at least 50 random characters and keep them"
OWN_SERVERS = {"DATABASE_URL": "postgresql://clinic:hush@db/clinic", "REDIS_URL": "redis://:hush@broker"}


@pytest.mark.parametrize(
    ("command", "variables", "sentence"),
    [
        ("run", OWN_SERVERS, KEY_MISSING),
        ("doctor", OWN_SERVERS, KEY_MISSING),
        ("migrate", OWN_SERVERS, KEY_MISSING),
        ("help", OWN_SERVERS, KEY_MISSING),
        ("run", {"SECRET_KEY": "hush"}, "SECRET_KEY is too short: write at least 50 random characters"),
        ("run", {"PORT": "hush"}, "PORT cannot be used: write a whole number from 1 to 65535"),
        (
            "demo",
            {"REDIS_URL": "redis://:hush@broker:port"},
            "REDIS_URL does not name a server: write redis://:password@host:6379/0, or unix:///path/to/socket?db=0",
        ),
    ],
)
def test_a_command_refuses_nonsense_in_a_variable_with_one_sentence(command, variables, sentence, tmp_path):
    said = manage(command, **{"DATA_DIR": str(tmp_path / "var")} | variables)

    assert (said.returncode, said.stdout, said.stderr) == (1, "", f"{sentence}\n")
    assert not (tmp_path / "var").exists()
