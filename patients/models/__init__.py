"""Who we treat: people, and what we know of their health."""

from .health import Answer, Area, Complication, Question
from .people import Guardian, Identifier, MailState, Patient, Phone

__all__ = [
    "Answer",
    "Area",
    "Complication",
    "Guardian",
    "Identifier",
    "MailState",
    "Patient",
    "Phone",
    "Question",
]
