"""What we know of patients: the only writer of people, their answers, and the vocabularies these are told in.

A patient merged away or pseudonymised is read-only. Each act locks the patient first (the lock order of the house).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from typing import Any, Final, TypeVar

from django.db import models, transaction
from django.db.models import ProtectedError, Q
from django.utils.translation import gettext as _
from phonenumber_field.phonenumber import PhoneNumber, to_python

from clinic.audit import written_by
from clinic.errors import Conflict, NotAllowed, Problem, RuleBroken
from clinic.localtime import local_date
from clinic.models import Role, Site, User
from clinic.wellformed import field_names, field_problems, language_problems, longest_text, tidy, unless_taken

from .models import Answer, Area, Complication, Guardian, Identifier, MailState, Patient, Phone, Question
from .models.people import searchable

Row = TypeVar("Row", bound=models.Model)

OLDEST_BIRTH_YEAR = 1870  # nobody alive was born before; a typing error
SEARCH_NAME_LENGTH: Final = longest_text(Patient, "search_name")
# What event rows leave out. That one of them changed must still leave an event: the revision goes up.
IDENTITY: Final = frozenset({"given_name", "family_name", "born_on", "email", "access_needs"})


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


def today_for(patient: Patient, now: datetime) -> date:
    """Return the date at the patient's usual site, else in UTC."""
    return local_date(now, patient.site.zone if patient.site else "UTC")


# --- people ---------------------------------------------------------------------------------------------------------


def likely_duplicates(details: PatientDetails) -> list[Patient]:
    """Return current patients of the same name (accents, case, order aside) and birth date: a warning only."""
    names = [tidy(details.given_name), tidy(details.family_name)]
    return list(
        Patient.objects.current().filter(
            search_name__in={_search_name(*names), _search_name(*reversed(names))}, born_on=details.born_on
        )
    )


def _search_name(given_name: str, family_name: str) -> str:
    # A ligature or syllable may become several characters: the row has room for any real name, and is cut for others.
    return searchable(f"{given_name} {family_name}".strip())[:SEARCH_NAME_LENGTH]


@transaction.atomic
def register(details: PatientDetails, *, by: User | None, now: datetime) -> Patient:
    """Add a patient. Raises RuleBroken with all that is malformed, or IdentifierTaken."""
    patient = Patient(registered_at=now, mail_consent_at=now if details.agrees_to_mail else None)
    for name in PLAIN:
        setattr(patient, name, tidy(getattr(details, name)))
    lists, problems = _read_lists(patient, details)
    problems = _patient_problems(patient, now) + problems
    if problems:
        raise RuleBroken(*problems)
    patient.search_name = _search_name(patient.given_name, patient.family_name)
    patient.mail_state = MailState.OK if patient.email else MailState.NONE
    with written_by(by):
        patient.save(force_insert=True)
        _write_lists(patient, lists, only=LISTS)
    return patient


@transaction.atomic
def correct(patient: Patient, changes: Mapping[str, Any], *, by: User | None, now: datetime) -> Patient:
    """Change the named fields of PatientDetails; `identifiers`, `phones` and `guardians` are given whole.

    A new address is in use again, whatever became of the old one. Refuses as `register` does, and unknown names,
    a read-only patient (PatientReadOnly), and taking away a guardian whom a consent names (GuardianInUse).
    """
    unknown = sorted(changes.keys() - CORRECTABLE)
    if unknown:
        raise RuleBroken(*(Problem("field_unknown", _("A patient has no such field."), name) for name in unknown))
    locked = _lock(patient)
    before = {name: getattr(locked, name) for name in PLAIN}
    for name in PLAIN:
        if name in changes:
            setattr(locked, name, tidy(changes[name]))
    given = replace(PatientDetails(family_name=locked.family_name), **changes)
    lists, problems = _read_lists(locked, given)
    problems = _patient_problems(locked, now) + problems
    if problems:
        raise RuleBroken(*problems)
    with written_by(by):
        _write_changes(locked, lists, before, changes, now)
    return locked


def _write_changes(
    patient: Patient, lists: _Lists, before: Mapping[str, Any], changes: Mapping[str, Any], now: datetime
) -> None:
    changed = {name for name in PLAIN if getattr(patient, name) != before[name]}
    if {"given_name", "family_name"} & changed:
        patient.search_name = _search_name(patient.given_name, patient.family_name)
        changed.add("search_name")
    if "email" in changed:
        patient.mail_state = MailState.OK if patient.email else MailState.NONE
        changed.add("mail_state")
    if "agrees_to_mail" in changes and changes["agrees_to_mail"] != (patient.mail_consent_at is not None):
        patient.mail_consent_at = now if changes["agrees_to_mail"] else None
        changed.add("mail_consent_at")
    if _write_lists(patient, lists, only=LISTS & changes.keys()) or changed & IDENTITY:
        patient.identity_revision += 1
        changed.add("identity_revision")
    if changed:
        patient.save(update_fields=sorted(changed))


