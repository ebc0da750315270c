"""Small courses drawn at random: small enough for `brute` to list every plan there is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from scheduling.planner.cost import Weights
from scheduling.planner.facts import (
    Ask,
    AssessmentFacts,
    ClockChange,
    CourseFacts,
    Reference,
    Roster,
    SessionTerms,
    Terms,
    Wishes,
)
from tests.planner.brute import slots_of
from tests.planner.build import (
    ANNA,
    BEN,
    NINE,
    ROOM,
    course,
    day,
    minutes,
    open_session,
    phase,
    resource,
    roster,
    slot,
    spacing,
    step,
)

PEOPLE = (resource(ANNA, "injector"), resource(BEN, "injector", "supervisor"), resource(ROOM, "room", places=2))
SHAPES = (
    [phase(30, "injector", "room")],
    [phase(20, "injector", "room", after=10), phase(10, "injector")],
    [phase(20, "injector"), phase(10, "supervisor", before=10)],
)
SMALL_DAYS = 8
CLOCK_CHANGES: tuple[dict[str, Any], ...] = (
    {"length_minutes": 1440 - 60, "changes": (ClockChange(60, 60),)},
    {"length_minutes": 1440 + 60, "changes": (ClockChange(120, -60),)},
    {"length_minutes": 1440 - 30, "changes": (ClockChange(120, 30),)},
)


@st.composite
def instances(draw) -> tuple[CourseFacts, Roster, Weights]:
    number = draw(st.integers(1, 3))
    # Off the multiples of five minutes too, in which minutes are counted where that is possible.
    since = NINE + draw(st.sampled_from([0, 0, 2]))
    hours = minutes(since, since + 75)
    taken = [0, 0, hours, minutes(since, since + draw(st.sampled_from([30, 30, 31]))), minutes(since + 40, since + 75)]
    busy = {
        (person, day(n)): (draw(st.sampled_from(taken)),) for person in (ANNA, BEN, ROOM) for n in range(SMALL_DAYS)
    }
    off = draw(st.sets(st.tuples(st.sampled_from([ANNA, BEN]), st.integers(0, SMALL_DAYS - 1)), max_size=6))
    r = roster(
        SMALL_DAYS,
        resources=PEOPLE,
        hours=hours,
        busy=busy,
        off=[(person, day(n)) for person, n in off],
        closed={day(n): "closed" for n in draw(st.sets(st.integers(0, SMALL_DAYS - 1), max_size=3))},
        grid_minutes=draw(st.sampled_from([15, 30, 21])),
        patient_busy={day(draw(st.integers(0, 3))): minutes(NINE, NINE + 45)},
    )
    if draw(st.booleans()):
        on = day(draw(st.integers(0, SMALL_DAYS - 1)))
        changed = replace(r.days[on], **draw(st.sampled_from(CLOCK_CHANGES)))
        r = replace(r, days={**r.days, on: changed})
    shape = draw(st.sampled_from(SHAPES))
    amounts: dict[str, Any] = {"minimum": f"{draw(st.integers(1, 3))} days"}
    if draw(st.booleans()):
        amounts |= {"target": f"{draw(st.integers(1, 4))} days", "tolerance_days": draw(st.integers(0, 1))}
    if draw(st.booleans()):
        amounts["lapse"] = f"{draw(st.integers(3, 6))} days"
    last = [spacing(**amounts)]
    if draw(st.booleans()):
        last.append(spacing(Reference.STEP, "first", minimum=f"{draw(st.integers(3, 5))} days", target="5 days"))
    if draw(st.booleans()):
        last.append(spacing(Reference.EVENT, "varicose_treatment", minimum="2 days", lapse="9 days"))
    led = "supervisor" if shape is SHAPES[2] and draw(st.booleans()) else "injector"  # by Ben, who is one, or by both
    steps = (
        step("first", phases=shape),
        step("next", spacing(**amounts), phases=shape, lead_role=led),
        step("last", *last, phases=shape),
    )
    sessions = [open_session(n, steps[n]) for n in range(number)]
    wishes = Wishes(
        weekdays=draw(st.sampled_from([frozenset(), frozenset({1, 3}), frozenset({0, 2, 4})])),
        from_minute=draw(st.sampled_from([0, NINE + 30])),
        practitioner=draw(st.sampled_from([None, ANNA, BEN])),
        avoid_dates=frozenset({day(draw(st.integers(0, 5)))}),
    )
    facts: dict[str, Any] = {
        "wishes": wishes,
        "lead": draw(st.sampled_from([None, ANNA, BEN])),
        # Ten days ago: what counts from it has lapsed yesterday.
        "events": {"varicose_treatment": day(draw(st.sampled_from([0, 0, -10])))},
        "assessment": AssessmentFacts(day(draw(st.sampled_from([-30, -2, -1, 0]))), suitable=True),
    }
    weight = st.integers(0, 7)
    weights = Weights(
        spacing_early_per_day=draw(weight), spacing_late_per_day=draw(weight), lateness_per_day=draw(weight),
        change=draw(weight), weekday=draw(weight), time_of_day=draw(weight), hole=draw(weight),
        practitioner=draw(weight), avoided_date=draw(weight), elapsed_per_day=draw(st.sampled_from([0, 0, 3])),
    )  # fmt: skip
    return course(*sessions, **facts), r, weights


@st.composite
def booked_instances(draw) -> tuple[CourseFacts, Roster, Weights]:
    """The same, with visits booked for most sessions: some where they may be, some where they may not, and some of
    sessions that no plan of the course holds.
    """
    c, r, weights = draw(instances())
    sessions, at = [], -1
    for session in c.sessions:
        at += draw(st.integers(1, 3))
        if at < SMALL_DAYS and draw(st.integers(0, 3)):
            on = r.days[day(at)]
            grid = [tick for tick in range(NINE, NINE + 75) if on.wall_minute(tick) % r.grid_minutes == 0]
            visit = slot(session, on.on, draw(st.sampled_from(grid)), supervisor=BEN)
            right = [one for one in slots_of(session, r, day(0)) if one.on == on.on] if draw(st.booleans()) else []
            visit = draw(st.sampled_from(right)) if right else visit
            planned = replace(session.step, planned_with_course=draw(st.integers(0, 2)) > 0)
            sessions.append(replace(session, step=planned, booked=replace(visit, is_confirmed=draw(st.booleans()))))
        else:
            sessions.append(session)
    weight = st.integers(0, 7)
    weights = replace(weights, move=draw(st.integers(0, 12)), short_notice_per_day=draw(weight), confirmed=draw(weight))
    return replace(c, sessions=tuple(sessions)), r, weights


DATES = st.integers(0, SMALL_DAYS - 1).map(day)


@st.composite
def terms(draw, *, may_be_pinned: bool) -> Terms:
    """Anything that can be asked of a session, much of it left unsaid."""
    said: dict[str, Any] = {}
    if may_be_pinned and draw(st.booleans()):
        said["on"] = draw(DATES)
    if may_be_pinned and draw(st.integers(0, 2)) == 0:
        said["at_minute"] = draw(st.sampled_from([NINE, NINE + 30]))
    if draw(st.integers(0, 3)) == 0:
        said["first_on"] = draw(DATES)
    if draw(st.integers(0, 3)) == 0:
        said["last_on"] = draw(DATES)
    if draw(st.booleans()):
        spans = draw(st.lists(st.tuples(DATES, DATES), max_size=2))
        said["forbidden"] = tuple((min(span), max(span)) for span in spans)
    if draw(st.booleans()):
        said["weekdays"] = draw(st.frozensets(st.integers(0, 6), min_size=3))
    if draw(st.integers(0, 2)) == 0:
        said["from_minute"], said["until_minute"] = draw(st.sampled_from([(0, NINE + 45), (NINE + 15, 24 * 60)]))
    people = st.sampled_from([frozenset(), frozenset(), frozenset({ANNA}), frozenset({BEN})])
    return Terms(**said, only_with=draw(people), not_with=draw(people))


@st.composite
def asks(draw, whole: CourseFacts) -> Ask:
    named = draw(st.sets(st.sampled_from([session.id for session in whole.sessions])))
    return Ask(
        every=draw(terms(may_be_pinned=False)) if draw(st.booleans()) else Terms(),
        sessions=tuple(SessionTerms(uid, draw(terms(may_be_pinned=True))) for uid in sorted(named)),
        starts_from=draw(st.none() | st.none() | DATES),
        starts_by=draw(st.none() | st.none() | DATES),
        ends_before=draw(st.none() | st.none() | DATES),
    )
