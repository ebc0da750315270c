"""A request sent twice acts once: what was answered is kept under the sender's key, in the transaction of its effect.

draft-ietf-httpapi-idempotency-key-header-07. Only what was done is kept: a refusal raises, nothing stays, and the same
key may try again. Keys belong to one user; another user's key is another key.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import OperationalError, transaction
from django.utils.translation import gettext as _

from .errors import Conflict, Problem, RuleBroken
from .models import IdempotencyKey, User

LONGEST_KEY = 200
LONGEST_PATH = 300
LOCK_NOT_AVAILABLE = "55P03"


class KeyReused(RuleBroken):
    """The key stands for another request."""

    code = "idempotency_key_reused"
    status = 422


class StillRunning(Conflict):
    """The first request with this key has not ended yet."""

    code = "request_still_running"


def once(
    user: User, key: str, method: str, path: str, body: bytes, act: Callable[[], tuple[int, Any]]
) -> tuple[int, Any, bool]:
    """Act and return (status, answer, False), or return what an equal request was answered before, with True.

    `act` runs inside our transaction and returns its status and an answer that can be written as JSON; both calls get
    the answer as it reads back from JSON, keys in order, so that they show the same bytes. An equal request at the same
    time waits for the first. Raises KeyReused when the key was used for another request, StillRunning when waiting
    took too long, RuleBroken for a key that cannot be one, and lets every refusal of the act pass.
    """
    _check(key)
    asked = {"method": method.upper(), "path": path[:LONGEST_PATH], "body_sha256": hashlib.sha256(body).hexdigest()}
    with transaction.atomic():
        row, is_first = _claim(user, key, asked)
        if not is_first:
            if asked != {name: getattr(row, name) for name in asked}:
                raise KeyReused(
                    Problem(
                        "idempotency_key_reused",
                        _("This Idempotency-Key was used for another request: send a new key."),
                        "Idempotency-Key",
                    )
                )
            return row.status, json.loads(row.answer), True
        status, answer = act()
        # As text: jsonb would put the keys into an order of its own.
        kept = json.dumps(answer, cls=DjangoJSONEncoder)
        IdempotencyKey.objects.filter(pk=row.pk).update(status=status, answer=kept)
    return status, json.loads(kept), False


def _check(key: str) -> None:
    if not key or len(key) > LONGEST_KEY or any(unicodedata.category(c) in {"Cc", "Cs"} for c in key):
        raise RuleBroken(
            Problem(
                "idempotency_key_invalid",
                _("Send an Idempotency-Key of 1 to %(most)d characters, such as a random UUID.")
                % {"most": LONGEST_KEY},
                "Idempotency-Key",
            )
        )


def _claim(user: User, key: str, asked: dict[str, str]) -> tuple[IdempotencyKey, bool]:
    """Return the key's row and whether it is new. Waits on the unique index while another transaction holds it."""
    try:
        return IdempotencyKey.objects.get_or_create(
            user=user, key=key, defaults={**asked, "status": 0, "answer": "null"}
        )
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        raise StillRunning(
            Problem(
                "request_still_running",
                _("The same request is still being worked on: ask again in a moment."),
                "Idempotency-Key",
            )
        ) from error


def forget_before(at: datetime) -> int:
    """Delete the keys of requests before a moment, a day ago at the latest, and return how many."""
    return IdempotencyKey.objects.filter(created_at__lt=at).delete()[0]
