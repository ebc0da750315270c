#!/usr/bin/env python3
"""Runs Django's commands."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")
    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None):  # the server answered: this is not about reaching it
            raise
        sys.exit("The database cannot be reached. Start it with `make run` in another terminal, or set DATABASE_URL.")