def _lock(patient: Patient) -> Patient:
    """Lock and return the patient as it stands now, or raise PatientReadOnly."""
    locked = Patient.objects.select_for_update(no_key=True, of=("self",)).select_related("site").get(pk=patient.pk)
    if locked.merged_into_id is not None:
        raise PatientReadOnly(
            Problem("patient_merged", _("This record was merged into another one: open that one and change it there."))
        )
    if locked.pseudonymised_at is not None:
        raise PatientReadOnly(
            Problem("patient_pseudonymised", _("This record was pseudonymised and cannot be changed any more."))
        )
    return locked


def _patient_problems(patient: Patient, now: datetime) -> list[Problem]:
    problems = field_problems(patient, exclude={"search_name", "mail_state"})
    found = {problem.where for problem in problems}
    if "language" not in found:
        problems += language_problems(patient.language, "language")
    if patient.interpreter_language and "interpreter_language" not in found:
        problems += language_problems(patient.interpreter_language, "interpreter_language")
    if patient.born_on is not None and "born_on" not in found:
        problems += _birth_problems(patient, patient.born_on, now)
    return problems


def _birth_problems(patient: Patient, born_on: date, now: datetime) -> list[Problem]:
    if born_on > today_for(patient, now):
        return [Problem("born_in_future", _("The birth date lies in the future: correct it."), "born_on")]
    if born_on.year < OLDEST_BIRTH_YEAR:
        return [Problem("born_too_long_ago", _("The birth date is too long ago: correct the year."), "born_on")]
    if patient.deceased_on and born_on > patient.deceased_on:
        return [Problem("born_after_death", _("The birth date lies after the date of death: correct one."), "born_on")]
    return []


@dataclass(slots=True)
class _Lists:
    identifiers: list[Identifier]
    phones: list[Phone]
    guardians: list[Guardian]


def _read_lists(patient: Patient, details: PatientDetails) -> tuple[_Lists, list[Problem]]:
    """Return the unsaved rows that the details ask for, and everything that is wrong with them."""
    problems: list[Problem] = []
    lists = _Lists(
        [_read_identifier(one, f"identifiers.{at}", problems) for at, one in enumerate(details.identifiers)],
        [_read_phone(patient, one, f"phones.{at}", problems) for at, one in enumerate(details.phones)],
        [_read_guardian(patient, one, f"guardians.{at}", problems) for at, one in enumerate(details.guardians)],
    )
    problems += _twice([(one.system, one.value) for one in lists.identifiers], "identifiers", "identifier_twice")
    problems += _twice([str(one.number) for one in lists.phones if one.number], "phones", "phone_twice")
    problems += _twice([one.pk for one in lists.guardians if one.pk], "guardians", "guardian_twice")
    if sum(phone.is_preferred for phone in lists.phones) > 1:
        problems.append(Problem("more_than_one_preferred", _("Mark one phone as preferred, not several."), "phones"))
    return lists, problems


def _twice(keys: list[Any], where: str, code: str) -> list[Problem]:
    if len(set(keys)) == len(keys):
        return []
    return [Problem(code, _("The list names the same one twice: take one away."), where)]


def _read_identifier(given: IdentifierDetails, where: str, problems: list[Problem]) -> Identifier:
    row = Identifier(system=tidy(given.system), value=tidy(given.value))
    problems += field_problems(row, exclude={"patient"}, where=where)
    return row


def _read_phone(patient: Patient, given: PhoneDetails, where: str, problems: list[Problem]) -> Phone:
    row = Phone(label=tidy(given.label), is_preferred=given.is_preferred)
    row.number = _read_number(patient, given.number, f"{where}.number", problems)
    problems += field_problems(row, exclude={"patient", "number"}, where=where)
    if not given.number:
        problems.append(Problem("missing", _("Give the number, or take the line away."), f"{where}.number"))
    return row


