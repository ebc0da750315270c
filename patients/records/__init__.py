"""What we know of patients: the only writer of people, their answers, and the vocabularies these are told in.

A patient merged away or pseudonymised is read-only. Each act locks the patient first (the lock order of the house).
"""

from .answers import mark_answer_error, record_answers, review_answer
from .details import (
    CORRECTABLE,
    GuardianDetails,
    GuardianInUse,
    IdentifierDetails,
    IdentifierTaken,
    PatientDetails,
    PatientReadOnly,
    PhoneDetails,
)
from .mail import opt_in, opt_out, set_mail_state
from .people import correct, likely_duplicates, record_death, register, take_back_death
from .rows import today_for
from .vocabulary import load_vocabulary

__all__ = [
    "CORRECTABLE",
    "GuardianDetails",
    "GuardianInUse",
    "IdentifierDetails",
    "IdentifierTaken",
    "PatientDetails",
    "PatientReadOnly",
    "PhoneDetails",
    "correct",
    "likely_duplicates",
    "load_vocabulary",
    "mark_answer_error",
    "opt_in",
    "opt_out",
    "record_answers",
    "record_death",
    "register",
    "review_answer",
    "set_mail_state",
    "take_back_death",
    "today_for",
]
