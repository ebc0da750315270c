"""The outbox, and the only writer of its tables: promise, deliver, and the words.

Messages are promised in the transaction of what they tell about (`promise`), asked again when they are due (`wanted`),
frozen, sent and recorded (`deliver`). What may be relied upon stands in docs/messages.md.
"""

from __future__ import annotations

from .deliver import Delivered, deliver_due, overdue_count, park, purge, retry_failed, unpark
from .moments import Quiet
from .placeholders import PLACEHOLDERS
from .promise import (
    announce_cancellation,
    announce_moves,
    ask_for_calls,
    confirm,
    drop_for_course,
    drop_for_patient,
    foreseen,
    offer,
    offer_key,
    promise_aftercare,
    promise_farewell,
    promise_recalls,
    reconcile,
)
from .render import Content, preview
from .texts import TextRefused, Wording, load_texts, problems_of, save_text
from .wanted import GATE_CLOSED

__all__ = [
    "GATE_CLOSED",
    "PLACEHOLDERS",
    "Content",
    "Delivered",
    "Quiet",
    "TextRefused",
    "Wording",
    "announce_cancellation",
    "announce_moves",
    "ask_for_calls",
    "confirm",
    "deliver_due",
    "drop_for_course",
    "drop_for_patient",
    "foreseen",
    "load_texts",
    "offer",
    "offer_key",
    "overdue_count",
    "park",
    "preview",
    "problems_of",
    "promise_aftercare",
    "promise_farewell",
    "promise_recalls",
    "purge",
    "reconcile",
    "retry_failed",
    "save_text",
    "unpark",
]
