"""Protocols: how treatments are given, read from files that people write, and kept as versions that nobody edits.

The only writer of the tables in `scheduling/models/protocols.py` and of consent texts. Nothing is stored unless the
whole file is right; a change is a new version, which begins as a draft and counts once another person has approved it.
"""

from .document import Document
from .parsing import parse as parse_with
from .reading import ProtocolInvalid
from .store import (
    ApprovalNeedsPrescriber,
    ApprovedByItsAuthor,
    LoadNeedsManager,
    NotADraft,
    approve,
    consent_texts_of,
    document_of,
    export,
    known_words,
    load,
    load_vocabulary_file,
    parse,
    shipped,
    shipped_keys,
    shipped_words,
)
from .vocabulary import Vocabulary, is_vocabulary, named_in, parse_vocabulary
from .writing import write

__all__ = [
    "ApprovalNeedsPrescriber",
    "ApprovedByItsAuthor",
    "Document",
    "LoadNeedsManager",
    "NotADraft",
    "ProtocolInvalid",
    "Vocabulary",
    "approve",
    "consent_texts_of",
    "document_of",
    "export",
    "is_vocabulary",
    "known_words",
    "load",
    "load_vocabulary_file",
    "named_in",
    "parse",
    "parse_vocabulary",
    "parse_with",
    "shipped",
    "shipped_keys",
    "shipped_words",
    "write",
]
