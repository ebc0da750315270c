"""Clinical conditions that must be open before a session may happen: one function per gate, asked at four moments.

Each gate answers with what is *not* open, for a session on a date, as known on `today` (the site's local date at
asking). `GATES` holds every gate with its codes, the parameters it takes, and the dates on which it turns: between two
such dates one code about one subject changes at most once, as the date of the session grows. The search relies on it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from .amounts import Amount, DayOfYear, after, birthday
from .facts import (
    AssessmentFacts,
    ConsentFacts,
    ConsentRule,
    ConsentScope,
    CourseFacts,
    Gate,
    GateAnswer,
    GateState,
    LateAction,
    Moment,
    OutcomeResult,
    Parameter,
    Reflux,
    RiskRule,
    SessionFacts,
    SessionState,
    Severity,
    Step,
    StepKind,
)
from .windows import GONE, NO_DATES, is_as_strict, late_band_of, late_references

PRESCRIBER = "prescriber"
CLOSED, PENDING = GateState.CLOSED, GateState.PENDING
ONE_DAY = timedelta(days=1)
BEFORE_LAST_SESSION = "answer_before_last_session"
# Codes of questions that are to be asked; the last only at check-in.
ASK_AGAIN = ("answer_missing", "answer_expired", "answer_due_again", BEFORE_LAST_SESSION)

_Kind = TypeVar("_Kind", int, Amount, DayOfYear)


@dataclass(frozen=True, slots=True)
class Asked:
    """A session on a date, in its course, as known on `today`; `dates` are those assumed for other sessions of it."""

    session: SessionFacts
    on: date
    course: CourseFacts
    today: date
    dates: Mapping[UUID, date] = field(default_factory=dict)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def count(self, name: str) -> int:
        return _typed(self.parameters[name], int)

    def amount(self, name: str) -> Amount:
        return _typed(self.parameters[name], Amount)

    def day_of_year(self, name: str) -> DayOfYear:
        return _typed(self.parameters[name], DayOfYear)


@dataclass(frozen=True, slots=True)
class Code:
    """One way in which a gate is not open, in the states it can have. `override` is the role that may silence it."""

    code: str
    states: tuple[GateState, ...] = (CLOSED,)
    override: str = ""


class Takes(StrEnum):
    """What a parameter of a gate may be."""

    COUNT = "count"
    AMOUNT = "amount"
    DAY_OF_YEAR = "day_of_year"
    PROTOCOL = "protocol"  # the key of another protocol
    AREAS = "areas"  # codes of areas; a file may name regions


READ: Mapping[Takes, Callable[[Any], Parameter]] = {
    Takes.COUNT: int,
    Takes.AMOUNT: Amount.parse,
    Takes.DAY_OF_YEAR: DayOfYear.parse,
    Takes.PROTOCOL: str,
    Takes.AREAS: frozenset,
}

GateFunction = Callable[[Asked], list[GateAnswer]]
Concerns = Callable[[Step, CourseFacts], bool]
Turns = Callable[[Asked, date], Iterable[date]]


@dataclass(frozen=True, slots=True)
class GateKind:
    """A gate, and all that is to be known of it without asking it."""

    ask: GateFunction
    codes: tuple[Code, ...]
    takes: Mapping[str, Takes]  # every parameter must be given
    may_take: Mapping[str, Takes]  # these may be left out
    always: bool  # asked of every session; no step lists it
    both_ways: bool  # asked of every session, once: it looks up what its step lists, and what others list about it
    for_treatments: bool  # only a treatment step may list it
    repeats: bool  # a step may list it several times, with other parameters
    concerns: Concerns  # False: it says nothing of a step's sessions on any date, so it is not asked
    turns: Turns  # dates in (asked.on, until] between which each of its codes changes at most once

    def read(self, written: Mapping[str, object]) -> dict[str, Parameter]:
        """Return parameters from what `as_json` made of them."""
        takes = {**self.takes, **self.may_take}
        return {name: READ[takes[name]](value) for name, value in written.items()}


GATES: dict[str, GateKind] = {}  # in the order in which they are asked


def as_json(gate: Gate) -> dict[str, int | str | list[str]]:
    """Return a gate's parameters as JSON, which its kind reads back."""
    return {name: _json_of(value) for name, value in gate.parameters.items()}


def _json_of(value: Parameter) -> int | str | list[str]:
    match value:
        case int():
            return value
        case frozenset():
            return sorted(value)
    return str(value)