def _read_guardian(patient: Patient, given: GuardianDetails, where: str, problems: list[Problem]) -> Guardian:
    row = Guardian(
        pk=given.pk,
        name=tidy(given.name),
        relationship=tidy(given.relationship),
        email=tidy(given.email),
        from_on=given.from_on,
        until_on=given.until_on,
    )
    row.phone = _read_number(patient, given.phone, f"{where}.phone", problems)
    problems += field_problems(row, exclude={"id", "patient", "phone"}, where=where)
    if given.from_on and given.until_on and given.until_on < given.from_on:
        problems.append(
            Problem(
                "ends_before_it_begins", _("The last day lies before the first: exchange them."), f"{where}.until_on"
            )
        )
    if given.pk is not None and not Guardian.objects.filter(pk=given.pk, patient=patient.pk).exists():
        problems.append(
            Problem("guardian_unknown", _("This patient has no such guardian: load the page again."), where)
        )
    return row


def _read_number(patient: Patient, typed: str, where: str, problems: list[Problem]) -> PhoneNumber | str:
    """Return the number, or the empty text; one without a country is read as the usual site's country reads it."""
    number = to_python(tidy(typed), region=patient.site.country if patient.site else None)
    if not number:
        return ""
    if number.is_valid():
        return number
    sentence = _("“%(number)s” is no phone number: write it with its country code, such as +44 20 7946 0018.")
    problems.append(Problem("not_a_phone_number", sentence % {"number": typed}, where))
    return ""


def _write_lists(patient: Patient, lists: _Lists, *, only: AbstractSet[str]) -> bool:
    """Make the patient's rows in the named lists equal to these, and return whether any was written."""
    changed = False
    if "identifiers" in only:
        _refuse_taken(patient, lists.identifiers)
        taken = {"identifier_belongs_to_one_patient": _taken(range(len(lists.identifiers)))}
        changed |= unless_taken(
            lambda: _write_list(patient, patient.identifiers, lists.identifiers, ("system", "value")), taken
        )
    if "phones" in only:
        changed |= _write_list(patient, patient.phones, lists.phones, ("number", "label", "is_preferred"))
    if "guardians" in only:
        try:
            changed |= _write_guardians(patient, lists.guardians)
        except ProtectedError as error:
            raise GuardianInUse(
                Problem(
                    "guardian_in_use",
                    _("A consent was given by this guardian: enter a last day instead of taking them away."),
                    "guardians",
                )
            ) from error
    return changed


def _refuse_taken(patient: Patient, identifiers: Sequence[Identifier]) -> None:
    if not identifiers:
        return
    same = Q()
    for one in identifiers:
        same |= Q(system=one.system, value=one.value)
    taken = set(Identifier.objects.filter(same).exclude(patient=patient.pk).values_list("system", "value"))
    at = [at for at, one in enumerate(identifiers) if (one.system, one.value) in taken]
    if at:
        raise _taken(at)


def _taken(at: Iterable[int]) -> IdentifierTaken:
    sentence = _("A patient with this number is registered already: search for the number.")
    return IdentifierTaken(*(Problem("identifier_taken", sentence, f"identifiers.{one}.value") for one in at))


def _write_list(patient: Patient, held: models.Manager[Row], wanted: Sequence[Row], names: Sequence[str]) -> bool:
    """Delete what is no longer wanted, insert what is new, and leave equal rows alone."""

    def key(row: Row) -> tuple[str, ...]:
        return tuple(str(getattr(row, name)) for name in names)

    keys = {key(row) for row in wanted}
    kept = {key(row): row for row in held.all() if key(row) in keys}
    gone, _count = held.exclude(pk__in=[row.pk for row in kept.values()]).delete()
    new = [row for row in wanted if key(row) not in kept]
    for row in new:
        row.patient = patient  # type: ignore[attr-defined]  # identifiers, phones and guardians have one
    held.bulk_create(new)
    return bool(gone or new)


def _write_guardians(patient: Patient, wanted: Sequence[Guardian]) -> bool:
    """As `_write_list`, but rows named by their key are changed in place: consents point at them."""
    names = ("name", "relationship", "email", "phone", "from_on", "until_on")
    held = {row.pk: row for row in patient.guardians.all()}
    changed = False
    for row in wanted:
        if row.pk and any(str(getattr(row, name)) != str(getattr(held[row.pk], name)) for name in names):
            row.patient = patient
            row.save(update_fields=names)
            changed = True
    return _write_list(patient, patient.guardians, wanted, names) or changed


@transaction.atomic
def record_death(patient: Patient, on: date, *, by: User | None, now: datetime) -> Patient:
    """Note that the patient died: nothing is booked or sent any more. Refuses a date in the future or before birth."""
    locked = _lock(patient)
    if on > today_for(locked, now):
        raise RuleBroken(Problem("died_in_future", _("The date of death lies in the future: correct it."), "on"))
    if locked.born_on and on < locked.born_on:
        raise RuleBroken(Problem("died_before_birth", _("The date of death lies before the birth date."), "on"))
    with written_by(by):
        return _update(locked, deceased_on=on)


