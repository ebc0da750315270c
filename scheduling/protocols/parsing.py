"""Reads a protocol file and finds everything that is wrong with it. Pure: the known words are handed in."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations, pairwise
from typing import TypeVar

from django.utils.translation import gettext as _

from clinic.errors import Problem
from scheduling.models import FollowUp as FollowUpRow
from scheduling.models import MessageKind
from scheduling.outbox import placeholders
from scheduling.planner.amounts import Amount, DayOfYear
from scheduling.planner.facts import (
    ADULT_AGE,
    ConsentScope,
    CoolingOff,
    Gate,
    LateAction,
    LateBand,
    OverrideScope,
    Parameter,
    Reference,
    Severity,
    StepKind,
)
from scheduling.planner.gates import GATES, Takes, as_json

from .agreeing import doubt_texts, refuse_what_does_not_agree
from .document import (
    Assessment,
    Consent,
    Document,
    FollowUp,
    MessageRule,
    MessageWords,
    Need,
    Phase,
    RiskRule,
    Spacing,
    Step,
)
from .reading import ProtocolInvalid, Value, read
from .vocabulary import Vocabulary

BEFORE_THE_VISIT = frozenset({MessageKind.PREPARATION, MessageKind.REMINDER})
AMOUNTS = ("floor", "minimum", "target", "overdue", "lapse")
AFTER_THE_SESSION = frozenset({MessageKind.FINISHED})
NEEDS_AN_ASSESSMENT = frozenset({"assessment", "reflux"})
OLDEST_AGE = 120
SESSIONS_AT_MOST = 500
EXAMPLES = {Takes.COUNT: "5", Takes.AMOUNT: "2 weeks", Takes.DAY_OF_YEAR: "05-01", Takes.PROTOCOL: "hepatitis_b"}
CONSENT_AT = ("booking", "visit")
LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,6})?")
JURISDICTION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
MINUTES_AT_MOST = 12 * 60
DAYS_AT_MOST = 3650
PLACEHOLDER = Amount(0, 0, "")  # stands where an amount was refused: such a document is never handed out

_Item = TypeVar("_Item")


def parse(text: str, words: Vocabulary) -> Document:
    """Return what a protocol file says, or raise ProtocolInvalid with all that is wrong, in the file's order."""
    document, _doubts = parse_and_doubt(text, words)
    return document


def parse_and_doubt(text: str, words: Vocabulary) -> tuple[Document, tuple[Problem, ...]]:
    """Return what a protocol file says, and what in it is well written and hardly meant; raise as `parse` does."""
    file = read(text)
    document = _document(file, words)
    if file.problems:
        raise ProtocolInvalid(*sorted(file.problems, key=_line))
    if document is None:
        raise AssertionError("a file without a problem is a document")
    doubt_texts(file, document)
    return document, tuple(sorted(file.doubts, key=_line))


def _line(problem: Problem) -> int:
    return int(problem.details["line"])


def _document(file: Value, words: Vocabulary) -> Document | None:
    top = file.fields(
        "protocol", "name", "product", "jurisdiction", "sources", "effective_from", "effective_to", "areas",
        "minimum_age", "adult_age", "assessment", "consent", "questions", "steps", "follow_ups", "messages", "texts",
        required=["protocol", "name", "steps"],
    )  # fmt: skip
    if top is None:
        return None
    steps = _steps(top["steps"], top["protocol"].peek_text(), words)
    effective_from, effective_to = _effective(top)
    document = Document(
        key=top["protocol"].key(),
        name=top["name"].words(120),
        steps=steps,
        product=top["product"].words(120),
        jurisdiction=_jurisdiction(top["jurisdiction"]),
        sources=tuple(item.words(500) for item in top["sources"].items()),
        effective_from=effective_from,
        effective_to=effective_to,
        areas=_areas(top["areas"], words),
        minimum_age=top["minimum_age"].optional_number(1, OLDEST_AGE),
        adult_age=top["adult_age"].number(1, OLDEST_AGE, default=ADULT_AGE),
        assessment=_assessment(top["assessment"]),
        consent=_consent(top["consent"]),
        questions=_each(top["questions"], lambda item: _risk_rule(item, words), lambda rule: rule.question),
        follow_ups=_each(top["follow_ups"], lambda item: _follow_up(item, steps), lambda follow_up: follow_up.key),
        messages=_each(top["messages"], _message_rule, lambda rule: f"{rule.kind} {rule.days or ''}".strip()),
        texts=_texts(top["texts"]),
    )
    refuse_what_does_not_agree(top, document)
    return document