def _never(asked: Asked, until: date) -> Iterable[date]:
    return ()


def _anything(step: Step, course: CourseFacts) -> bool:
    return True


def gate(
    *codes: Code,
    takes: Mapping[str, Takes] | None = None,
    may_take: Mapping[str, Takes] | None = None,
    always: bool = False,
    both_ways: bool = False,
    for_treatments: bool = False,
    repeats: bool = False,
    concerns: Concerns = _anything,
    turns: Turns = _never,
) -> Callable[[GateFunction], GateFunction]:
    """Enter a gate into GATES, under the function's name."""

    def enter(ask: GateFunction) -> GateFunction:
        GATES[ask.__name__] = GateKind(
            ask, codes, takes or {}, may_take or {}, always, both_ways, for_treatments, repeats, concerns, turns
        )
        return ask

    return enter


# --- when gates turn ------------------------------------------------------------------------------------------------


def _new_years(asked: Asked, until: date) -> Iterable[date]:
    return (date(year, 1, 1) for year in range(asked.on.year + 1, until.year + 1))


def _season_turns(asked: Asked, until: date) -> Iterable[date]:
    for year in range(asked.on.year, until.year + 1):
        yield asked.day_of_year("from").first_on_or_after(date(year, 1, 1))
        yield _after_season(asked.day_of_year("until"), date(year, 1, 1))


def _apart_turns(asked: Asked, until: date) -> Iterable[date]:
    for _protocol, begins, ends in _too_near(asked):
        yield from (begins, ends)


def _late_turns(asked: Asked, until: date) -> Iterable[date]:
    for spacing, anchor in late_references(asked.session, asked.course):
        for band in spacing.late_bands:
            yield band.begins.after(anchor)
            if band.ends is not None:
                yield band.ends.after(anchor)


def _guardian_turns(asked: Asked, until: date) -> Iterable[date]:
    for guardian in asked.course.patient.guardians:
        yield from (on for on in (guardian.from_on,) if on)
        yield from (on + ONE_DAY for on in (guardian.until_on,) if on)


# --- of whom gates have nothing to say ------------------------------------------------------------------------------


def _is_treated_elsewhere(step: Step, course: CourseFacts) -> bool:
    return step.kind is StepKind.TREATMENT and bool(course.elsewhere)


def _has_late_bands(step: Step, course: CourseFacts) -> bool:
    return any(spacing.late_bands for spacing in step.spacings)


def _has_minimum_age(step: Step, course: CourseFacts) -> bool:
    return course.protocol.minimum_age is not None


def _is_held(step: Step, course: CourseFacts) -> bool:
    return bool(course.holds)


def _is_gone(step: Step, course: CourseFacts) -> bool:
    return course.patient.deceased_on is not None or course.patient.merged_away


# --- the gates ------------------------------------------------------------------------------------------------------


@gate(
    Code("assessment_missing"),
    Code("assessment_expired"),
    Code("assessment_unsuitable"),
    Code("assessment_cooling_off"),
)
def assessment(asked: Asked) -> list[GateAnswer]:
    """A clinician has assessed the patient as suitable, long enough ago and not too long ago."""
    done, rule = asked.course.assessment, asked.course.protocol.assessment
    if done is None:
        return [_closed("assessment_missing")]
    answers = []
    if max(asked.on, asked.today) >= _first(done.expires_on, after(rule.valid_for, done.assessed_on)):
        answers.append(_closed("assessment_expired"))
    if not done.suitable:
        answers.append(_closed("assessment_unsuitable"))
    if rule.cooling_off and asked.on < (opens_on := rule.cooling_off.after(done.assessed_on)):
        answers.append(_closed("assessment_cooling_off", opens_on=opens_on))
    return answers


@gate(Code("reflux_not_checked"), Code("reflux_untreated"), Code("reflux_treated_recently"))
def reflux(asked: Asked) -> list[GateAnswer]:
    """Underlying varicose veins: none, or treated and long enough ago. Not assessed is not checked."""
    found: AssessmentFacts | None = asked.course.assessment
    match found.reflux if found else Reflux.NOT_CHECKED:
        case Reflux.NOT_CHECKED:
            return [_closed("reflux_not_checked")]
        case Reflux.UNTREATED:
            return [_closed("reflux_untreated")]
        case Reflux.TREATED if found and (found.reflux_clear_on is None or asked.on < found.reflux_clear_on):
            return [_closed("reflux_treated_recently", opens_on=found.reflux_clear_on)]
    return []


