"""Reads a protocol file and finds everything that is wrong with it. Pure: the known words are handed in."""

from .conditions import CONSENT_AT
from .parts import DAYS_AT_MOST, JURISDICTION, LANGUAGE, MINUTES_AT_MOST, OLDEST_AGE, SESSIONS_AT_MOST
from .spacings import AMOUNTS
from .whole import parse, parse_and_doubt

__all__ = [
    "AMOUNTS",
    "CONSENT_AT",
    "DAYS_AT_MOST",
    "JURISDICTION",
    "LANGUAGE",
    "MINUTES_AT_MOST",
    "OLDEST_AGE",
    "SESSIONS_AT_MOST",
    "parse",
    "parse_and_doubt",
]
