"""Reads the environment: one typed question for each variable, and a refusal in words when the answer is nonsense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

YES = frozenset({"1", "true", "yes", "on"})
NO = frozenset({"0", "false", "no", "off"})
LONGEST_NUMBER = 12  # digits; Python refuses to read thousands of them
MAIL_SECURITY = {"smtp": "", "smtp+tls": "starttls", "smtps": "tls"}
MAIL_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


class VariableRefused(ImproperlyConfigured):
    """A variable holds what cannot be used; one sentence names it and says what to write.

    It never repeats the value: a secret that was put into the wrong variable would end in a log.
    """


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed over. An empty host means: there is none, mail is written to files."""

    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    security: str = ""


class Environment:
    """The variables of one process. A variable that is set but empty counts as not set."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str, default: str = "") -> str:
        value = self._variables.get(name, "").strip()
        if not value.isprintable():
            raise VariableRefused(f"{name} holds a line break or another control character: write one plain line")
        return value or default

    def words(self, name: str, default: str = "") -> list[str]:
        """Return the words of a list written with commas."""
        return [word.strip() for word in self.text(name, default).split(",") if word.strip()]

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.text(name).lower()
        if value in YES | NO:
            return value in YES
        if value:
            raise VariableRefused(f"{name} is neither yes nor no: write 1 for yes or 0 for no")
        return default

    def whole(self, name: str, default: int, *, least: int, most: int, unit: str = "") -> int:
        """Return a whole number, both limits included."""
        value = self.text(name)
        if not value:
            return default
        is_number = value.isascii() and value.isdigit() and len(value) <= LONGEST_NUMBER
        if not is_number or not least <= int(value) <= most:
            wanted = f"a whole number of {unit}" if unit else "a whole number"
            raise VariableRefused(f"{name} cannot be used: write {wanted} from {least} to {most}")
        return int(value)

    def choice(self, name: str, default: str, among: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in among:
            raise VariableRefused(f"{name} cannot be used: write one of {', '.join(among)}")
        return value

    def path(self, name: str, default: str, *, below: Path) -> Path:
        """Return an absolute path; a relative one is counted from `below`, wherever the command was typed."""
        try:
            return (below / Path(self.text(name, default)).expanduser()).absolute()
        except RuntimeError:  # ~somebody, and there is nobody of that name
            raise VariableRefused(f"{name} names a home directory that does not exist: write a whole path") from None

    def url(self, name: str, default: str, *, schemes: tuple[str, ...]) -> str:
        """Return an address with one of the schemes; what follows is for its reader to refuse."""
        value = self.text(name, default)
        if value and value.partition("://")[0].lower() not in schemes:
            wanted = " or ".join(f"{scheme}://" for scheme in schemes)
            raise VariableRefused(f"{name} is not an address that can be used: write one that begins with {wanted}")
        return value

    def server_url(self, name: str, default: str, *, schemes: tuple[str, ...], example: str) -> str:
        """Return the address of one server: a host, perhaps a port; or a socket (unix://)."""
        value = self.url(name, default, schemes=schemes)
        try:
            parts = urlsplit(value)
            known = (parts.hostname or parts.scheme == "unix") and parts.port != 0
        except ValueError:  # a port in letters, a bracket that is never closed
            known = False
        if not known:
            raise VariableRefused(f"{name} does not name a server: write {example}")
        return value

    def mail_server(self, name: str) -> MailServer:
        value = self.url(name, "", schemes=tuple(MAIL_SECURITY))
        if not value:
            return MailServer()
        parts, host, port = _parts(name, value)
        return MailServer(
            host=host,
            port=port or MAIL_PORTS[parts.scheme],
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            security=MAIL_SECURITY[parts.scheme],
        )


def _parts(name: str, url: str) -> tuple[SplitResult, str, int | None]:
    wanted = f"{name} does not name a mail server: write smtp+tls://user:password@mail.example.org:587"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise VariableRefused(wanted) from None
    if not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise VariableRefused(wanted)
    return parts, parts.hostname, port
