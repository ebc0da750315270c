"""An independent check of a plan, written from product.md: minute by minute, with nothing of the planner but its facts.

Slow and plain on purpose. It returns what is wrong, in words; an empty list means the plan may be booked.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from scheduling.planner.amounts import Amount
from scheduling.planner.facts import (
    Ask,
    CourseFacts,
    Gate,
    Phase,
    Reference,
    Roster,
    SessionFacts,
    SessionState,
    Slot,
    Spacing,
    StepKind,
    Terms,
    Use,
)


def wrong_with(slots: Sequence[Slot], course: CourseFacts, roster: Roster, today: date) -> list[str]:
    sessions = {s.id: s for s in course.sessions}
    wrong = wrong_dates(slots, course)
    for slot in slots:
        wrong += [f"{sessions[slot.session].position}: {t}" for t in _time(slot, sessions[slot.session], roster, today)]
    taken: set[tuple[UUID, int, date, int]] = set()
    for slot in slots:
        for use in slot.uses:
            for minute in range(use.from_tick, use.until_tick):
                if (use.resource, use.place, slot.on, minute) in taken:
                    wrong.append("one place is taken twice")
                taken.add((use.resource, use.place, slot.on, minute))
    return wrong


def wrong_dates(slots: Sequence[Slot], course: CourseFacts) -> list[str]:
    """What is wrong with the dates of the slots, among each other and with what is performed or booked."""
    wrong: list[str] = []
    sessions = {s.id: s for s in course.sessions}
    on_date = {s.id: s.performed_on for s in course.sessions if s.performed_on is not None}
    on_date |= {s.id: s.booked.on for s in course.sessions if s.booked is not None and s.performed_on is None}
    on_date |= {slot.session: slot.on for slot in slots}
    expected = _with_dates_of_the_others(course, on_date)
    for slot in slots:
        session = sessions[slot.session]
        wrong += [f"{session.position}: {text}" for text in _spacing(slot, session, course, expected)]
        wrong += [f"{session.position}: {text}" for text in _calendar(slot, session, course, on_date)]
        for other in course.sessions:
            if other.position < session.position and other.id in on_date:
                before = on_date[other.id]
                if before > slot.on or (before == slot.on and other.step.kind is not StepKind.ASSESSMENT):
                    wrong.append(f"{session.position}: not after session {other.position}")
    return wrong


def wrong_by_ask(slots: Sequence[Slot], course: CourseFacts, roster: Roster, ask: Ask) -> list[str]:
    """What of the ask the slots do not give; it has no say over booked visits that are pinned."""
    booked = {s.id for s in course.sessions if s.pinned}
    new = sorted((slot for slot in slots if slot.session not in booked), key=lambda slot: slot.on)
    wrong = []
    if new and ask.starts_from is not None and new[0].on < ask.starts_from:
        wrong.append("starts too early")
    if new and ask.starts_by is not None and new[0].on > ask.starts_by:
        wrong.append("starts too late")
    if new and ask.ends_before is not None and new[-1].on >= ask.ends_before:
        wrong.append("ends too late")
    sessions = {s.id: s for s in course.sessions}
    about = {slot.session for slot in new if _some_could_lead(ask.every.only_with, sessions[slot.session], roster)}
    for slot in new:
        every = ask.every if slot.session in about or not about else replace(ask.every, only_with=frozenset())
        for terms in (every, *(one.terms for one in ask.sessions if one.session == slot.session)):
            wrong += [f"{slot.on}: {text}" for text in _terms(slot, terms, roster)]
    return wrong


def _some_could_lead(those: frozenset[UUID], session: SessionFacts, roster: Roster) -> bool:
    needed = [n.capability for phase in session.step.phases for n in phase.needs if n.role == session.step.lead_role]
    known = [[c.code for c in resource.capabilities] for resource in roster.resources if resource.id in those]
    return any(all(capability in codes for capability in needed) for codes in known)


def _terms(slot: Slot, terms: Terms, roster: Roster) -> list[str]:
    day = roster.days[slot.on]
    on_the_wall = [day.wall_minute(tick) for tick in range(slot.tick, slot.tick + slot.minutes)]
    checks = {
        "another date": terms.on is not None and slot.on != terms.on,
        "another time": terms.at_minute is not None and on_the_wall[0] != terms.at_minute,
        "too early a date": terms.first_on is not None and slot.on < terms.first_on,
        "too late a date": terms.last_on is not None and slot.on > terms.last_on,
        "a forbidden date": any(first <= slot.on and slot.on <= last for first, last in terms.forbidden),
        "another weekday": len(terms.weekdays) > 0 and slot.on.isoweekday() - 1 not in terms.weekdays,
        "outside the hours": any(m < terms.from_minute or m >= terms.until_minute for m in on_the_wall),
        "somebody else": len(terms.only_with) > 0 and slot.lead not in terms.only_with,
        "the wrong person": slot.lead in terms.not_with,
    }
    return [text for text, is_wrong in checks.items() if is_wrong]


def _time(slot: Slot, session: SessionFacts, roster: Roster, today: date) -> list[str]:
    day = roster.days.get(slot.on)
    if slot.on < today or day is None or day.closed:
        return ["past, closed or unknown date"]
    wrong = []
    if day.wall_minute(slot.tick) % roster.grid_minutes:
        wrong.append("not on the grid")
    if roster.not_before is not None and day.instant(slot.tick) < roster.not_before:
        wrong.append("too early today")
    length = sum(phase.minutes for phase in session.step.phases)
    if slot.minutes != length or slot.tick < 0 or slot.tick + length > day.length_minutes:
        wrong.append("wrong length")
    if any(roster.patient_busy.get(slot.on, 0) >> minute & 1 for minute in range(slot.tick, slot.tick + length)):
        wrong.append("patient busy")
    return wrong + _roles(slot, session, roster)


def _roles(slot: Slot, session: SessionFacts, roster: Roster) -> list[str]:
    """Whether the phases have what they need, and nothing else is taken."""
    wrong = []
    fills: dict[str, set[UUID]] = {}
    begins = slot.tick
    for number, phase in enumerate(session.step.phases):
        for need in phase.needs:
            uses = [use for use in slot.uses if (use.phase, use.role) == (number, need.role)]
            if len(uses) != 1:
                wrong.append(f"{need.role} is filled {len(uses)} times")
                continue
            fills.setdefault(need.role, set()).add(uses[0].resource)
            if uses[0].from_tick > begins or uses[0].until_tick < begins + phase.minutes:
                wrong.append(f"{need.role} is not there for the whole phase")
            wrong += [f"{need.role} {text}" for text in _resource(uses[0], need.capability, slot, roster)]
        wrong += _buffers(slot, number, phase, begins)
        begins += phase.minutes
    if len(slot.uses) != sum(len(phase.needs) for phase in session.step.phases):
        wrong.append("takes more than it needs")
    if any(len(resources) > 1 for resources in fills.values()):
        wrong.append("a role changes its resource")
    if fills.get(session.step.lead_role) != {slot.lead}:
        wrong.append("the lead does not lead")
    return wrong


def _resource(use: Use, capability: str, slot: Slot, roster: Roster) -> list[str]:
    resource = next((r for r in roster.resources if r.id == use.resource), None)
    if resource is None or not 0 <= use.place < resource.places:
        return ["is nobody's place"]
    wrong = []
    able = [c for c in resource.capabilities if c.code == capability]
    if not any((c.from_on or slot.on) <= slot.on <= (c.until_on or slot.on) for c in able):
        wrong.append("is not able")
    duty = roster.on_duty.get((use.resource, slot.on), 0)
    busy = roster.busy.get((use.resource, slot.on), ())
    taken = busy[use.place] if use.place < len(busy) else 0
    minutes = range(use.from_tick, use.until_tick)
    if any(minute < 0 or not duty >> minute & 1 for minute in minutes):
        wrong.append("is off duty")
    if any(minute >= 0 and taken >> minute & 1 for minute in minutes):
        wrong.append("is busy")
    return wrong


def _buffers(slot: Slot, number: int, phase: Phase, begins: int) -> list[str]:
    """Before and after a phase its resources are kept too; they may be there for another phase already."""
    ends = begins + phase.minutes
    around = (*range(begins - phase.before_minutes, begins), *range(ends, ends + phase.after_minutes))
    for use in (use for use in slot.uses if use.phase == number):
        ours = [u for u in slot.uses if (u.role, u.resource) == (use.role, use.resource)]
        if not all(any(u.from_tick <= minute < u.until_tick for u in ours) for minute in around):
            return ["a buffer is missing"]
    return []


def _with_dates_of_the_others(course: CourseFacts, on_date: dict[UUID, date]) -> dict[UUID, date]:
    """Add the dates that sessions without one would have: the target, but no earlier than allowed."""
    expected = dict(on_date)
    for session in sorted(course.sessions, key=lambda one: one.position):
        if session.state is SessionState.OPEN and session.id not in on_date:
            starts = list(_starts(session, course, expected))
            targets = [added(start, spacing.target) for spacing, start in starts if spacing.target is not None]
            bounds = [(start, bound) for spacing, start in starts for bound in (spacing.floor, spacing.minimum)]
            dates = targets + [added(start, bound) for start, bound in bounds if bound is not None]
            if dates:
                expected[session.id] = max(dates)
    return expected


def _spacing(slot: Slot, session: SessionFacts, course: CourseFacts, on_date: dict[UUID, date]) -> list[str]:
    wrong = []
    for spacing, start in _starts(session, course, on_date):
        allowed = any(
            o.rule == "before_minimum" and o.session in (None, session.id) and slot.on <= o.expires_on
            for o in course.overrides
        )
        bounds = (spacing.floor, None if allowed else spacing.minimum)
        wrong += [f"before {bound}" for bound in bounds if bound is not None and slot.on < added(start, bound)]
        assessed_on = course.assessment.assessed_on if course.assessment else date.min
        if spacing.lapse is not None and assessed_on < added(start, spacing.lapse) <= slot.on:
            wrong.append(f"after {spacing.lapse}")
    return wrong


def _starts(session: SessionFacts, course: CourseFacts, on_date: dict[UUID, date]) -> Iterator[tuple[Spacing, date]]:
    """The spacings that say something, each with the date it counts from."""
    before = [
        s
        for s in course.sessions
        if s.position < session.position and s.state not in (SessionState.SKIPPED, SessionState.DROPPED)
    ]
    for spacing in session.step.spacings:
        if spacing.areas and session.areas and not spacing.areas & session.areas:
            continue
        start: date | None = None
        if spacing.reference is Reference.EVENT:
            start = course.events.get(spacing.reference_key)
        elif spacing.reference is Reference.STEP:
            repeated = [s for s in before if s.state is SessionState.PERFORMED and not s.counts]
            named = [s for s in before if s.step.key == spacing.reference_key and s not in repeated]
            start = on_date.get(named[0].id) if named else None
        else:
            last = [s for s in before if _is_reference(s, spacing, session)]
            start = on_date.get(last[-1].id) if last else None
        if start is not None and (spacing.effective_from or start) <= start <= (spacing.effective_to or start):
            yield spacing, start


def _is_reference(before: SessionFacts, spacing: Spacing, session: SessionFacts) -> bool:
    """Whether this is a session that `previous` or `last KIND` may mean: by area, only treatments that share one do."""
    if spacing.reference is Reference.LAST_OF_KIND and before.step.kind != spacing.reference_key:
        return False
    if not spacing.areas:
        return True
    shared = spacing.areas & (session.areas or spacing.areas) & (before.areas or spacing.areas)
    return before.step.kind is StepKind.TREATMENT and bool(shared)


def _calendar(slot: Slot, session: SessionFacts, course: CourseFacts, on_date: dict[UUID, date]) -> list[str]:
    """What gates by calendar year, season and distance say to the date."""
    wrong = []
    for gate in session.step.gates:
        said: dict[str, Any] = dict(gate.parameters)
        if gate.name == "yearly_limit":
            ours = [on_date[s.id] for s in course.sessions if s.id in on_date and s.step.kind is StepKind.TREATMENT]
            others = [treatment.on for treatment in course.elsewhere if treatment.protocol == course.protocol.key]
            if [on.year for on in (*ours, *others)].count(slot.on.year) > said["at_most"]:
                wrong.append("too many in a year")
        elif gate.name == "season":
            for year in (slot.on.year - 1, slot.on.year):
                day = date(year, said["from"].month, said["from"].day)
                while day != slot.on and (day.month, day.day) != (said["until"].month, said["until"].day):
                    day += timedelta(days=1)
                if day == slot.on:
                    wrong.append("in the pause")
    return wrong + [
        "too near another treatment"
        for treatment in course.elsewhere
        for kept_from, asking in ((treatment.protocol, session.step.gates), (course.protocol.key, treatment.apart))
        for gate in asking
        if gate.name == "apart" and gate.parameters["protocol"] == kept_from
        if all(gate.areas & areas for areas in (session.areas, treatment.areas) if areas and gate.areas)
        if max(treatment.on, slot.on) < added(min(treatment.on, slot.on), _typed(gate, "at_least"))
    ]


def _typed(gate: Gate, name: str) -> Amount:
    value = gate.parameters[name]
    assert isinstance(value, Amount)
    return value


def added(start: date, amount: Amount) -> date:
    """The CDSi rule stated once more: count months, roll forward when the day is missing, then count days."""
    year, month = start.year, start.month
    for _ in range(amount.months):
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    if start.day > calendar.monthrange(year, month)[1]:
        moved = date(year, month, 28)
        while moved.month == month:
            moved += timedelta(days=1)
    else:
        moved = date(year, month, start.day)
    return moved + timedelta(days=amount.days)
