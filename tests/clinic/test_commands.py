"""`manage.py` in a terminal of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.processes import PROJECT


def test_a_command_without_a_database_says_how_to_start_one(tmp_path: Path):
    variables = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}

    said = subprocess.run(
        [sys.executable, "manage.py", "protocol", "list"],
        check=False,
        cwd=PROJECT,
        env=variables | {"DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )

    assert said.returncode == 1
    assert said.stderr == (
        "The database cannot be reached. Start it with `make run` in another terminal, or set DATABASE_URL.\n"
    )