@gate(
    Code("answer_missing"),
    Code("answer_expired"),
    Code("answer_due_again", (PENDING,)),
    Code("risk_absolute"),
    Code("risk_relative", override=PRESCRIBER),
    Code("risk_ask"),
)
def answers(asked: Asked) -> list[GateAnswer]:
    """Every risk question of the protocol is answered, recently enough and well. Unknown is not "no".

    Of a session that is booked, an answer that has grown too old since is to be asked again before the visit: pending.
    """
    return [answer for rule in asked.course.protocol.risks for answer in _risk(rule, asked)]


@gate(Code("area_not_allowed"))
def area(asked: Asked) -> list[GateAnswer]:
    """The protocol may treat every area that the session names."""
    return [_closed("area_not_allowed", name) for name in sorted(asked.session.areas - asked.course.protocol.areas)]


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
def consent(asked: Asked) -> list[GateAnswer]:
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
        answers.append(_closed("consent_withdrawn"))
    elif given is None or given.signed_on is None:
        answers.append(
            _until_the_visit("consent_missing", asked.on) if can_still_be_signed else _closed("consent_missing")
        )
    elif max(asked.on, asked.today) >= _consent_ends(rule, given, given.signed_on):
        answers.append(
            _until_the_visit("consent_expired", asked.on) if can_still_be_signed else _closed("consent_expired")
        )
    if given is not None and asked.on < (opens_on := _time_to_think_ends(rule, given, asked.course)):
        answers.append(_closed("consent_cooling_off", opens_on=opens_on))
    if _is_younger(asked, asked.course.protocol.adult_age):
        if not any(
            (g.from_on or date.min) <= asked.on <= (g.until_on or date.max) for g in asked.course.patient.guardians
        ):
            answers.append(_closed("guardian_missing"))
        if given is not None and given.signed_on is not None and not given.by_guardian:
            answers.append(_closed("guardian_consent_missing"))
    if asked.course.patient.born_on is None:
        answers.append(_closed("of_age_unknown"))
    return answers


@gate(
    Code("outcome_missing"),
    Code("outcome_stop"),
    Code("outcome_review"),
    Code("outcome_awaited", (PENDING,)),
)
def outcome(asked: Asked) -> list[GateAnswer]:
    """The treatment before it has an outcome that lets the course go on; one that is still to come is awaited."""
    before = [
        s
        for s in asked.course.sessions
        if s.position < asked.session.position and s.step.kind is StepKind.TREATMENT and s.state not in GONE
    ]
    answers = []
    performed = [s for s in before if s.state is SessionState.PERFORMED]
    if performed:
        last = performed[-1]
        if last.outcome is None:
            answers.append(_closed("outcome_missing", last.step.key))
        elif last.outcome.result is OutcomeResult.STOP:
            answers.append(_closed("outcome_stop", last.step.key))
        elif last.outcome.result is OutcomeResult.REVIEW and not last.outcome.cleared:
            answers.append(_closed("outcome_review", last.step.key))
    if before and before[-1].state is SessionState.OPEN:
        awaited = before[-1]
        changes_on = (awaited.booked.on,) if awaited.booked else ()
        answers.append(GateAnswer("outcome_awaited", PENDING, awaited.step.key, changes_on=changes_on))
    return answers


@gate(
    Code("yearly_limit_reached"),
    takes={"at_most": Takes.COUNT},
    for_treatments=True,
    turns=_new_years,
)
def yearly_limit(asked: Asked) -> list[GateAnswer]:
    """The patient has had, or has booked, fewer treatments of the protocol than a calendar year may have."""
    if yearly_room(asked.session, asked.on.year, asked.course, asked.count("at_most"), asked.dates, asked.on) > 0:
        return []
    return [_closed("yearly_limit_reached", opens_on=date(asked.on.year + 1, 1, 1))]


@gate(Code("review_due", (CLOSED, PENDING)), takes={"every": Takes.COUNT}, for_treatments=True)
def review_due(asked: Asked) -> list[GateAnswer]:
    """A clinician has assessed the patient anew before more than so many treatments followed the last assessment.

    A treatment on the day of the assessment counts as one that followed it. What is still to be performed before this
    session makes it pending: it will be known when the last treatment that is allowed has taken place.
    """
    course, every = asked.course, asked.count("every")
    since = course.assessment.assessed_on if course.assessment else date.min
    treatments = [s for s in course.sessions if _is_treatment(s) and s.position < asked.session.position]
    performed = sum(s.performed_on is not None and s.performed_on >= since for s in treatments)
    performed += sum(t.performed and t.on >= since for t in course.elsewhere if t.protocol == course.protocol.key)
    if performed >= every:
        return [_closed("review_due")]
    awaited = [s for s in treatments if s.state is SessionState.OPEN]
    if performed + len(awaited) < every:
        return []
    last = awaited[every - performed - 1]
    return [GateAnswer("review_due", PENDING, changes_on=(last.booked.on,) if last.booked else ())]


