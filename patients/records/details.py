"""What staff type of a patient, and how a record refuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Final

from clinic.errors import Conflict
from clinic.models import Site


@dataclass(frozen=True, slots=True)
class IdentifierDetails:
    system: str
    value: str


@dataclass(frozen=True, slots=True)
class PhoneDetails:
    """A number as it was typed: international, or national in the country of the patient's usual site."""

    number: str
    label: str = ""
    is_preferred: bool = False


@dataclass(frozen=True, slots=True)
class GuardianDetails:
    """Who decides for the patient. `pk` names the row to change; without it, an equal row is kept or a new one made."""

    name: str
    relationship: str = ""
    email: str = ""
    phone: str = ""
    from_on: date | None = None
    until_on: date | None = None  # last day
    pk: int | None = None


@dataclass(frozen=True, slots=True)
class PatientDetails:
    """What staff type when they register a patient, or correct one; lists are whole lists."""

    family_name: str
    given_name: str = ""
    born_on: date | None = None
    site: Site | None = None  # the usual one
    language: str = "en"
    email: str = ""
    agrees_to_mail: bool = False
    interpreter_language: str = ""
    access_needs: str = ""
    identifiers: Sequence[IdentifierDetails] = field(default=())
    phones: Sequence[PhoneDetails] = field(default=())
    guardians: Sequence[GuardianDetails] = field(default=())


PLAIN: Final = (
    "family_name", "given_name", "born_on", "site", "language", "email", "interpreter_language", "access_needs"
)  # fmt: skip
LISTS: Final = frozenset({"identifiers", "phones", "guardians"})
CORRECTABLE: Final = frozenset(f.name for f in fields(PatientDetails))


class IdentifierTaken(Conflict):
    """The number belongs to another patient."""

    code = "identifier_taken"


class PatientReadOnly(Conflict):
    """The patient was merged into another, or pseudonymised."""

    code = "patient_read_only"


class GuardianInUse(Conflict):
    """A consent names this guardian."""

    code = "guardian_in_use"