# --- steps ----------------------------------------------------------------------------------------------------------


def _steps(value: Value, protocol: str, words: Vocabulary) -> tuple[Step, ...]:
    steps: list[Step] = []
    seen: dict[str, int] = {}
    if value.is_there and not value.items():
        value.refuse("steps_missing", _("A protocol needs a step. Add one, beginning with “- key: …”."))
    # Keys first: a spacing that names a later step is told so, and not that there is no such step.
    keys = [item.peek("key") for item in value.items()]
    for item in value.items():
        step = _step(item, steps, keys, protocol, words)
        if step is None:
            continue
        if step.key and step.key in seen:
            item.repeated(step.key)
        seen[step.key] = item.line
        steps.append(step)
    return tuple(steps)


def _step(value: Value, before: list[Step], keys: list[str], protocol: str, words: Vocabulary) -> Step | None:
    top = value.fields(
        "key", "name", "kind", "sessions", "at_most", "planned_with_course", "lead_role", "phases", "spacings", "gates",
        required=["key", "name", "kind", "lead_role", "phases"],
    )  # fmt: skip
    if top is None:
        return None
    sessions = top["sessions"].number(1, SESSIONS_AT_MOST, default=1)
    at_most = top["at_most"].optional_number(1, SESSIONS_AT_MOST)
    if at_most is not None and sessions > at_most:
        message = _("%(sessions)s sessions are planned, but at most %(most)s allowed. Raise “at_most” or plan fewer.")
        top["at_most"].refuse("sessions_above_at_most", message % {"sessions": sessions, "most": at_most})
    kind = top["kind"].choice(StepKind)
    step = Step(
        key=top["key"].key(),
        name=top["name"].words(120),
        kind=kind or StepKind.TREATMENT,
        lead_role=top["lead_role"].key(),
        phases=tuple(_phase(item, words) for item in top["phases"].items()),
        sessions=sessions,
        at_most=at_most,
        planned_with_course=top["planned_with_course"].flag(default=True),
        gates=_each(top["gates"], lambda item: _gate(item, kind, protocol, words), _gate_name),
    )
    _has_phases(top, step)
    _asks_for_an_assessment_that_can_be_there(top, step, before)
    return replace(step, spacings=tuple(_spacing(item, step, before, keys, words) for item in top["spacings"].items()))