@gate(
    Code("season_closed"),
    takes={"from": Takes.DAY_OF_YEAR, "until": Takes.DAY_OF_YEAR},
    repeats=True,
    turns=_season_turns,
)
def season(asked: Asked) -> list[GateAnswer]:
    """The date lies outside a pause that comes every year, both days inclusive; it may lead over New Year."""
    begins, ends, on = asked.day_of_year("from"), asked.day_of_year("until"), DayOfYear.of(asked.on)
    is_inside = begins <= on <= ends if begins <= ends else on >= begins or on <= ends
    return [_closed("season_closed", opens_on=_after_season(ends, asked.on))] if is_inside else []


@gate(
    Code("too_near_other_treatment", override=PRESCRIBER),
    takes={"protocol": Takes.PROTOCOL, "at_least": Takes.AMOUNT},
    may_take={"areas": Takes.AREAS},
    both_ways=True,
    for_treatments=True,
    repeats=True,
    concerns=_is_treated_elsewhere,
    turns=_apart_turns,
)
def apart(asked: Asked) -> list[GateAnswer]:
    """No treatment of another protocol is, or was, too near, before the session or after it.

    It is enough that one of the two protocols asks for the distance: a session that may not stand near a treatment, and
    a treatment that may not stand near a session, are the same two visits. Hence it is asked whatever the step lists.
    """
    taken: dict[str, list[tuple[date, date]]] = defaultdict(list)
    for protocol, begins, ends in _too_near(asked):
        taken[protocol].append((begins, ends))
    answers = []
    for protocol, spans in sorted(taken.items()):
        opens_on = asked.on
        for begins, ends in sorted(spans):
            if begins <= opens_on < ends:
                opens_on = ends
        if opens_on != asked.on:
            answers.append(_closed("too_near_other_treatment", protocol, opens_on=opens_on, override=PRESCRIBER))
    return answers


@gate(
    Code("late_review", override=PRESCRIBER),
    Code("late_repeat_step", override=PRESCRIBER),
    Code("late_restart", override=PRESCRIBER),
    always=True,
    concerns=_has_late_bands,
    turns=_late_turns,
)
def late(asked: Asked) -> list[GateAnswer]:
    """What the step's late bands ask for on that date is done: a new assessment, or a clinician's decision.

    A decision that goes further than the band asks for is one, but for a review: that is a new assessment, whoever asks
    for it. Bands that only say how the session changes refuse nothing.
    """
    band, decided = late_band_of(asked.session, asked.on, asked.course), asked.session.late_action
    if band is None or band.action in (LateAction.BOOK_ANYWAY, LateAction.SHORTEN):
        return []
    if LateAction.REVIEW in (band.action, decided):
        done = asked.course.assessment
        is_done = done is not None and done.assessed_on >= band.first_on
        return [] if is_done else [_closed("late_review", override=PRESCRIBER)]
    return [] if is_as_strict(decided, band.action) else [_closed(f"late_{band.action}", override=PRESCRIBER)]


@gate(Code("too_young"), Code("birth_date_missing"), always=True, concerns=_has_minimum_age)
def age(asked: Asked) -> list[GateAnswer]:
    """The patient is as old as the protocol asks for. Unknown is not old enough."""
    least, born_on = asked.course.protocol.minimum_age, asked.course.patient.born_on
    if least is None:
        return []
    if born_on is None:
        return [_closed("birth_date_missing")]
    return [_closed("too_young", opens_on=birthday(born_on, least))] if _is_younger(asked, least) else []


@gate(Code("course_on_hold"), always=True, concerns=_is_held)
def hold(asked: Asked) -> list[GateAnswer]:
    """Nothing holds the course. A hold is lifted by whom it names, never overridden."""
    return [_closed("course_on_hold", hold.code) for hold in asked.course.holds]


