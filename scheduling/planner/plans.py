"""A plan, made of the slots that a search has chosen."""

from __future__ import annotations

from collections.abc import Sequence

from . import cost
from .chains import Chain
from .facts import Plan, PlannedSession, Slot
from .gates import gate_answers
from .windows import window_of


def plan_of(slots: Sequence[Slot], chain: Chain) -> Plan:
    """Return the plan that these slots make, with its windows, gates and cost, as the chain's course and weights are.

    The slots may have been found by another chain for the same course.
    """
    course, today = chain.course, chain.today
    sessions = {session.id: session for session in course.sessions}
    dates = {slot.session: slot.on for slot in slots}
    parts = cost.price(slots, course, chain.roster, chain.weights, today=today, moves=chain.moves)
    planned = tuple(
        PlannedSession(
            slot=slot,
            window=window_of(session, course, dates),
            cost=part,
            pinned=session.pinned,
            gates=tuple(gate_answers(session, slot.on, course, today, dates)),
        )
        for slot, part in zip(slots, parts, strict=True)
        for session in (sessions[slot.session],)
    )
    return Plan(planned, cost.total(parts))