def _has_phases(top: dict[str, Value], step: Step) -> None:
    roles = {need.role for phase in step.phases for need in phase.needs}
    if top["phases"].is_there and not step.phases:
        top["phases"].refuse("phases_missing", _("A step needs a phase. Add one, beginning with “- name: …”."))
    elif step.lead_role and step.lead_role not in roles:
        message = _("No phase needs the role “%(role)s”. Choose one of: %(roles)s, or add it under “needs”.")
        names = ", ".join(sorted(roles)) or _("(none)")
        top["lead_role"].refuse("lead_role_not_needed", message % {"role": step.lead_role, "roles": names})
    if sum(phase.minutes + phase.buffer_before + phase.buffer_after for phase in step.phases) > MINUTES_AT_MOST:
        message = _("The phases and buffers take more than %(hours)s hours together. A session lies within a day.")
        top["phases"].refuse("session_too_long", message % {"hours": MINUTES_AT_MOST // 60})


def _asks_for_an_assessment_that_can_be_there(top: dict[str, Value], step: Step, before: list[Step]) -> None:
    if step.kind is StepKind.ASSESSMENT and not any(other.kind is StepKind.ASSESSMENT for other in before):
        for gate in sorted(NEEDS_AN_ASSESSMENT & {gate.name for gate in step.gates}):
            message = _("The first assessment cannot ask for an assessment. Remove the gate “%(gate)s” from this step.")
            top["gates"].refuse("assessment_asks_for_itself", message % {"gate": gate})


def _phase(value: Value, words: Vocabulary) -> Phase:
    top = value.fields("name", "minutes", "buffer_before", "buffer_after", "needs", required=["name", "minutes"])
    if top is None:
        return Phase("", 1, ())
    if not top["needs"].is_there:
        message = _("Add “needs: {role: capability}”: whom and what it takes. Write “needs: {}” if that is nobody.")
        top["needs"].refuse("missing", message)
    needs = []
    for role, capability in ((top["needs"].entries() if top["needs"].is_there else {}) or {}).items():
        capability.part(role).key()
        if not capability.is_there:
            capability.refuse("missing", _("Name the capability that this role needs."))
        code = capability.choice(words.capabilities, "capability_unknown", _own_words()) or ""
        needs.append(Need(role, code))
    return Phase(
        top["name"].words(80),
        top["minutes"].number(1, MINUTES_AT_MOST, default=1),
        tuple(needs),
        top["buffer_before"].number(0, MINUTES_AT_MOST, default=0),
        top["buffer_after"].number(0, MINUTES_AT_MOST, default=0),
    )


# --- gates ----------------------------------------------------------------------------------------------------------


def _gate(value: Value, step: StepKind | None, protocol: str, words: Vocabulary) -> Gate | None:
    """Read “outcome”, or “yearly_limit: {at_most: 5}”."""
    given: Value | None = None
    named = value
    if value.is_group:
        entries = value.entries() or {}
        if len(entries) != 1:
            value.refuse("gate_unreadable", _("Write one gate behind each “-”, such as: - yearly_limit: {at_most: 5}."))
            return None
        ((name, given),) = entries.items()
        named = value.part(name)
    name = named.choice(GATES, "gate_unknown") or ""
    if not name:
        return None
    kind = GATES[name]
    if kind.always:
        message = _("“%(gate)s” is always asked, of every session. Remove it from the list.")
        value.refuse("gate_always_asked", message % {"gate": name})
        return None
    if kind.for_treatments and step not in (None, StepKind.TREATMENT):
        message = _("The gate “%(gate)s” is about treatments. Remove it from this step: it is no treatment.")
        value.refuse("gate_for_treatments", message % {"gate": name})
    if given is None or not given.is_there:
        if kind.takes:
            example = ", ".join(f"{parameter}: {EXAMPLES[takes]}" for parameter, takes in kind.takes.items())
            message = _("This gate needs more. Write for example: - %(gate)s: {%(example)s}.")
            value.refuse("gate_parameters_missing", message % {"gate": name, "example": example})
        return Gate(name)
    if not kind.takes:
        given.refuse(
            "gate_takes_nothing", _("This gate takes nothing more. Write “- %(gate)s” alone.") % {"gate": name}
        )
        return Gate(name)
    every = {**kind.takes, **kind.may_take}
    top = given.fields(*every, required=kind.takes)
    if top is None:
        return None
    read = {parameter: _parameter(top[parameter], takes, words) for parameter, takes in every.items()}
    parameters = {parameter: found for parameter, found in read.items() if found is not None}
    _could_ever_be_open(given, top, parameters, protocol)
    return Gate(name, parameters)


def _parameter(value: Value, takes: Takes, words: Vocabulary) -> Parameter | None:
    match takes:
        case Takes.COUNT:
            return value.optional_number(1, SESSIONS_AT_MOST)
        case Takes.AMOUNT:
            return value.amount()
        case Takes.DAY_OF_YEAR:
            return value.day_of_year()
        case Takes.PROTOCOL:
            remedy = _("If it is a file of your own, name it together with this one.")
            return value.choice(sorted(words.protocols), "protocol_unknown", remedy)
        case Takes.AREAS:
            return frozenset(_areas(value, words)) or None


def _could_ever_be_open(value: Value, top: dict[str, Value], given: dict[str, Parameter], protocol: str) -> None:
    """Refuse what is well written and cannot be meant."""
    begins, ends = given.get("from"), given.get("until")
    if isinstance(begins, DayOfYear) and isinstance(ends, DayOfYear):
        day_after = ends.first_on_or_after(date(2000, 1, 1)) + timedelta(days=1)
        if DayOfYear.of(day_after) == begins:
            value.refuse("season_is_the_whole_year", _("This pause never ends: it begins on the day after its end."))
    if protocol and given.get("protocol") == protocol:
        message = _("A treatment is kept apart from its own kind by a spacing. Name another protocol here.")
        top["protocol"].refuse("apart_from_itself", message)
    at_least = given.get("at_least")
    if isinstance(at_least, Amount) and at_least.always_at_most(Amount(0, 0, "")):
        top["at_least"].refuse("amount_empty", _("This is no time at all. Write a longer one, or remove the gate."))


def _gate_name(gate: Gate) -> str:
    """What may stand in a step's list once: the gate, and what it takes when it may be listed with other parameters."""
    if not GATES[gate.name].repeats:
        return gate.name
    given = (as_json(gate).get(name, "") for name in (*GATES[gate.name].takes, *GATES[gate.name].may_take))
    return " ".join([gate.name, *(", ".join(v) if isinstance(v, list) else str(v) for v in given)]).strip()


# --- spacings -------------------------------------------------------------------------------------------------------


def _spacing(value: Value, step: Step, before: list[Step], keys: list[str], words: Vocabulary) -> Spacing:
    top = value.fields(
        "from", "floor", "minimum", "target", "tolerance_days", "overdue", "lapse", "only_for_areas", "late_bands",
        "effective_from", "effective_to", required=["from"],
    )  # fmt: skip
    if top is None:
        return Spacing(Reference.PREVIOUS)
    reference, key = _reference(top["from"], step, before, keys)
    amounts = {name: top[name].amount() for name in AMOUNTS}
    effective_from, effective_to = _effective(top)
    spacing = Spacing(
        reference=reference,
        reference_key=key,
        floor=amounts["floor"],
        minimum=amounts["minimum"],
        target=amounts["target"],
        tolerance_days=top["tolerance_days"].number(0, DAYS_AT_MOST, default=0),
        overdue=amounts["overdue"],
        lapse=amounts["lapse"],
        areas=_areas(top["only_for_areas"], words),
        late_bands=_late_bands(top["late_bands"], amounts["lapse"]),
        effective_from=effective_from,
        effective_to=effective_to,
    )
    _in_order(top, amounts)
    if spacing.tolerance_days and not top["target"].is_there:
        top["tolerance_days"].refuse("tolerance_without_target", _("A tolerance is around a target: add “target:”."))
    if not any(top[name].is_there for name in (*AMOUNTS, "late_bands")):
        message = _("This says nothing. Add at least one of: %(names)s.") % {"names": ", ".join(AMOUNTS)}
        value.refuse("spacing_empty", message)
    return spacing


def _in_order(top: dict[str, Value], amounts: dict[str, Amount | None]) -> None:
    """Refuse a floor above the minimum and so on, for whatever date they are counted from."""
    there = [(name, amount) for name, amount in amounts.items() if amount is not None]
    for (one, first), (other, second) in pairwise(there):
        if not first.always_at_most(second):
            message = _(
                "“%(one)s” (%(first)s) can come after “%(other)s” (%(second)s). The order is %(order)s: lengthen"
                " “%(other)s” or shorten “%(one)s”. (“4 weeks” is never longer than “1 month”; “30 days” can be.)"
            )
            words = {"one": one, "other": other, "first": first, "second": second, "order": " ≤ ".join(AMOUNTS)}
            top[one].refuse("spacing_out_of_order", message % words)


def _reference(value: Value, step: Step, before: list[Step], keys: list[str]) -> tuple[Reference, str]:
    """Read “previous”, “step KEY”, “event KEY” or “last KIND”."""
    text = value.scalar() or "previous"
    word, _space, key = text.partition(" ")
    match word:
        case "previous" if text == "previous":
            if not before and not _repeats(step):
                message = _("There is no session before the first one. %(remedy)s")
                value.refuse("reference_never_exists", message % {"remedy": _if_it_repeats()})
            return Reference.PREVIOUS, ""
        case "step" if key:
            _refuse_step(value, key, step, before, keys)
            return Reference.STEP, key
        case "event" if key:
            value.part(key).key()
            return Reference.EVENT, key
        case "last" if key:
            kind = value.part(key).choice(StepKind)
            there = any(other.kind is kind for other in before) or (_repeats(step) and step.kind is kind)
            if kind and not there:
                message = _("No session of the kind “%(kind)s” can come before this step. %(remedy)s")
                value.refuse("reference_never_exists", message % {"kind": key, "remedy": _if_it_repeats()})
            return Reference.LAST_OF_KIND, key
    message = _("“%(text)s” is no reference. Write one of: previous, step KEY, event KEY, last treatment.")
    value.refuse("reference_unreadable", message % {"text": value.scalar()})
    return Reference.PREVIOUS, ""


def _if_it_repeats() -> str:
    return _("Remove this spacing; or, if the step repeats, write how often: “sessions: 2”, or “at_most: 6”.")


def _refuse_step(value: Value, key: str, step: Step, before: list[Step], keys: list[str]) -> None:
    if any(other.key == key for other in before) or (key == step.key and _repeats(step)):
        return
    names = {"key": key, "earlier": ", ".join(other.key for other in before) or _("(none)")}
    if key in keys:
        message = _("The step “%(key)s” does not come before this one. Refer to an earlier step: %(earlier)s.")
        value.refuse("step_not_earlier", message % names)
    else:
        message = _("There is no step “%(key)s”. Refer to an earlier step: %(earlier)s.")
        value.refuse("step_unknown", message % names)


def _late_bands(value: Value, lapse: Amount | None) -> tuple[LateBand, ...]:
    bands: list[tuple[Value, LateBand]] = []
    for item in value.items():
        top = item.fields("from", "until", "action", "note", required=["from", "action"])
        if top is None:
            continue
        begins, ends = top["from"].amount(), top["until"].amount()
        action = top["action"].choice(LateAction) or LateAction.REVIEW
        if begins is None or (ends is None and top["until"].is_there):
            continue
        if ends is not None and not _has_days(begins, ends):
            message = _("From %(begins)s until %(ends)s, this band is empty or ends before it begins. Lengthen it.")
            item.refuse("late_band_empty", message % {"begins": begins, "ends": ends})
        if lapse is not None and lapse.always_at_most(begins):
            message = _(
                "The course has lapsed by then (%(lapse)s), so an assessment comes first, whatever is said here."
            )
            item.doubt("late_band_after_lapse", message % {"lapse": lapse})
        bands.append((item, LateBand(begins, ends, action, top["note"].words(200))))
    for (_item, one), (item, other) in combinations(bands, 2):
        if not _apart(one, other) and not _apart(other, one):
            message = _(
                "This band overlaps the one from %(begins)s until %(ends)s. “until” is the first day that no longer"
                " belongs to a band, so let one band begin where another ends."
            )
            item.refuse("late_bands_overlap", message % {"begins": one.begins, "ends": one.ends or _("ever after")})
    return tuple(band for _item, band in bands)


def _apart(one: LateBand, other: LateBand) -> bool:
    return one.ends is not None and one.ends.always_at_most(other.begins)


def _has_days(begins: Amount, ends: Amount) -> bool:
    """Whether a band never ends before it begins, and is not empty for every date."""
    return begins.always_at_most(ends) and not ends.always_at_most(begins)


# --- the rest of the file -------------------------------------------------------------------------------------------


def _assessment(value: Value) -> Assessment:
    top = value.fields("valid_for", "cooling_off") if value.is_there else None
    return Assessment(top["valid_for"].amount(), top["cooling_off"].amount()) if top else Assessment()


def _consent(value: Value) -> Consent | None:
    names = ("at", "scope", "cooling_off", "valid_for", "texts")
    top = value.fields(*names, required=["at", "texts"]) if value.is_there else None
    if top is None:
        return None
    texts = _languages(top["texts"])
    return Consent(
        top["at"].choice(CONSENT_AT) or "booking",
        _cooling_off(top["cooling_off"]),
        top["valid_for"].amount(),
        top["scope"].choice(ConsentScope) or ConsentScope.COURSE,
        tuple(sorted((language, text.text(100_000)) for language, text in texts.items())),
    )


def _cooling_off(value: Value) -> tuple[CoolingOff, ...]:
    """Read an amount, or a list of amounts with the places and ages that they are for."""
    if not value.is_list:
        amount = value.amount()
        return (CoolingOff(amount),) if amount is not None else ()
    return _each(value, _wait, lambda wait: f"{wait.jurisdiction} {wait.under_age or ''}".strip() or _("everywhere"))


def _wait(value: Value) -> CoolingOff | None:
    top = value.fields("amount", "jurisdiction", "under_age", required=["amount"])
    if top is None:
        return None
    return CoolingOff(
        top["amount"].amount() or PLACEHOLDER,
        _jurisdiction(top["jurisdiction"]),
        top["under_age"].optional_number(1, OLDEST_AGE),
    )


def _jurisdiction(value: Value) -> str:
    return _matching(value, JURISDICTION, "jurisdiction_malformed", _("GB, or GB-SCT"))


def _risk_rule(value: Value, words: Vocabulary) -> RiskRule | None:
    top = value.fields(
        "question", "severity", "valid_days", "refused", "override", "source",
        required=["question", "severity", "valid_days"],
    )  # fmt: skip
    if top is None:
        return None
    question = top["question"].choice(words.choices, "question_unknown", _own_words()) or ""
    choices = words.choices.get(question, ())
    refused = _each(top["refused"], lambda item: item.choice(choices, "answer_unknown") if choices else "", str)
    if not top["refused"].is_there:
        refused = ("yes",)
        if choices and "yes" not in choices:
            message = _("Add “refused:” with the answers that close the gate, of: %(choices)s.")
            value.refuse("missing", message % {"choices": ", ".join(choices)})
    elif not top["refused"].items():
        top["refused"].refuse("nothing_refused", _("Name an answer that closes the gate, or remove the question."))
    if choices and set(choices) <= set(refused):
        top["refused"].refuse("every_answer_refused", _("Nobody could ever pass. Leave out the answer that is fine."))
    severity = top["severity"].choice(Severity) or Severity.ABSOLUTE
    override = top["override"].choice(OverrideScope) if top["override"].is_there else None
    if override and severity is not Severity.RELATIVE:
        top["override"].refuse(
            "override_without_effect", _("Only an answer of severity “relative” is overridden. Remove this line.")
        )
    return RiskRule(
        question,
        severity,
        top["valid_days"].number(1, DAYS_AT_MOST, default=1),
        tuple(sorted(refused)),
        top["source"].words(300),
        OverrideScope(override or OverrideScope.SESSION),
    )


def _follow_up(value: Value, steps: tuple[Step, ...]) -> FollowUp | None:
    top = value.fields(
        "key", "name", "after_step", "kind", "after", "give_or_take_days", "only_after_last_session",
        required=["key", "name", "after_step", "kind", "after"],
    )  # fmt: skip
    if top is None:
        return None
    return FollowUp(
        top["key"].key(),
        top["name"].words(120),
        top["after_step"].choice([step.key for step in steps], "step_unknown") or "",
        top["kind"].choice(FollowUpRow.Kind.values) or "",
        top["after"].amount() or PLACEHOLDER,
        top["give_or_take_days"].number(0, DAYS_AT_MOST, default=0),
        top["only_after_last_session"].flag(default=False),
    )


def _message_rule(value: Value) -> MessageRule | None:
    top = value.fields("kind", "days_before", "days_after", "only_if_booked_days_ahead", "sent", required=["kind"])
    if top is None:
        return None
    kind = top["kind"].choice(MessageKind.values, "message_kind_unknown") or ""
    if kind == MessageKind.CHECK:
        message = _("This one is a follow-up. Write it under “follow_ups:”, with the step and the time after it.")
        top["kind"].refuse("message_is_a_follow_up", message)
    before, after = (top[name].optional_number(1, DAYS_AT_MOST) for name in ("days_before", "days_after"))
    if kind in BEFORE_THE_VISIT and not top["days_before"].is_there:
        top["days_before"].refuse("missing", _("Add “days_before:”, how many days before the visit it goes."))
    if kind and kind not in BEFORE_THE_VISIT and top["days_before"].is_there:
        top["days_before"].refuse("days_mean_nothing", _("This message does not go before a visit. Remove the line."))
    if kind and kind not in AFTER_THE_SESSION and top["days_after"].is_there:
        top["days_after"].refuse("days_mean_nothing", _("This message does not go after a session. Remove the line."))
    if kind and kind not in BEFORE_THE_VISIT and top["only_if_booked_days_ahead"].is_there:
        message = _("This message does not go before a visit. Remove the line.")
        top["only_if_booked_days_ahead"].refuse("days_mean_nothing", message)
    ahead = top["only_if_booked_days_ahead"].optional_number(1, DAYS_AT_MOST)
    return MessageRule(kind, before or -(after or 0), ahead, top["sent"].flag(default=True))


def _texts(value: Value) -> tuple[MessageWords, ...]:
    found = []
    for kind, group in ((value.entries() if value.is_there else {}) or {}).items():
        group.part(kind).choice(MessageKind.values, "message_kind_unknown")
        for language, words in _languages(group).items():
            top = words.fields("subject", "body", required=["subject", "body"])
            if top is not None:
                _placeholders_known(top["subject"], placeholders.SUBJECT)
                _placeholders_known(top["body"], placeholders.PLACEHOLDERS)
                found.append(MessageWords(kind, language, top["subject"].words(150), top["body"].text(100_000)))
    return tuple(sorted(found, key=lambda text: (text.kind, text.language)))


def _placeholders_known(value: Value, known: Collection[str]) -> None:
    there_are = ", ".join(f"${{{name}}}" for name in placeholders.PLACEHOLDERS if name in known)
    for name in placeholders.named_in(value.peek_text()):
        if name not in known:
            message = _("“${%(name)s}” cannot be filled in here. There are: %(there_are)s.")
            value.refuse("placeholder_unknown", message % {"name": name, "there_are": there_are})


def _languages(value: Value) -> dict[str, Value]:
    entries = (value.entries() if value.is_there else {}) or {}
    for language, text in entries.items():
        if not LANGUAGE.fullmatch(language):
            message = _("“%(text)s” is no language. Write its short form, in small letters, such as en, de or pt-br.")
            text.refuse("language_malformed", message % {"text": language})
        elif not text.is_there:
            text.refuse("missing", _("Write the text, or remove the language."))
    return entries


def _areas(value: Value, words: Vocabulary) -> tuple[str, ...]:
    """Return area codes, regions resolved to the areas that lie in them."""
    read = _each(value, lambda item: _area(item, words), lambda area: area[1])
    for item, name in read:
        for _item, other in read:
            if words.places[name] < words.places[other]:
                message = _("“%(name)s” lies in “%(other)s”, which stands here too. Remove the one that is not meant.")
                item.doubt("area_in_region", message % {"name": name, "other": other})
    return tuple(sorted(frozenset().union(*(words.places[name] for _item, name in read))))


def _area(value: Value, words: Vocabulary) -> tuple[Value, str] | None:
    name = value.choice(words.places, "area_unknown", _own_words())
    return (value, name) if name else None


def _own_words() -> str:
    """What to do about a word that the vocabulary does not have."""
    return _("See “manage.py protocol words”, or add it to a file of your own words, named together with this one.")


# --- what several parts share ---------------------------------------------------------------------------------------


def _effective(top: dict[str, Value]) -> tuple[date | None, date | None]:
    """Return the first and last day on which something is in effect."""
    begins, ends = top["effective_from"].day(), top["effective_to"].day()
    if begins and ends and ends < begins:
        message = _("It would end (%(ends)s) before it begins (%(begins)s). Correct one of the dates.")
        top["effective_to"].refuse("ends_before_it_begins", message % {"ends": ends, "begins": begins})
    return begins, ends


def _matching(value: Value, pattern: re.Pattern[str], code: str, examples: str) -> str:
    text = value.scalar() or ""
    if text and not pattern.fullmatch(text):
        message = _("“%(text)s” cannot stand here. Write for example %(examples)s.")
        value.refuse(code, message % {"text": text, "examples": examples})
    return text


def _repeats(step: Step) -> bool:
    return step.sessions > 1 or (step.at_most or 1) > 1


def _each(value: Value, one: Callable[[Value], _Item | None], name: Callable[[_Item], str]) -> tuple[_Item, ...]:
    """Return the items of a list that could be read, each name once."""
    found: dict[str, _Item] = {}
    for place in value.items():
        item = one(place)
        if item is None:
            continue
        if name(item) and name(item) in found:
            place.repeated(name(item))
        found[name(item)] = item
    return tuple(found.values())