@gate(Code("patient_deceased"), Code("patient_merged"), always=True, concerns=_is_gone)
def patient_active(asked: Asked) -> list[GateAnswer]:
    """The patient lives, and the record is not merged into another."""
    answers = []
    if asked.course.patient.deceased_on is not None:
        answers.append(_closed("patient_deceased"))
    if asked.course.patient.merged_away:
        answers.append(_closed("patient_merged"))
    return answers


# --- asking them ----------------------------------------------------------------------------------------------------


def gate_answers(
    session: SessionFacts, on: date, course: CourseFacts, today: date, dates: Mapping[UUID, date] = NO_DATES
) -> list[GateAnswer]:
    """Return every answer that is not open, in the order of GATES, overrides taken into account.

    A session is asked for the gates that its step lists, and for those that need no listing. `dates` are assumed for
    other sessions of the course. Raise KeyError for a gate that does not exist: a protocol that names one must not be
    saved, and never counts as open.
    """
    return [
        answer
        for kind, parameters in _gates_of(session.step, course)
        for answer in kind.ask(Asked(session, on, course, today, dates, parameters))
        if not is_overridden(answer.code, answer.subject, answer.override, session, on, course)
    ]


def not_asked_since(session: SessionFacts, course: CourseFacts) -> list[GateAnswer]:
    """Return the risk questions answered last before, or on the day of, the treatment before this session.

    They are asked again before every session, however long an answer would hold. Only check-in asks for it: until then
    there is time. A step that does not list the gate `answers` asks for none.
    """
    if not any(gate.name == "answers" for gate in session.step.gates):
        return []
    before = [
        other.performed_on
        for other in course.sessions
        if other.performed_on is not None
        and other.step.kind is StepKind.TREATMENT
        and other.position < session.position
    ]
    last_on = max(before, default=date.min)
    return [
        GateAnswer(BEFORE_LAST_SESSION, PENDING, rule.question)
        for rule in course.protocol.risks
        if (given := course.patient.answers.get(rule.question)) is not None and given.given_on <= last_on
    ]


def could_refuse(step: Step, course: CourseFacts) -> bool:
    """Whether there is any gate to ask about the sessions of a step; False: all are open on every date."""
    return bool(_gates_of(step, course))


def turning_dates(session: SessionFacts, first_on: date, last_on: date, course: CourseFacts, today: date) -> list[date]:
    """Return the dates from the first one on between which no code of a gate changes more than once, in order."""
    turns = {
        on
        for kind, parameters in _gates_of(session.step, course)
        for on in kind.turns(Asked(session, first_on, course, today, NO_DATES, parameters), last_on)
    }
    return sorted({first_on} | {on for on in turns if first_on < on <= last_on})


def yearly_room(
    session: SessionFacts,
    year: int,
    course: CourseFacts,
    at_most: int,
    dates: Mapping[UUID, date] = NO_DATES,
    on: date = date.min,
) -> int:
    """Return how many treatments of the protocol a calendar year still has room for, without this session.

    Taken is what is performed or booked, in the patient's other courses too. A visit that is booked `on` that date
    already stands before those that are booked for later.
    """
    is_booked = session.booked is not None and session.booked.on == on
    others = [
        (s.performed_on or dates.get(s.id) or (s.booked.on if s.booked else None), s.performed_on is not None)
        for s in course.sessions
        if s.id != session.id and _is_treatment(s)
    ] + [(t.on, t.performed) for t in course.elsewhere if t.protocol == course.protocol.key]
    return at_most - sum(
        other is not None and other.year == year and (performed or not is_booked or other <= on)
        for other, performed in others
    )


def is_overridden(code: str, subject: str, role: str, session: SessionFacts, on: date, course: CourseFacts) -> bool:
    """Whether an override silences this for the session on that date; nothing silences what no role may override."""
    return bool(role) and any(
        o.rule == code and o.subject == subject and o.session in (None, session.id) and on <= o.expires_on
        for o in course.overrides
    )


def refuses(answer: GateAnswer, moment: Moment) -> bool:
    """Whether an answer stands in the way at that moment; at `message` the mail is dropped and a task raised.

    A plan only reports. Booking and messages go on while something is pending; nobody checks in before it is known.
    """
    match answer.state, moment:
        case (GateState.OPEN, _) | (_, Moment.PLAN):
            return False
        case GateState.PENDING, _:
            return moment is Moment.CHECK_IN
        case _:
            return True


