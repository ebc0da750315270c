"""Documents to rows and back: loading, approving and exporting versions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from django.utils.translation import gettext as _

from clinic.acts import act
from clinic.audit import written_by
from clinic.errors import Conflict, NotAllowed, Problem, RuleBroken
from clinic.models import Role, User
from patients import records
from patients.models import Area, Complication, Question
from scheduling import models as rows
from scheduling import staffing
from scheduling.outbox.texts import save_text
from scheduling.planner.amounts import Amount
from scheduling.planner.facts import (
    ConsentScope,
    CoolingOff,
    Gate,
    LateAction,
    LateBand,
    OverrideScope,
    Reference,
    Severity,
    StepKind,
)
from scheduling.planner.gates import GATES, as_json

from . import document as written
from . import parsing
from .document import Document
from .vocabulary import AreaWords, ComplicationWords, QuestionWords, Vocabulary, parse_vocabulary
from .writing import write

FILES = Path(__file__).resolve().parents[1] / "protocol_files"
VOCABULARY = "vocabulary"


class NotADraft(Conflict):
    """Only a draft can be approved."""

    code = "not_a_draft"
    title = "This version is not a draft."


class LoadNeedsManager(NotAllowed):
    code = "load_needs_manager"
    title = "You may not load protocols."


class ApprovedByItsAuthor(NotAllowed):
    """Four eyes: whoever wrote a version does not approve it."""

    code = "approved_by_its_author"
    title = "Another person must approve this version."


class ApprovalNeedsPrescriber(NotAllowed):
    code = "approval_needs_prescriber"
    title = "A prescriber must approve this version."


class AlreadyRetired(Conflict):
    code = "already_retired"
    title = "This version is retired already."


class RetirementNeedsPrescriber(NotAllowed):
    code = "retirement_needs_prescriber"
    title = "A prescriber must retire this version."


class RetirementNeedsReason(RuleBroken):
    """Whoever reads the version later must be told why it is not used any more."""

    code = "retirement_needs_reason"


# --- files that are shipped -----------------------------------------------------------------------------------------


def shipped_keys() -> tuple[str, ...]:
    """Return the keys of the protocols that come with Cadence."""
    return tuple(sorted(path.stem for path in FILES.glob("*.yaml") if path.stem != VOCABULARY))


def shipped(key: str) -> str:
    """Return the text of a protocol file (or the vocabulary) that comes with Cadence."""
    return (FILES / f"{key}.yaml").read_text(encoding="utf-8")


# --- words ----------------------------------------------------------------------------------------------------------


def known_words() -> Vocabulary:
    """Return the words a protocol may use: those shipped, and those of this clinic, which win."""
    return shipped_words().joined(_stored_words())


@act
def load_vocabulary_file(text: str | None = None) -> Vocabulary:
    """Store the words of a vocabulary file (by default the shipped one), by code, or raise ProtocolInvalid."""
    words = shipped_words() if text is None else parse_vocabulary(text)
    _store_words(words)
    return words


@lru_cache(maxsize=1)
def shipped_words() -> Vocabulary:
    """Return the words that come with Cadence."""
    return replace(parse_vocabulary(shipped(VOCABULARY)), protocols=frozenset(shipped_keys()))


def _stored_words() -> Vocabulary:
    return Vocabulary(
        tuple(QuestionWords(q.code, q.text, tuple(q.choices), dict(q.texts)) for q in Question.objects.all()),
        tuple(AreaWords(a.code, a.name, a.region, a.side) for a in Area.objects.all()),
        tuple(ComplicationWords(c.code, c.name, c.is_expected) for c in Complication.objects.all()),
        dict(rows.Capability.objects.values_list("code", "name")),
        frozenset(rows.Protocol.objects.values_list("key", flat=True)),
    )


def _store_words(words: Vocabulary) -> None:
    records.load_vocabulary(
        questions=[
            {"code": q.code, "text": q.text, "texts": dict(q.texts), "choices": list(q.choices)}
            for q in words.questions
        ],
        areas=[{"code": a.code, "name": a.name, "side": a.side, "region": a.region} for a in words.areas],
        complications=[{"code": c.code, "name": c.name, "is_expected": c.is_expected} for c in words.complications],
    )
    staffing.ensure_capabilities(dict(words.capabilities))


def _ensure_words(document: Document) -> None:
    """Store the shipped words that the document uses and this clinic does not have yet; its own stay as they are."""
    words, stored = shipped_words(), _stored_words()
    asked = {rule.question for rule in document.questions} - stored.choices.keys()
    treated = document.named_areas - stored.places.keys()
    _store_words(
        Vocabulary(
            tuple(question for question in words.questions if question.code in asked),
            tuple(area for area in words.areas if area.code in treated),
            (),
            {code: words.capabilities[code] for code in document.capabilities - stored.capabilities.keys()},
        )
    )


# --- acts -----------------------------------------------------------------------------------------------------------


def parse(text: str, beside: Vocabulary | None = None) -> Document:
    """Return what a protocol file says, or raise ProtocolInvalid with every problem, its path, line and remedy."""
    words = known_words()
    return parsing.parse(text, words.joined(beside) if beside else words)


@act
def load(
    text: str,
    *,
    by: User | None,
    now: datetime,
    approve_by: User | None = None,
    beside: Vocabulary | None = None,
) -> rows.ProtocolVersion:
    """Store a protocol file as a new draft version, and approve it when somebody stands for it.

    `beside` holds words that are known besides those stored, such as the keys of protocols that are loaded with it.

    The same content as the latest version is that version, unless it is retired. `by` is None for files that come with
    Cadence or through the command: then any prescriber may approve. Raise ProtocolInvalid or LoadNeedsManager; nothing
    is stored then.
    """
    if by is not None and not by.has_role(Role.MANAGER, Role.PRESCRIBER):
        message = _("Only a manager or a prescriber loads protocols. Send the file to one.")
        raise LoadNeedsManager(Problem("load_needs_manager", message))
    document = parse(text, beside)
    protocol, _made = rows.Protocol.objects.get_or_create(key=document.key, defaults={"name": document.name})
    protocol = rows.Protocol.objects.select_for_update(no_key=True).get(pk=protocol.pk)
    latest = protocol.versions.order_by("-number").first()
    is_the_same = latest is not None and replace(document_of(latest), texts=()) == replace(document, texts=())
    if latest is not None and is_the_same and latest.state != rows.VersionState.RETIRED:
        version = latest
    else:
        rows.Protocol.objects.filter(pk=protocol.pk).update(name=document.name)
        protocol.name = document.name
        with written_by(by):
            version = _store(document, protocol, 1 + (latest.number if latest else 0), by=by, now=now)
    _store_first_wording(document, protocol, now=now)
    if approve_by is not None and version.state == rows.VersionState.DRAFT:
        version = approve(version, by=approve_by, now=now)
    return version


@act
def approve(version: rows.ProtocolVersion, *, by: User, now: datetime, note: str = "") -> rows.ProtocolVersion:
    """Let courses be started by a draft. Raise NotADraft, ApprovalNeedsPrescriber or ApprovedByItsAuthor."""
    version = rows.ProtocolVersion.objects.select_for_update(no_key=True, of=("self",)).get(pk=version.pk)
    if version.state != rows.VersionState.DRAFT:
        raise NotADraft(
            Problem("not_a_draft", _("Only a draft can be approved. To change a protocol, load a new version of it."))
        )
    if version.created_by_id is not None and version.created_by_id == by.pk:
        message = _("You loaded this version yourself. Ask another prescriber to read and approve it.")
        raise ApprovedByItsAuthor(Problem("approved_by_its_author", message))
    if not by.has_role(Role.PRESCRIBER):
        message = _("Only a prescriber approves how a treatment is given. Ask one to read and approve this version.")
        raise ApprovalNeedsPrescriber(Problem("approval_needs_prescriber", message))
    rows.ProtocolApproval.objects.create(version=version, at=now, by=by, note=note)
    version.state = rows.VersionState.APPROVED
    with written_by(by):
        version.save(update_fields=["state"])
    return version


@act
def retire(version: rows.ProtocolVersion, *, by: User, now: datetime, reason: str) -> rows.ProtocolVersion:
    """Let no course be started by a version any more; those that run go on. A draft is put aside the same way.

    Raise RetirementNeedsPrescriber, RetirementNeedsReason or AlreadyRetired.
    """
    if not by.has_role(Role.PRESCRIBER):
        message = _("Only a prescriber retires a version. Ask one.")
        raise RetirementNeedsPrescriber(Problem("retirement_needs_prescriber", message))
    reason = " ".join(reason.split())
    if not reason:
        message = _("Say why this version is not to be used any more.")
        raise RetirementNeedsReason(Problem("retirement_needs_reason", message, "reason"))
    version = rows.ProtocolVersion.objects.select_for_update(no_key=True, of=("self",)).get(pk=version.pk)
    if version.state == rows.VersionState.RETIRED:
        message = _("This version is retired already. Load the file again to use it as a new version.")
        raise AlreadyRetired(Problem("already_retired", message))
    version.state = rows.VersionState.RETIRED
    version.retired_at, version.retired_by, version.retire_reason = now, by, reason
    with written_by(by):
        version.save(update_fields=["state", "retired_at", "retired_by", "retire_reason"])
    return version


def export(version: rows.ProtocolVersion) -> str:
    """Return a version as the file that reads back as the same document."""
    heading = f"{version.protocol.name}: version {version.number}, {version.state}."
    return write(document_of(version), heading)


def consent_texts_of(version: rows.ProtocolVersion) -> list[rows.ConsentText]:
    """Return the wording that a version asks patients to sign, by language.

    A text's number is that of the version which brought it in, so a draft's wording is not offered before its time.
    """
    texts = [text for text in version.protocol.consent_texts.all() if text.number <= version.number]
    current = max((text.number for text in texts), default=0)
    return sorted((text for text in texts if text.number == current), key=lambda text: text.language)


# --- document -> rows -----------------------------------------------------------------------------------------------


def _store(
    document: Document, protocol: rows.Protocol, number: int, *, by: User | None, now: datetime
) -> rows.ProtocolVersion:
    _ensure_words(document)
    consent = document.consent
    version = rows.ProtocolVersion.objects.create(
        protocol=protocol,
        number=number,
        effective_from=document.effective_from,
        effective_to=document.effective_to,
        product=document.product,
        jurisdiction=document.jurisdiction,
        notes="\n".join(document.sources),
        consent_at=consent.at if consent else "",
        consent_scope=consent.scope if consent else ConsentScope.COURSE,
        consent_valid_for=_amount_text(consent.valid_for if consent else None),
        assessment_valid_for=_amount_text(document.assessment.valid_for),
        assessment_cooling_off=_amount_text(document.assessment.cooling_off),
        minimum_age=document.minimum_age,
        adult_age=document.adult_age,
        created_at=now,
        created_by=by,
    )
    areas = Area.objects.in_bulk(sorted(document.named_areas), field_name="code")
    version.areas.set([areas[code] for code in document.areas])
    rows.CoolingOff.objects.bulk_create(
        rows.CoolingOff(
            version=version, amount=str(wait.amount), jurisdiction=wait.jurisdiction, under_age=wait.under_age
        )
        for wait in (consent.cooling_off if consent else ())
    )
    _store_consent_texts(document, version)
    steps = _store_steps(document, version, areas)
    questions = Question.objects.in_bulk([rule.question for rule in document.questions], field_name="code")
    rows.RiskRule.objects.bulk_create(
        rows.RiskRule(
            version=version,
            question=questions[rule.question],
            severity=rule.severity,
            valid_days=rule.valid_days,
            refused_answers=list(rule.refused),
            override_for=rule.override,
            source=rule.source,
        )
        for rule in document.questions
    )
    rows.FollowUp.objects.bulk_create(
        rows.FollowUp(
            version=version,
            key=follow_up.key,
            step=steps[follow_up.after_step],
            kind=follow_up.kind,
            name=follow_up.name,
            after=str(follow_up.after),
            tolerance_days=follow_up.give_or_take_days,
            last_session_only=follow_up.only_after_last_session,
        )
        for follow_up in document.follow_ups
    )
    rows.MessagePolicy.objects.bulk_create(
        rows.MessagePolicy(
            version=version,
            kind=rule.kind,
            days=rule.days,
            booked_ahead_days=rule.only_if_booked_days_ahead,
            is_on=rule.sent,
        )
        for rule in document.messages
    )
    return version


def _store_steps(document: Document, version: rows.ProtocolVersion, areas: dict[str, Area]) -> dict[str, rows.Step]:
    steps = rows.Step.objects.bulk_create(
        rows.Step(
            version=version,
            position=position,
            key=step.key,
            name=step.name,
            kind=step.kind,
            sessions=step.sessions,
            max_sessions=step.at_most,
            lead_role=step.lead_role,
            planned_with_course=step.planned_with_course,
        )
        for position, step in enumerate(document.steps, start=1)
    )
    both = list(zip(steps, document.steps, strict=True))
    capabilities = rows.Capability.objects.in_bulk(sorted(document.capabilities), field_name="code")
    phases = [(row, at, phase) for row, step in both for at, phase in enumerate(step.phases, start=1)]
    phase_rows = rows.Phase.objects.bulk_create(
        rows.Phase(
            step=row,
            position=at,
            name=phase.name,
            minutes=phase.minutes,
            before_minutes=phase.buffer_before,
            after_minutes=phase.buffer_after,
        )
        for row, at, phase in phases
    )
    rows.PhaseNeed.objects.bulk_create(
        rows.PhaseNeed(phase=row, role=need.role, capability=capabilities[need.capability])
        for row, (_step, _at, phase) in zip(phase_rows, phases, strict=True)
        for need in phase.needs
    )
    rows.StepGate.objects.bulk_create(
        rows.StepGate(step=row, name=gate.name, parameters=as_json(gate)) for row, step in both for gate in step.gates
    )
    for row, step in both:
        for spacing in step.spacings:
            _store_spacing(spacing, row, areas)
    return {step.key: step for step in steps}


def _store_spacing(spacing: written.Spacing, step: rows.Step, areas: dict[str, Area]) -> None:
    row = rows.Spacing.objects.create(
        step=step,
        reference=spacing.reference,
        reference_key=spacing.reference_key,
        floor=_amount_text(spacing.floor),
        minimum=_amount_text(spacing.minimum),
        target=_amount_text(spacing.target),
        tolerance_days=spacing.tolerance_days,
        overdue=_amount_text(spacing.overdue),
        lapse=_amount_text(spacing.lapse),
        effective_from=spacing.effective_from,
        effective_to=spacing.effective_to,
    )
    row.areas.set([areas[code] for code in spacing.areas])
    rows.LateBand.objects.bulk_create(
        rows.LateBand(
            spacing=row,
            from_amount=str(band.begins),
            until_amount=_amount_text(band.ends),
            action=band.action,
            note=band.note,
        )
        for band in spacing.late_bands
    )


def _store_consent_texts(document: Document, version: rows.ProtocolVersion) -> None:
    """Store the wording, all languages together under this version's number, unless it is what stood before."""
    texts = document.consent.texts if document.consent else ()
    if texts and texts != _wording(version):
        rows.ConsentText.objects.bulk_create(
            rows.ConsentText(
                protocol=version.protocol,
                language=language,
                number=version.number,
                body=body,
                valid_from=document.effective_from,
            )
            for language, body in texts
        )


