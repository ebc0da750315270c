"""Who read what: the only writer of AccessEvent. And who is writing: the name that history notes beside each change."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, cast
from uuid import UUID

import pghistory
from django.conf import settings

from .models import AccessEvent, User

ACTIONS = frozenset({"view", "list", "search", "export", "print"})
DOORS = frozenset({"admin", "api", "page", "command"})


class Request(Protocol):
    """What Django's and REST framework's requests have in common."""

    @property
    def user(self) -> Any: ...
    @property
    def META(self) -> Mapping[str, Any]: ...  # noqa: N802 (Django's name)


def record_read(
    who: Request | User | None,
    *,
    action: str,
    subject: str,
    door: str,
    subject_uid: UUID | None = None,
    patients: Iterable[UUID] = (),
) -> AccessEvent:
    """Note that somebody was shown something: one row for a request, with the uids of all patients in its answer.

    `subject` is a model's label, such as `patients.patient`. `who` is None for a patient's own link and for a command.
    """
    if action not in ACTIONS or door not in DOORS:
        raise ValueError(f"no such action or door: {action}, {door}")
    if who is None or isinstance(who, User):
        user, came_from = who, None
    else:
        user = who.user if isinstance(who.user, User) else None
        came_from = client_address(who.META)
    return AccessEvent.objects.create(
        user=user,
        action=action,
        subject=subject.lower(),
        subject_uid=subject_uid,
        patient_uids=sorted({str(uid) for uid in patients}),
        came_from=came_from,
        door=door,
    )


def client_address(meta: Mapping[str, Any]) -> str | None:
    """Return the address the request came from, or None where there is none (a Unix socket).

    X-Forwarded-For is written by anyone, so it counts only behind a proxy of ours, and of it only the last entry: the
    one that our proxy has added.
    """
    said = str(meta.get("REMOTE_ADDR") or "")
    if settings.SECURE_PROXY_SSL_HEADER is not None:  # BEHIND_PROXY
        said = str(meta.get("HTTP_X_FORWARDED_FOR") or said).rpartition(",")[2]
    try:
        address = ipaddress.ip_address(said.strip().partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def written_by(by: User | None) -> AbstractContextManager[Any]:
    """Let the event rows of everything written inside say who did it; inside a request they do so already."""
    return cast("AbstractContextManager[Any]", pghistory.context(**({"user": by.pk} if by else {})))
