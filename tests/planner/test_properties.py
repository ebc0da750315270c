"""What holds for every course: history moves dates only later, plans keep their windows, gates only take away."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.planner.amounts import Amount
from scheduling.planner.cost import Weights
from scheduling.planner.explain import Unplannable
from scheduling.planner.facts import (
    AnswerFacts,
    AssessmentFacts,
    AssessmentRule,
    ConsentFacts,
    ConsentRule,
    CoolingOff,
    CourseFacts,
    HoldFacts,
    OutcomeFacts,
    OutcomeResult,
    OverrideFacts,
    PatientFacts,
    Plan,
    Reference,
    Reflux,
    RiskRule,
    Roster,
    SessionFacts,
    Severity,
    Spacing,
    Step,
    StepKind,
    TreatmentFacts,
)
from scheduling.planner.gates import GATES
from scheduling.planner.rules import violations
from scheduling.planner.search import alternatives, free_times, repair
from scheduling.planner.windows import last_date_of, windows_of
from tests.planner.build import (
    ANNA,
    BEN,
    NINE,
    PATIENT,
    TEN,
    booked,
    course,
    day,
    minutes,
    open_session,
    performed,
    roster,
    sample,
    spacing,
    step,
)
from tests.planner.checker import wrong_dates, wrong_with

TODAY = day(0)
AREAS = st.sampled_from(
    [frozenset(), *(frozenset(legs) for legs in ({"left_leg"}, {"right_leg"}, {"left_leg", "right_leg"}))]
)
LONG = [
    "3 days",
    "1 week",
    "4 weeks - 4 days",
    "4 weeks",
    "1 month",
    "6 weeks",
    "2 months",
    "3 months - 4 days",
    "1 year",
]
SHORT = ["2 days", "3 days", "5 days", "1 week", "9 days", "2 weeks", "1 month - 4 days", "1 month", "6 weeks"]
LEVELS = ("floor", "minimum", "target", "overdue", "lapse")


@st.composite
def spacings(draw, amounts: list[str], least: int = 1) -> Spacing:
    """A spacing whose amounts are in order, counted from anything, perhaps of some areas only."""
    levels = sorted(draw(st.sets(st.sampled_from(LEVELS), min_size=least)), key=LEVELS.index)
    chosen = sorted(draw(st.lists(st.integers(0, len(amounts) - 1), min_size=len(levels), max_size=len(levels))))
    reference, key = draw(
        st.sampled_from(
            [
                (Reference.PREVIOUS, ""),
                (Reference.STEP, "step_0"),
                (Reference.LAST_OF_KIND, "treatment"),
                (Reference.EVENT, "varicose_treatment"),
            ]
        )
    )
    said = {level: amounts[at] for level, at in zip(levels, chosen, strict=True)}
    return spacing(reference, key, areas=draw(AREAS), tolerance_days=draw(st.integers(0, 3)), **said)


@st.composite
def steps(draw, number: int, amounts: list[str]) -> list[Step]:
    """Steps one after the other, an assessment among them now and then."""
    kinds = st.sampled_from([StepKind.TREATMENT, StepKind.TREATMENT, StepKind.ASSESSMENT])
    return [
        step(f"step_{at}", *draw(st.lists(spacings(amounts), max_size=2)), kind=draw(kinds)) for at in range(number)
    ]


def test_the_amounts_of_these_tests_are_in_order():
    for amounts in (LONG, SHORT):
        parsed = [Amount.parse(text) for text in amounts]
        assert all(one.always_at_most(other) for one, other in pairwise(parsed))


# --- history ----------------------------------------------------------------------------------------------------------


@st.composite
def histories(draw) -> tuple[CourseFacts, CourseFacts]:
    """A course, and the same one with one thing of its past or its diary some days later."""
    planned = draw(steps(draw(st.integers(2, 5)), LONG))
    on = draw(st.dates(date(2027, 1, 1), date(2028, 12, 31)))
    number_performed = draw(st.integers(0, len(planned) - 1))
    sessions: list[SessionFacts] = []
    dated: list[int] = []
    for at, one in enumerate(planned):
        areas = draw(AREAS)
        if at < number_performed:
            sessions.append(performed(at, one, on, areas=areas, counts=draw(st.booleans())))
        elif draw(st.booleans()):
            sessions.append(booked(open_session(at, one, areas=areas), on))
        else:
            sessions.append(open_session(at, one, areas=areas))
            continue
        dated.append(at)
        on += timedelta(days=draw(st.integers(1, 60)))
    event_on = draw(st.dates(date(2026, 10, 1), date(2027, 6, 30)))
    later = timedelta(days=draw(st.integers(1, 90)))
    moved = draw(st.sampled_from([*dated, None]))
    assessment = AssessmentFacts(date(2026, 9, 1), suitable=True)  # before anything that could lapse
    before = course(*sessions, events={"varicose_treatment": event_on}, assessment=assessment)
    if moved is None:
        return before, replace(before, events={"varicose_treatment": event_on + later})
    session = sessions[moved]
    if session.performed_on is not None:
        sessions[moved] = replace(session, performed_on=session.performed_on + later)
    else:
        assert session.booked is not None
        sessions[moved] = replace(session, booked=replace(session.booked, on=session.booked.on + later))
    return before, replace(before, sessions=tuple(sessions))


@settings(max_examples=150, deadline=None)
@given(histories())
def test_what_took_place_later_never_makes_a_date_of_another_session_earlier(both):
    before, after = (windows_of(course) for course in both)

    assert before.keys() == after.keys()
    for session, window in before.items():
        later = after[session]
        for level in ("floor_on", "earliest_on", "target_on", "overdue_on", "lapse_on"):
            one, other = getattr(window, level), getattr(later, level)
            assert (one is None) == (other is None)
            assert one is None or one <= other, level


# --- plans ------------------------------------------------------------------------------------------------------------

DAYS = 45


@st.composite
def situations(draw) -> tuple[CourseFacts, Roster]:
    """A course with a past, perhaps lapsed and assessed since, booked in part or with an early visit allowed, and the
    days to come.
    """
    planned = draw(steps(draw(st.integers(2, 4)), SHORT))
    number_performed = draw(st.integers(0, len(planned) - 1))
    on = day(-draw(st.integers(1, 20)) - 5 * number_performed)
    sessions: list[SessionFacts] = []
    for at, one in enumerate(planned):
        areas = draw(AREAS)
        if at < number_performed:
            outcome = OutcomeFacts(OutcomeResult.OK)
            sessions.append(performed(at, one, on, areas=areas, outcome=outcome, counts=draw(st.booleans())))
            on += timedelta(days=draw(st.integers(1, 5)))
        else:
            sessions.append(open_session(at, one, areas=areas))
    if draw(st.booleans()):
        visit = sessions[-1]
        sessions[-1] = booked(visit, day(draw(st.integers(1, DAYS - 1))), injector=draw(st.sampled_from([ANNA, BEN])))
    overrides = [OverrideFacts("before_minimum", None, day(draw(st.integers(0, DAYS))))] if draw(st.booleans()) else []
    off = draw(st.sets(st.tuples(st.sampled_from([ANNA, BEN]), st.integers(0, DAYS - 1)), max_size=40))
    shut = {day(n): "closed" for n in draw(st.sets(st.integers(0, DAYS - 1), max_size=10))}
    r = roster(DAYS, hours=minutes(NINE, TEN), off=[(who, day(n)) for who, n in off], closed=shut)
    events = {"varicose_treatment": day(-draw(st.integers(0, 30)))}
    assessment = AssessmentFacts(day(-draw(st.integers(0, 40))), suitable=True)
    return course(*sessions, overrides=tuple(overrides), events=events, assessment=assessment), r


@settings(max_examples=120, deadline=None)
@given(situations())
def test_no_plan_violates_a_window(situation):
    """Every kind of plan, judged by the checker, which knows nothing of how plans are found."""
    facts, r = situation
    try:
        found = alternatives(facts, r, Weights(), today=TODAY)
    except Unplannable:
        return
    for alternative in found:
        slots = [planned.slot for planned in alternative.plan.sessions]
        assert wrong_with(slots, facts, r, TODAY) == []
        for planned in alternative.plan.sessions:
            window, on = planned.window, planned.slot.on
            allowed = any(on <= override.expires_on for override in facts.overrides)
            first_on = window.floor_on if allowed else window.earliest_on
            assert first_on is None or first_on <= on
            assert window.lapse_on is None or on < window.lapse_on


@settings(max_examples=100, deadline=None)
@given(situations())
def test_no_plan_uses_a_date_after_the_last_that_the_lapses_allow(situation):
    """Time after that date changes nothing: the same plans are found without it, or none as without it."""
    facts, r = situation
    pinned = replace(facts, sessions=tuple(replace(s, pinned=s.booked is not None) for s in facts.sessions))
    last_on = max(last_date_of(pinned, day(DAYS - 1)), TODAY)
    shorter = replace(r, days={on: one for on, one in r.days.items() if on <= last_on}, horizon_on=day(DAYS - 1))

    assert last_on <= day(DAYS - 1)
    assert plans_of(pinned, shorter) == plans_of(pinned, r)


def test_a_gate_that_opens_after_the_last_date_keeps_the_session_as_in_the_whole_horizon():
    """Treated reflux is clear on day 20, and the lapse is on day 10: that gate is not closed on every date."""
    following = step("next", spacing(minimum="5 days", lapse="10 days"), gates=(sample("reflux"),))
    reflux = AssessmentFacts(day(-30), suitable=True, reflux=Reflux.TREATED, reflux_clear_on=day(20))
    of = course(performed(0, step("first"), day(-1)), open_session(1, following), assessment=reflux)
    whole = roster(60)
    last_on = last_date_of(of, day(59))
    shorter = replace(whole, days={on: one for on, one in whole.days.items() if on <= last_on})

    assert last_on == day(8)
    assert plans_of(of, whole) == []
    assert plans_of(of, replace(shorter, horizon_on=day(59))) == []
    assert plans_of(of, shorter) != [], "closed on all dates there are: told with each session"


def plans_of(facts: CourseFacts, r: Roster) -> list[tuple[str, Plan]]:
    try:
        return [(one.kind, one.plan) for one in alternatives(facts, r, Weights(), today=TODAY)]
    except Unplannable:
        return []


def test_the_last_date_of_a_plan_is_what_lapses_allow_one_after_the_other():
    """A lapse is the first date that is too late; without one, or in effect on some dates only, the horizon counts."""
    first = step("first", spacing(Reference.EVENT, "ready", lapse="1 week"))
    weekly, endless = step("weekly", spacing(lapse="10 days")), step("endless", spacing(minimum="2 days"))
    at_times = step("at_times", replace(spacing(lapse="10 days"), effective_to=day(90)))
    by_itself = step("review", spacing(lapse="3 days"), planned_with_course=False)
    events = {"ready": day(0)}

    def last_on(*steps: Step) -> date:
        return last_date_of(course(*(open_session(n, one) for n, one in enumerate(steps)), events=events), day(60))

    assert last_on(first) == day(6)
    assert last_on(first, weekly, weekly) == day(6 + 9 + 9)
    assert last_on(first, weekly, endless) == day(60)
    assert last_on(first, at_times) == day(60)
    assert last_on(first, by_itself) == day(6)
    assert last_on(first, by_itself, weekly) == day(60)
    lapsed = performed(0, first, day(-20)), open_session(1, weekly), open_session(2, weekly)
    again = AssessmentFacts(day(-10), suitable=True)  # on the lapse date
    assert last_date_of(course(*lapsed, assessment=again), day(60)) == day(60)
    assert last_date_of(course(*lapsed, assessment=replace(again, assessed_on=day(-11))), day(60)) == day(-11 + 9)
    pinned = replace(booked(open_session(1, weekly), day(4)), pinned=True)
    assert last_date_of(course(performed(0, first, day(1)), pinned, open_session(2, weekly)), day(60)) == day(4 + 9)


@settings(max_examples=120, deadline=None)
@given(situations())
def test_no_repair_leaves_a_visit_outside_its_window(situation):
    facts, r = situation
    try:
        found = repair(facts, r, Weights(), today=TODAY)
    except Unplannable:
        return
    assert wrong_dates([planned.slot for planned in found.plan.sessions], facts) == []


# --- gates ------------------------------------------------------------------------------------------------------------

DATES = st.integers(-60, 30).map(day)
PILL = RiskRule("pill", Severity.RELATIVE, 14)
LUMP = RiskRule("lump", Severity.ASK, 3)
ASKED = [name for name, kind in GATES.items() if not kind.always]


@st.composite
def asked_courses(draw) -> tuple[CourseFacts, str]:
    """A course of which anything may be known or not, and a gate that its steps do not list."""
    added = draw(st.sampled_from(ASKED))
    listed = draw(st.sets(st.sampled_from([name for name in ASKED if name != added])))
    gates = tuple(sample(name) for name in ASKED if name in listed)
    outcomes = st.sampled_from([None, *(OutcomeFacts(result) for result in OutcomeResult)])
    first = performed(0, step("first"), day(-9), outcome=draw(outcomes))
    weekly = step("next", spacing(minimum="7 days", target="10 days"), gates=gates)
    sessions = first, *(open_session(at, weekly, areas=draw(AREAS)) for at in (1, 2))
    maybe = st.none() | DATES
    answers = {
        rule.question: AnswerFacts(draw(st.sampled_from(["yes", "no"])), given_on, draw(st.booleans()))
        for rule in (PILL, LUMP)
        if (given_on := draw(maybe)) is not None and given_on <= TODAY
    }
    assessment = draw(
        st.none()
        | st.builds(
            AssessmentFacts,
            DATES,
            suitable=st.booleans(),
            reflux=st.sampled_from(Reflux),
            reflux_clear_on=maybe,
            expires_on=maybe,
        )
    )
    consent = draw(st.none() | st.builds(ConsentFacts, DATES, signed_on=maybe, withdrawn_on=maybe, expires_on=maybe))
    overrides = [OverrideFacts("risk_relative", None, draw(DATES), "pill")] if draw(st.booleans()) else []
    facts: dict[str, Any] = {
        "patient": PatientFacts(PATIENT, answers=answers, born_on=date(1980, 5, 17)),
        "assessment": assessment,
        "consent": consent,
        "overrides": tuple(overrides),
        "elsewhere": tuple(
            draw(
                st.lists(
                    st.builds(TreatmentFacts, st.sampled_from(["laser", "micro"]), DATES, st.booleans(), AREAS),
                    max_size=3,
                )
            )
        ),
        "holds": (HoldFacts("bad_answer", "", "clinician"),) if draw(st.booleans()) else (),
    }
    made = course(*sessions, **facts)
    rules = {
        "risks": (PILL, LUMP),
        "areas": frozenset({"left_leg"}),
        "consent": ConsentRule(draw(st.sampled_from(["booking", "visit"])), (CoolingOff(Amount.parse("7 days")),)),
        "assessment": AssessmentRule(Amount.parse("1 month"), Amount.parse("3 days")),
    }
    return replace(made, protocol=replace(made.protocol, **rules)), added


def with_gate(facts: CourseFacts, name: str) -> CourseFacts:
    """The course as it would be if every step that is left listed this gate too."""
    sessions = tuple(
        s if s.performed_on else replace(s, step=replace(s.step, gates=(*s.step.gates, sample(name))))
        for s in facts.sessions
    )
    return replace(facts, sessions=sessions)


def soonest(facts: CourseFacts, r: Roster) -> Plan | None:
    """The plan that ends first among those that the gates leave."""
    try:
        found = alternatives(facts, r, Weights(), today=TODAY)
    except Unplannable:
        return None
    return min((alternative.plan for alternative in found), key=lambda plan: plan.sessions[-1].slot.on)


@settings(max_examples=150, deadline=None)
@given(asked_courses())
def test_adding_a_gate_never_makes_an_earlier_plan_legal(asked):
    facts, added = asked
    more = with_gate(facts, added)
    r = roster(30, hours=minutes(NINE, TEN))

    few, many = soonest(facts, r), soonest(more, r)

    if many is not None:
        assert few is not None
        assert few.sessions[-1].slot.on <= many.sessions[-1].slot.on
    for plan in (plan for plan in (few, many) if plan is not None):
        slots = [planned.slot for planned in plan.sessions]
        broken, broken_with_it = violations(slots, facts, r, TODAY), violations(slots, more, r, TODAY)
        assert [one for one in broken if one not in broken_with_it] == []  # what was refused stays refused


@settings(max_examples=60, deadline=None)
@given(asked_courses())
def test_a_gate_adds_no_time_to_those_that_were_free(asked):
    facts, added = asked
    r = roster(30, hours=minutes(NINE, TEN))

    def free(of: CourseFacts) -> set[tuple[date, int]]:
        times = free_times(of.sessions[1], of, r, Weights(), today=TODAY, between=(day(0), day(29)), limit=1000)
        return {(one.slot.on, one.slot.tick) for one in times}

    assert free(with_gate(facts, added)) <= free(facts)