def _store_first_wording(document: Document, protocol: rows.Protocol, *, now: datetime) -> None:
    """Store the message texts that this protocol has none of yet: what people have edited since is never replaced."""
    stored = set(protocol.message_texts.values_list("kind", "language"))
    for text in document.texts:
        if (text.kind, text.language) not in stored:
            save_text(
                kind=text.kind,
                language=text.language,
                protocol=protocol,
                subject=text.subject,
                body=text.body,
                by=None,  # the words come with the protocol, whose right to be loaded was asked already
                now=now,
            )


# --- rows -> document -----------------------------------------------------------------------------------------------


def document_of(version: rows.ProtocolVersion) -> Document:
    """Return a stored version as the document it came from, in a constant number of queries."""
    version = (
        rows.ProtocolVersion.objects.whole()
        .prefetch_related("protocol__consent_texts", "protocol__message_texts")
        .get(pk=version.pk)
    )
    consent = None
    if version.consent_at:
        consent = written.Consent(
            version.consent_at,
            tuple(
                CoolingOff(Amount.parse(wait.amount), wait.jurisdiction, wait.under_age)
                for wait in version.cooling_off.all()
            ),
            _amount(version.consent_valid_for),
            ConsentScope(version.consent_scope),
            _wording(version),
        )
    return Document(
        key=version.protocol.key,
        name=version.protocol.name,
        steps=tuple(_step(step) for step in version.steps.all()),
        product=version.product,
        jurisdiction=version.jurisdiction,
        sources=tuple(version.notes.splitlines()),
        effective_from=version.effective_from,
        effective_to=version.effective_to,
        areas=_codes(version.areas.all()),
        assessment=written.Assessment(_amount(version.assessment_valid_for), _amount(version.assessment_cooling_off)),
        minimum_age=version.minimum_age,
        adult_age=version.adult_age,
        consent=consent,
        questions=tuple(
            written.RiskRule(
                rule.question.code,
                Severity(rule.severity),
                rule.valid_days,
                tuple(rule.refused_answers),
                rule.source,
                OverrideScope(rule.override_for),
            )
            for rule in version.risk_rules.all()
        ),
        follow_ups=tuple(
            written.FollowUp(
                row.key,
                row.name,
                row.step.key,
                row.kind,
                Amount.parse(row.after),
                row.tolerance_days,
                row.last_session_only,
            )
            for row in version.follow_ups.all()
        ),
        messages=tuple(
            written.MessageRule(rule.kind, rule.days, rule.booked_ahead_days, rule.is_on)
            for rule in version.message_policies.all()
        ),
        texts=tuple(
            sorted(
                (
                    written.MessageWords(text.kind, text.language, text.subject.strip(), text.body.strip())
                    for text in version.protocol.message_texts.all()
                ),
                key=lambda text: (text.kind, text.language),
            )
        ),
    )


