"""`manage.py protocol`: all that is done with protocol files and versions. How to write one: docs/protocols.md."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.translation import gettext as _

from clinic.errors import Problem, Refusal
from clinic.models import User
from scheduling import protocols
from scheduling.models import ProtocolVersion


class Command(BaseCommand):
    help = (
        "Validate, import, export, compare, retire and list protocols. FILE is a path, or the key of a protocol that is"
        " shipped."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        words = parser.add_subparsers(dest="word", required=True)
        validate = words.add_parser("validate", help="say everything that is wrong; nothing is stored")
        validate.add_argument("files", nargs="+", metavar="FILE")
        load = words.add_parser("import", help="store files as new draft versions, if all of them are right")
        load.add_argument("files", nargs="+", metavar="FILE")
        load.add_argument("--approve-by", metavar="EMAIL", help="a prescriber who has read the files and approves them")
        export = words.add_parser("export", help="write a version as the file that reads back as the same")
        export.add_argument("key", metavar="KEY")
        export.add_argument("--version", dest="number", type=int, metavar="N", help="the latest unless said")
        diff = words.add_parser("diff", help="say in words what differs between two files or stored versions")
        for name in ("before", "after"):
            diff.add_argument(name, metavar="FILE|KEY:N", help="a file, or a stored version such as hepatitis_b:2")
        retire = words.add_parser("retire", help="let no course be started by a version any more; running ones go on")
        retire.add_argument("key", metavar="KEY")
        retire.add_argument("--version", dest="number", type=int, required=True, metavar="N")
        retire.add_argument("--by", required=True, metavar="EMAIL", help="a prescriber")
        retire.add_argument("--reason", required=True)
        words.add_parser("words", help="the questions, areas, capabilities and protocols that a file may name")
        words.add_parser("schema", help="the JSON Schema of protocol files, for editors that check while one types")
        words.add_parser("list", help="what there is, newest version first, and what is shipped and not loaded yet")

    def handle(self, *, word: str, **options: Any) -> None:
        match word:
            case "validate":
                self._validate(options["files"], refusal=_("%(count)s to mend"))
            case "import":
                self._import(options["files"], options["approve_by"])
            case "export":
                self._export(options["key"], options["number"])
            case "diff":
                self._diff(options["before"], options["after"])
            case "retire":
                self._retire(options["key"], options["number"], by=options["by"], reason=options["reason"])
            case "words":
                self._words()
            case "schema":
                self.stdout.write(protocols.schema_text(), ending="")
            case _:
                self._list()

    def _validate(self, files: Iterable[str], *, refusal: str) -> list[tuple[str, str]]:
        """Say what is wrong with the files, words of one known to the others, and return their names and texts."""
        texts = [(name, _text(name)) for name in files]
        words = protocols.known_words().joined(protocols.named_in(text for _name, text in texts))
        problems = 0
        # Vocabularies first, in whatever order they were named: the protocols may use their words.
        for name, text in sorted(texts, key=lambda file: not _is_vocabulary(file[1])):
            doubts: Sequence[Problem] = ()
            try:
                if _is_vocabulary(text):
                    words = words.joined(protocols.parse_vocabulary(text))
                else:
                    _document, doubts = protocols.parse_and_doubt(text, words)
            except protocols.ProtocolInvalid as invalid:
                problems += len(invalid.problems)
                self._show(name, invalid.problems)
                continue
            self._show(name, doubts, _("In doubt: "))
            self.stdout.write(_("%(name)s: in order") % {"name": name})
        if problems:
            raise CommandError(refusal % {"count": problems})
        return texts

    def _import(self, files: Iterable[str], approve_by: str | None) -> None:
        approver = _person(approve_by) if approve_by else None
        texts = self._validate(files, refusal=_("%(count)s to mend; nothing was stored"))
        beside = protocols.named_in(text for _name, text in texts)
        for name, text in sorted(texts, key=lambda file: not _is_vocabulary(file[1])):
            try:
                if _is_vocabulary(text):
                    protocols.load_vocabulary_file(text)
                    self.stdout.write(_("%(name)s: words stored") % {"name": name})
                else:
                    version = protocols.load(text, by=None, now=timezone.now(), approve_by=approver, beside=beside)
                    self.stdout.write(f"{name}: {version}, {version.get_state_display()}")
            except Refusal as refusal:
                self._show(name, refusal.problems)
                raise CommandError(_("%(name)s was not stored") % {"name": name}) from None

    def _export(self, key: str, number: int | None) -> None:
        self.stdout.write(protocols.export(_version(key, number)), ending="")

    def _diff(self, before: str, after: str) -> None:
        one, other = self._document(before), self._document(after)
        found = protocols.differences(one, other)
        self.stdout.write("\n".join(map(str, found)) or _("They say the same."))

    def _document(self, name: str) -> protocols.Document:
        """Return what a file, a shipped protocol or a stored version (KEY:N) says."""
        key, _colon, number = name.rpartition(":")
        if key and number.isdecimal() and not Path(name).exists():
            return protocols.document_of(_version(key, int(number)))
        try:
            return protocols.parse(_text(name))
        except protocols.ProtocolInvalid as refusal:
            self._show(name, refusal.problems)
            raise CommandError(_("%(name)s is not in order, so it cannot be compared.") % {"name": name}) from None

    def _retire(self, key: str, number: int, *, by: str, reason: str) -> None:
        version = _version(key, number)
        try:
            protocols.retire(version, by=_person(by), now=timezone.now(), reason=reason)
        except Refusal as refusal:
            self._show(str(version), refusal.problems)
            raise CommandError(_("%(name)s was not retired") % {"name": version}) from None
        self.stdout.write(_("%(name)s is retired. Courses that run by it go on.") % {"name": version})

    def _words(self) -> None:
        words = protocols.known_words()
        for title, entries in (
            (_("Questions"), {question.code: question.text for question in words.questions}),
            (_("Areas (region: area)"), {f"{area.region}: {area.code}": area.name for area in words.areas}),
            (_("Complications"), {complication.code: complication.name for complication in words.complications}),
            (_("Capabilities"), words.capabilities),
            (_("Protocols"), dict.fromkeys(words.protocols, "")),
        ):
            self.stdout.write(f"{title}\n")
            for code, name in sorted(entries.items()):
                self.stdout.write(f"  {code:28} {name}".rstrip())

    def _list(self) -> None:
        stored = set()
        for version in ProtocolVersion.objects.select_related("protocol").order_by("protocol__key", "-number"):
            stored.add(version.protocol.key)
            span = f"{version.effective_from or ''} – {version.effective_to or ''}".strip(" –")
            state = str(version.get_state_display())
            self.stdout.write(
                f"{version.protocol.key:24} v{version.number:<3} {state:9} {span:24} {version.protocol.name}"
            )
        words = protocols.shipped_words()
        for key in protocols.shipped_keys():
            if key not in stored:
                name = protocols.parse_with(protocols.shipped(key), words).name
                self.stdout.write(f"{key:24} {'':4} {_('shipped'):9} {'':24} {name}")

    def _show(self, name: str, problems: Iterable[Problem], lead: str = "") -> None:
        for problem in problems:
            line = f":{problem.details['line']}" if "line" in problem.details else ""
            where = f" {problem.where}:" if problem.where else ""
            self.stderr.write(f"{name}{line}:{where} {lead}{problem.message} [{problem.code}]")


def _text(name: str) -> str:
    path = Path(name)
    if not path.exists() and name in protocols.shipped_keys():
        return protocols.shipped(name)
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CommandError(f"{name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(_("%(name)s is no text in UTF-8. Save it as plain text.") % {"name": name}) from None


def _version(key: str, number: int | None) -> ProtocolVersion:
    versions = ProtocolVersion.objects.filter(protocol__key=key).select_related("protocol").order_by("-number")
    version = (versions if number is None else versions.filter(number=number)).first()
    if version is None:
        raise CommandError(_("There is no such protocol or version. See: manage.py protocol list"))
    return version


def _is_vocabulary(text: str) -> bool:
    try:
        return protocols.is_vocabulary(text)
    except protocols.ProtocolInvalid:
        return False


def _person(email: str) -> User:
    person = User.objects.filter(email__iexact=email, is_active=True).first()
    if person is None:
        raise CommandError(_("Nobody signs in as %(email)s.") % {"email": email})
    return person