@transaction.atomic
def take_back_death(patient: Patient, *, by: User | None, now: datetime) -> Patient:  # noqa: ARG001
    """The patient is alive: the death was recorded in error."""
    with written_by(by):
        return _update(_lock(patient), deceased_on=None)


def _update(patient: Patient, **values: Any) -> Patient:
    for name, value in values.items():
        setattr(patient, name, value)
    patient.save(update_fields=sorted(values))
    return patient


# --- mail to them ---------------------------------------------------------------------------------------------------


@transaction.atomic
def set_mail_state(
    patient: Patient,
    state: MailState,
    *,
    now: datetime,  # noqa: ARG001
    address: str | None = None,
) -> Patient:
    """Note what became of the patient's address. With `address`, only if it still is theirs: bounces come late.

    Works for every patient, read-only ones too. Raises Conflict for one without an address.
    """
    locked = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    if address is not None and address.casefold() != locked.email.casefold():
        return locked
    if not locked.email:
        raise Conflict(Problem("address_missing", _("This patient has no e-mail address: enter one first."), "email"))
    if state == MailState.NONE:
        raise RuleBroken(
            Problem("address_has_a_state", _("To end mail to an address, take the address away."), "mail_state")
        )
    return _update(locked, mail_state=state)


@transaction.atomic
def opt_out(patient: Patient, *, now: datetime) -> Patient:
    """The patient wants no more mail (safety advice aside). Again keeps the first moment."""
    locked = _lock(patient)
    return locked if locked.mail_opted_out_at else _update(locked, mail_opted_out_at=now)


@transaction.atomic
def opt_in(patient: Patient, *, now: datetime) -> Patient:
    """The patient agrees to mail, again or for the first time."""
    locked = _lock(patient)
    if locked.mail_consent_at and not locked.mail_opted_out_at:
        return locked
    return _update(locked, mail_opted_out_at=None, mail_consent_at=now)


# --- health ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def record_answers(
    patient: Patient,
    values: Mapping[str, str],
    *,
    given_on: date,
    by: User | None,
    now: datetime,
    source: str = Answer.Source.STAFF,
    note: str = "",
) -> list[Answer]:
    """Write down what the patient answered, question code to value, all or none, and return it in that order.

    The newest answer that is no error counts; none is ever overwritten. Raises RuleBroken about the first that is
    wrong: question_unknown, answer_unknown (the allowed ones in its details), answer_in_future, answer_before_birth,
    and what the fields refuse. Raises PatientReadOnly.
    """
    locked = _lock(patient)
    questions = Question.objects.in_bulk(list(values), field_name="code")
    answers = []
    for code, value in values.items():
        question = questions.get(code)
        problems = _answer_problems(locked, question, code, value, given_on, now)
        answer = Answer(
            patient=locked,
            question=question,
            value=value,
            note=note,
            given_on=given_on,
            source=source,
            recorded_at=now,
            recorded_by=by,
        )
        said = {problem.where for problem in problems}
        problems += [one for one in field_problems(answer, exclude={"question", "patient"}) if one.where not in said]
        if problems:
            raise RuleBroken(*problems)
        answers.append(answer)
    with written_by(by):
        return Answer.objects.bulk_create(answers)


def _answer_problems(
    patient: Patient, question: Question | None, question_code: str, value: str, given_on: date, now: datetime
) -> list[Problem]:
    problems = []
    if question is None:
        sentence = _("There is no question “%(code)s”: choose one of the clinic's questions.")
        problems.append(Problem("question_unknown", sentence % {"code": question_code}, "question"))
    elif value not in question.choices:
        allowed = list(question.choices)
        sentence = _("“%(value)s” is no answer to this question: choose from %(allowed)s.")
        problems.append(
            Problem(
                "answer_unknown",
                sentence % {"value": value, "allowed": ", ".join(allowed)},
                "value",
                {"allowed": allowed},
            )
        )
    if given_on > today_for(patient, now):
        sentence = _("An answer cannot be given on a day to come: enter the day it was given.")
        problems.append(Problem("answer_in_future", sentence, "given_on"))
    if patient.born_on and given_on < patient.born_on:
        sentence = _("The patient was not born yet on that day: enter the day the answer was given.")
        problems.append(Problem("answer_before_birth", sentence, "given_on"))
    return problems


