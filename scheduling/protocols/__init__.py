"""Protocols: how treatments are given, read from files that people write, and kept as versions that nobody edits.

The only writer of the tables in `scheduling/models/protocols.py` and of consent texts. Nothing is stored unless the
whole file is right; a change is a new version, which begins as a draft and counts once another person has approved it.
"""

from .comparing import Difference, differences
from .document import Document
from .parsing import parse as parse_with
from .parsing import parse_and_doubt
from .reading import ProtocolInvalid
from .schema import schema_text
from .store import (
    AlreadyRetired,
    ApprovalNeedsPrescriber,
    ApprovedByItsAuthor,
    LoadNeedsManager,
    NotADraft,
    RetirementNeedsPrescriber,
    RetirementNeedsReason,
    approve,
    consent_texts_of,
    document_of,
    export,
    known_words,
    load,
    load_vocabulary_file,
    parse,
    retire,
    shipped,
    shipped_keys,
    shipped_words,
)
from .vocabulary import Vocabulary, is_vocabulary, named_in, parse_vocabulary
from .writing import write

__all__ = [
    "AlreadyRetired",
    "ApprovalNeedsPrescriber",
    "ApprovedByItsAuthor",
    "Difference",
    "Document",
    "LoadNeedsManager",
    "NotADraft",
    "ProtocolInvalid",
    "RetirementNeedsPrescriber",
    "RetirementNeedsReason",
    "Vocabulary",
    "approve",
    "consent_texts_of",
    "differences",
    "document_of",
    "export",
    "is_vocabulary",
    "known_words",
    "load",
    "load_vocabulary_file",
    "named_in",
    "parse",
    "parse_and_doubt",
    "parse_vocabulary",
    "parse_with",
    "retire",
    "schema_text",
    "shipped",
    "shipped_keys",
    "shipped_words",
    "write",
]