def _gates_of(step: Step, course: CourseFacts) -> list[tuple[GateKind, Mapping[str, Parameter]]]:
    """Return the gates that a session is asked for, in the order of GATES, each with its parameters."""
    if not step.gates:
        return [(kind, {}) for kind in _unlisted() if kind.concerns(step, course)]
    listed: dict[str, list[Mapping[str, Parameter]]] = {}
    for one in step.gates:
        listed.setdefault(one.name, []).append(one.parameters)
    if unknown := listed.keys() - GATES.keys():
        raise KeyError(f"no such gate: {sorted(unknown)}")
    return [
        (kind, parameters)
        for name, kind in GATES.items()
        for parameters in ([{}] if kind.always or kind.both_ways else listed.get(name, []))
        if kind.concerns(step, course)
    ]


@cache
def _unlisted() -> list[GateKind]:
    """Return the gates that are asked of every session."""
    return [kind for kind in GATES.values() if kind.always or kind.both_ways]


def _is_treatment(session: SessionFacts) -> bool:
    return session.step.kind is StepKind.TREATMENT and session.state not in GONE


def _is_younger(asked: Asked, years: int) -> bool:
    """Whether the patient is known to be younger on the date of the session."""
    born_on = asked.course.patient.born_on
    return born_on is not None and asked.on < birthday(born_on, years)


def _after_season(ends: DayOfYear, on: date) -> date:
    """Return the first day after the next end of a season, from a date on."""
    last = ends.first_on_or_after(on)
    return last + ONE_DAY if DayOfYear.of(last) == ends else last


def _too_near(asked: Asked) -> Iterator[tuple[str, date, date]]:
    """Yield the dates [begins, ends) that are too near a treatment elsewhere, with its protocol, for each who says so.

    Only treatments are kept apart from each other, so an assessment is not asked.
    """
    if asked.session.step.kind is not StepKind.TREATMENT:
        return
    ours = [gate for gate in asked.session.step.gates if gate.name == "apart"]
    for other in asked.course.elsewhere:
        for gates, kept_from in ((ours, other.protocol), (other.apart, asked.course.protocol.key)):
            for one in gates:
                if one.parameters["protocol"] == kept_from and _are_both_in(one, asked.session.areas, other.areas):
                    at_least = _typed(one.parameters["at_least"], Amount)
                    yield other.protocol, _first_too_near(at_least, other.on), at_least.after(other.on)


def _are_both_in(gate: Gate, here: frozenset[str], there: frozenset[str]) -> bool:
    """Whether both treat one of the gate's areas, as far as it is known; a gate without areas is for all."""
    return not gate.areas or all(not areas or bool(areas & gate.areas) for areas in (here, there))


def _first_too_near(at_least: Amount, other_on: date) -> date:
    """Return the first date that is less than so long before another."""
    last = other_on.toordinal()
    days = range(max(1, last - 31 * at_least.months - abs(at_least.days)), last)
    near = bisect_right(days, other_on, key=lambda day: at_least.after(date.fromordinal(day)))
    return date.fromordinal(days[near]) if near < len(days) else other_on


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


def _typed(value: Parameter, kind: type[_Kind]) -> _Kind:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _risk(rule: RiskRule, asked: Asked) -> list[GateAnswer]:
    given = asked.course.patient.answers.get(rule.question)
    if given is None:
        return [_closed("answer_missing", rule.question)]
    found = []
    asked_again_on = given.given_on + timedelta(days=rule.valid_days + 1)
    if asked.today >= asked_again_on and (asked.session.booked is None or asked.on <= asked.today):
        found.append(_closed("answer_expired", rule.question))
    elif asked.on >= asked_again_on:
        found.append(GateAnswer("answer_due_again", PENDING, rule.question, changes_on=(asked_again_on,)))
    if given.value in rule.refused_answers and not (rule.severity is Severity.ASK and given.reviewed):
        override = PRESCRIBER if rule.severity is Severity.RELATIVE else ""
        found.append(_closed(f"risk_{rule.severity}", rule.question, override=override))
    return found


def _consent_ends(rule: ConsentRule, given: ConsentFacts, signed_on: date) -> date:
    return _first(given.expires_on, after(rule.valid_for, signed_on))


def _first(*dates: date | None) -> date:
    return min((day for day in dates if day is not None), default=date.max)


def _closed(code: str, subject: str = "", *, opens_on: date | None = None, override: str = "") -> GateAnswer:
    return GateAnswer(code, CLOSED, subject, opens_on=opens_on, override=override)


def _until_the_visit(code: str, on: date) -> GateAnswer:
    return GateAnswer(code, PENDING, changes_on=(on,))
