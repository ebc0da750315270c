"""`manage.py demo`: fill an empty database with the demo clinic."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from clinic.errors import Refusal
from scheduling import demo


class Command(BaseCommand):
    help = "Fill an empty database with the demo clinic, and show who signs in, with which password."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--if-empty", action="store_true", help="do nothing when there is somebody already")
        parser.add_argument("--seed", type=int, default=demo.SEED, help="another seed, other people")
        parser.add_argument("--size", type=float, default=1.0, help="how much: 2 is twice the patients, 0 no courses")

    def handle(self, *_: Any, if_empty: bool, seed: int, size: float, **__: Any) -> None:
        if not demo.is_empty():
            if if_empty:
                return
            raise CommandError("The demo clinic goes into an empty database only: `make reset`, or another DATA_DIR.")
        password = settings.DEMO_PASSWORD or secrets.token_urlsafe(12)
        try:
            made = demo.build(password, now=timezone.now(), seed=seed, size=size)
        except Refusal as refusal:
            raise CommandError(_why(refusal)) from None
        self._show(made, password)

    def _show(self, made: demo.Made, password: str) -> None:
        self.stdout.write(f"The demo clinic: {made.patients} patients, {made.courses} courses. Sign in as")
        for person in demo.PEOPLE:
            roles = ", ".join(str(role.label).lower() for role in person.roles)
            self.stdout.write(f"  {person.email:26} {person.name:20} {roles} · {', '.join(person.sites)}")
        for reason in made.refused:
            self.stderr.write(f"a story ended early: {reason}")
        if settings.DEMO_PASSWORD:
            self.stdout.write("with the password from DEMO_PASSWORD.")
        else:
            self.stdout.write(f"with the password {password} (the same for all; shown only now).")


def _why(refusal: Refusal) -> str:
    weak = [problem.message for problem in refusal.problems if problem.where == "password"]
    if weak:
        return f"DEMO_PASSWORD cannot be used: {' '.join(weak)}"
    return "; ".join(problem.message for problem in refusal.problems)
