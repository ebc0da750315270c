"""Gates of the patient: who has consented, age, what holds the course, and whether there is a patient to treat."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from scheduling.planner.amounts import after, birthday
from scheduling.planner.facts import ConsentFacts, ConsentRule, ConsentScope, CourseFacts, GateAnswer, Step

from .kinds import CLOSED, PENDING, Code, DatedSession, closed, first_of, gate

# --- consent --------------------------------------------------------------------------------------------------------


def _guardian_turns(asked: DatedSession, until: date) -> Iterable[date]:
    for guardian in asked.course.patient.guardians:
        yield from (on for on in (guardian.from_on,) if on)
        yield from (on + timedelta(days=1) for on in (guardian.until_on,) if on)


@gate(
    Code("consent_withdrawn"),
    Code("consent_missing", (CLOSED, PENDING)),
    Code("consent_expired", (CLOSED, PENDING)),
    Code("consent_cooling_off"),
    Code("guardian_missing"),
    Code("guardian_consent_missing"),
    Code("of_age_unknown"),
    turns=_guardian_turns,
)
def consent(asked: DatedSession) -> list[GateAnswer]:
    """A signed consent stands: at booking, or (where the protocol says so) when the visit begins.

    It is the course's, or where the protocol says so one for this session alone. For a patient who is under age on the
    date of the session, a guardian is on record and has given it; a birth date that is not known makes nobody of age. A
    protocol that lists the gate and says nothing about consent asks for it at booking.
    """
    rule = asked.course.protocol.consent or ConsentRule(at="booking")
    given = asked.session.consent if rule.scope is ConsentScope.SESSION else asked.course.consent
    can_still_be_signed = rule.at == "visit"
    answers = []
    if given is not None and given.withdrawn_on is not None and given.withdrawn_on <= asked.today:
        answers.append(closed("consent_withdrawn"))
    elif given is None or given.signed_on is None:
        answers.append(
            _until_the_visit("consent_missing", asked.on) if can_still_be_signed else closed("consent_missing")
        )
    elif max(asked.on, asked.today) >= _consent_ends(rule, given, given.signed_on):
        answers.append(
            _until_the_visit("consent_expired", asked.on) if can_still_be_signed else closed("consent_expired")
        )
    if given is not None and asked.on < (opens_on := _time_to_think_ends(rule, given, asked.course)):
        answers.append(closed("consent_cooling_off", opens_on=opens_on))
    if _is_younger(asked, asked.course.protocol.adult_age):
        if not any(
            (g.from_on or date.min) <= asked.on <= (g.until_on or date.max) for g in asked.course.patient.guardians
        ):
            answers.append(closed("guardian_missing"))
        if given is not None and given.signed_on is not None and not given.by_guardian:
            answers.append(closed("guardian_consent_missing"))
    if asked.course.patient.born_on is None:
        answers.append(closed("of_age_unknown"))
    return answers


def _until_the_visit(code: str, on: date) -> GateAnswer:
    return GateAnswer(code, PENDING, changes_on=(on,))


def _consent_ends(rule: ConsentRule, given: ConsentFacts, signed_on: date) -> date:
    return first_of(given.expires_on, after(rule.valid_for, signed_on))


def _time_to_think_ends(rule: ConsentRule, given: ConsentFacts, course: CourseFacts) -> date:
    """Return the first date on which no time to think stands in the way: the longest one that applies counts.

    One for the young ends on the birthday, too.
    """
    ends = [given.informed_on]
    for wait in rule.cooling_off:
        if (
            wait.jurisdiction
            and course.place != wait.jurisdiction
            and not course.place.startswith(f"{wait.jurisdiction}-")
        ):
            continue
        over_on = wait.amount.after(given.informed_on)
        born_on = course.patient.born_on
        if wait.under_age is not None and born_on is not None:
            over_on = min(over_on, birthday(born_on, wait.under_age))
        ends.append(over_on)
    return max(ends)


# --- age ------------------------------------------------------------------------------------------------------------


def _has_minimum_age(step: Step, course: CourseFacts) -> bool:
    return course.protocol.minimum_age is not None


@gate(Code("too_young"), Code("birth_date_missing"), always=True, concerns=_has_minimum_age)
def age(asked: DatedSession) -> list[GateAnswer]:
    """The patient is as old as the protocol asks for. Unknown is not old enough."""
    least, born_on = asked.course.protocol.minimum_age, asked.course.patient.born_on
    if least is None:
        return []
    if born_on is None:
        return [closed("birth_date_missing")]
    return [closed("too_young", opens_on=birthday(born_on, least))] if _is_younger(asked, least) else []


def _is_younger(asked: DatedSession, years: int) -> bool:
    """Whether the patient is known to be younger on the date of the session."""
    born_on = asked.course.patient.born_on
    return born_on is not None and asked.on < birthday(born_on, years)


# --- hold -----------------------------------------------------------------------------------------------------------


def _is_held(step: Step, course: CourseFacts) -> bool:
    return bool(course.holds)


@gate(Code("course_on_hold"), always=True, concerns=_is_held)
def hold(asked: DatedSession) -> list[GateAnswer]:
    """Nothing holds the course. A hold is lifted by whom it names, never overridden."""
    return [closed("course_on_hold", hold.code) for hold in asked.course.holds]


# --- patient_active -------------------------------------------------------------------------------------------------


def _is_gone(step: Step, course: CourseFacts) -> bool:
    return course.patient.deceased_on is not None or course.patient.merged_away


@gate(Code("patient_deceased"), Code("patient_merged"), always=True, concerns=_is_gone)
def patient_active(asked: DatedSession) -> list[GateAnswer]:
    """The patient lives, and the record is not merged into another."""
    answers = []
    if asked.course.patient.deceased_on is not None:
        answers.append(closed("patient_deceased"))
    if asked.course.patient.merged_away:
        answers.append(closed("patient_merged"))
    return answers
