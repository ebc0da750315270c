"""Reads the environment: one typed question for each variable, and a refusal in words when the answer is nonsense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

YES = frozenset({"1", "true", "yes", "on"})
NO = frozenset({"0", "false", "no", "off"})
MAIL_SECURITY = {"smtp": "", "smtp+tls": "starttls", "smtps": "tls"}
MAIL_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


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
        if any(ord(character) < 32 for character in value):
            raise ImproperlyConfigured(f"{name} holds a line break or another control character: write one plain line")
        return value or default

    def words(self, name: str, default: str = "") -> list[str]:
        """Return the words of a list written with commas."""
        return [word.strip() for word in self.text(name, default).split(",") if word.strip()]

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.text(name).lower()
        if value in YES | NO:
            return value in YES
        if value:
            raise ImproperlyConfigured(f"{name} is {value!r}: write 1 for yes or 0 for no")
        return default

    def whole(self, name: str, default: int, *, least: int, most: int, unit: str = "") -> int:
        """Return a whole number, both limits included."""
        value = self.text(name)
        if not value:
            return default
        if not (value.isascii() and value.isdigit()) or not least <= int(value) <= most:
            wanted = f"a whole number of {unit}" if unit else "a whole number"
            raise ImproperlyConfigured(f"{name} is {value!r}: write {wanted} from {least} to {most}")
        return int(value)

    def choice(self, name: str, default: str, among: tuple[str, ...]) -> str:
        value = self.text(name, default)
        if value not in among:
            raise ImproperlyConfigured(f"{name} is {value!r}: write one of {', '.join(among)}")
        return value

    def path(self, name: str, default: str, *, below: Path) -> Path:
        """Return an absolute path; a relative one is counted from `below`, wherever the command was typed."""
        return (below / Path(self.text(name, default)).expanduser()).absolute()

    def url(self, name: str, default: str, *, schemes: tuple[str, ...]) -> str:
        """Return an address with one of the schemes. The refusal never repeats the value: it may hold a password."""
        value = self.text(name, default)
        if value and urlsplit(value).scheme not in schemes:
            wanted = " or ".join(f"{scheme}://" for scheme in schemes)
            raise ImproperlyConfigured(
                f"{name} is not an address that can be used: write one that begins with {wanted}"
            )
        return value

    def mail_server(self, name: str) -> MailServer:
        value = self.url(name, "", schemes=tuple(MAIL_SECURITY))
        if not value:
            return MailServer()
        parts = urlsplit(value)
        host, port = _host_and_port(name, parts)
        return MailServer(
            host=host,
            port=port or MAIL_PORTS[parts.scheme],
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            security=MAIL_SECURITY[parts.scheme],
        )


def _host_and_port(name: str, parts: SplitResult) -> tuple[str, int | None]:
    wanted = f"{name} does not name a mail server: write smtp+tls://user:password@mail.example.org:587"
    try:
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured(wanted) from None
    if not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ImproperlyConfigured(wanted)
    return parts.hostname, port