def _lock_answer(answer: Answer) -> Answer:
    _lock(answer.patient)
    locked = Answer.objects.select_for_update(no_key=True, of=("self",)).get(pk=answer.pk)
    if locked.error_at is not None:
        raise Conflict(
            Problem("answer_in_error", _("This answer was marked as an error: look at the newest one instead."))
        )
    return locked


@transaction.atomic
def review_answer(answer: Answer, *, by: User, now: datetime) -> Answer:
    """Note that a clinician has looked at the answer; the first look stays. Raises NotAllowed for anybody else."""
    if not by.has_role(Role.CLINICIAN, Role.PRESCRIBER):
        raise NotAllowed(Problem("clinician_needed", _("Ask a clinician to look at this answer.")))
    locked = _lock_answer(answer)
    if locked.reviewed_at is None:
        locked.reviewed_at, locked.reviewed_by = now, by
        with written_by(by):
            locked.save(update_fields=["reviewed_at", "reviewed_by"])
    return locked


@transaction.atomic
def mark_answer_error(answer: Answer, *, reason: str, by: User | None, now: datetime) -> Answer:
    """Strike an answer recorded in error; the one before it counts again. Raises RuleBroken without a reason."""
    locked = _lock_answer(answer)
    locked.error_at, locked.error_by, locked.error_reason = now, by, tidy(reason)
    problems = field_problems(locked, exclude={"question", "patient", "value", "note"})
    if not locked.error_reason:
        problems.append(Problem("reason_missing", _("Say why this answer is an error."), "reason"))
    if problems:
        raise RuleBroken(*(replace(one, where="reason") if one.where == "error_reason" else one for one in problems))
    with written_by(by):
        locked.save(update_fields=["error_at", "error_by", "error_reason"])
    return locked


# --- vocabularies ---------------------------------------------------------------------------------------------------


@transaction.atomic
def load_vocabulary(
    questions: Iterable[Mapping[str, Any]] = (),
    areas: Iterable[Mapping[str, Any]] = (),
    complications: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Add what is new and change what is known, by code; nothing is taken away, since records point at it.

    The keys are the fields: question (code, text, texts, choices), area (code, name, side, region), complication
    (code, name, is_expected). Raises RuleBroken with everything that is malformed, as `questions.0.text`.
    """
    problems: list[Problem] = []
    question_rows = _read_entries(Question, questions, "questions", problems)
    area_rows = _read_entries(Area, areas, "areas", problems)
    complication_rows = _read_entries(Complication, complications, "complications", problems)
    if problems:
        raise RuleBroken(*problems)
    _upsert(Question.objects, question_rows, ["text", "texts", "choices"])
    _upsert(Area.objects, area_rows, ["name", "side", "region"])
    _upsert(Complication.objects, complication_rows, ["name", "is_expected"])


def _upsert(table: models.Manager[Any], rows: list[Any], names: list[str]) -> None:
    rows.sort(key=lambda row: str(row.code))  # one order of locks, whoever loads at the same time
    table.bulk_create(rows, update_conflicts=True, unique_fields=["code"], update_fields=names)


def _read_entries(
    model: type[models.Model], entries: Iterable[Mapping[str, Any]], where: str, problems: list[Problem]
) -> list[Any]:
    known = field_names(model) - {"id"}
    rows: list[Any] = []
    for at, entry in enumerate(entries):
        path = f"{where}.{at}"
        problems += [
            Problem("field_unknown", _("There is no such field here: take it away."), f"{path}.{name}")
            for name in sorted(entry.keys() - known)
        ]
        row = model(**{name: tidy(entry[name]) for name in entry.keys() & known})
        problems += field_problems(row, where=path)
        if isinstance(row, Question):
            problems += _question_problems(row, path)
        rows.append(row)
    problems += _twice([row.code for row in rows], where, "code_twice")
    return rows


def _question_problems(question: Question, where: str) -> list[Problem]:
    """Choices are codes that fit an answer; other languages are texts by language."""
    problems = []
    choices = question.choices
    longest = longest_text(Answer, "value")
    if (
        not isinstance(choices, list)
        or not all(isinstance(one, str) and 0 < len(one) <= longest for one in choices)
        or len(set(choices)) != len(choices)
    ):
        problems.append(
            Problem("choices_malformed", _("List the answers as short codes, each once."), f"{where}.choices")
        )
    texts = question.texts
    if not isinstance(texts, dict) or not all(isinstance(one, str) and one for one in texts.values()):
        problems.append(Problem("texts_malformed", _("Give the question's text for each language."), f"{where}.texts"))
    else:
        problems += [one for code in texts for one in language_problems(code, f"{where}.texts.{code}")]
    return problems