def _step(step: rows.Step) -> written.Step:
    return written.Step(
        key=step.key,
        name=step.name,
        kind=StepKind(step.kind),
        lead_role=step.lead_role,
        phases=tuple(
            written.Phase(
                phase.name,
                phase.minutes,
                tuple(written.Need(need.role, need.capability.code) for need in phase.needs.all()),
                phase.before_minutes,
                phase.after_minutes,
            )
            for phase in step.phases.all()
        ),
        sessions=step.sessions,
        at_most=step.max_sessions,
        planned_with_course=step.planned_with_course,
        spacings=tuple(_spacing(spacing) for spacing in step.spacings.all()),
        gates=tuple(Gate(gate.name, GATES[gate.name].read(gate.parameters)) for gate in step.gates.all()),
    )


def _spacing(spacing: rows.Spacing) -> written.Spacing:
    return written.Spacing(
        reference=Reference(spacing.reference),
        reference_key=spacing.reference_key,
        floor=_amount(spacing.floor),
        minimum=_amount(spacing.minimum),
        target=_amount(spacing.target),
        tolerance_days=spacing.tolerance_days,
        overdue=_amount(spacing.overdue),
        lapse=_amount(spacing.lapse),
        areas=_codes(spacing.areas.all()),
        late_bands=tuple(
            LateBand(Amount.parse(band.from_amount), _amount(band.until_amount), LateAction(band.action), band.note)
            for band in spacing.late_bands.all()
        ),
        effective_from=spacing.effective_from,
        effective_to=spacing.effective_to,
    )


def _wording(version: rows.ProtocolVersion) -> tuple[tuple[str, str], ...]:
    return tuple((text.language, text.body) for text in consent_texts_of(version))


def _codes(areas: Iterable[Area]) -> tuple[str, ...]:
    return tuple(sorted(area.code for area in areas))


def _amount(text: str) -> Amount | None:
    return Amount.parse(text) if text else None


def _amount_text(amount: Amount | None) -> str:
    return "" if amount is None else str(amount)
