"""`manage.py courses`: bring in running courses from another system. The file: docs/import.md."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic.errors import Refusal
from clinic.models import User
from scheduling import imports

FORMS = {".csv": "csv", ".yaml": "yaml", ".yml": "yaml"}


class Command(BaseCommand):
    help = (
        "Bring in running courses: what took place, what is known, and the visits to come. All of a file, or nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        words = parser.add_subparsers(dest="word", required=True)
        load = words.add_parser("import", help="read a file (docs/import.md) and carry out all that it says")
        load.add_argument("file", metavar="FILE", help="a .csv or .yaml file")
        load.add_argument("--as", dest="email", required=True, metavar="EMAIL", help="whose rights are asked for")
        load.add_argument("--dry-run", action="store_true", help="say what would be done, and store nothing")

    def handle(self, *, file: str, email: str, dry_run: bool, **_options: Any) -> None:
        person = User.objects.filter(email__iexact=email, is_active=True).first()
        if person is None:
            raise CommandError(_("Nobody signs in as %(email)s.") % {"email": email})
        form = FORMS.get(Path(file).suffix.lower())
        if form is None:
            raise CommandError(_("The file's name must end in .csv, .yaml or .yml."))
        try:
            records = imports.read(_text(file), form=form)
            brought = imports.bring_in(records, by=person, now=timezone.now(), dry_run=dry_run)
        except Refusal as refusal:
            for problem in refusal.problems:
                line = f":{problem.details['line']}" if "line" in problem.details else ""
                where = f" {problem.where}:" if problem.where else ""
                self.stderr.write(f"{file}{line}:{where} {problem.message} [{problem.code}]")
            raise CommandError(_("%(count)s to mend; nothing was stored") % {"count": len(refusal.problems)}) from None
        done = ", ".join(f"{count} {kind}" for kind, count in brought.counts.items())
        self.stdout.write(f"{file}: {done}")
        if dry_run:
            self.stdout.write(_("This was a rehearsal: nothing was stored."))


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(_("%(name)s is no text in UTF-8. Save it as plain text.") % {"name": file}) from None
