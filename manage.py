#!/usr/bin/env python3
"""Runs Django's commands."""

import os
import sys
from importlib import import_module

from django.core.management import execute_from_command_line
from django.db import OperationalError

from clinic.environment import VariableRefused

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")
    try:
        # Before Django does: where its own commands can, they go on without any settings.
        import_module(os.environ["DJANGO_SETTINGS_MODULE"])
        execute_from_command_line(sys.argv)
    except VariableRefused as refusal:
        sys.exit(str(refusal))
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None):  # the server answered: this is not about reaching it
            raise
        sys.exit("The database cannot be reached. Start it with `make run` in another terminal, or set DATABASE_URL.")
