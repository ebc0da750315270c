"""Rows to facts, in a constant number of queries, and the locks. Writes nothing.

The only bridge between the ORM and the planner: units and zones change here. Hours, absences and closures are expanded
when read; busy time comes from standing occupancies, at a cost that grows with the span asked for, not with history.
"""

from .busy import patients_busy
from .courses import course_facts, courses_facts, history, live_appointments, slot_of
from .days import today
from .duty import is_on
from .locks import CLOCKS_MAY_DIFFER_BY, ClockWentBack, keep_site, lock, lock_courses, lock_resources
from .periods import packed, period_of, period_starts_at, periods_between, spans_of
from .protocols import protocol_facts, subjects
from .sites import sites_at_work
from .times import load, load_site, load_together
from .waiting import busy_of_patients, freed_in

__all__ = [
    "CLOCKS_MAY_DIFFER_BY",
    "ClockWentBack",
    "busy_of_patients",
    "course_facts",
    "courses_facts",
    "freed_in",
    "history",
    "is_on",
    "keep_site",
    "live_appointments",
    "load",
    "load_site",
    "load_together",
    "lock",
    "lock_courses",
    "lock_resources",
    "packed",
    "patients_busy",
    "period_of",
    "period_starts_at",
    "periods_between",
    "protocol_facts",
    "sites_at_work",
    "slot_of",
    "spans_of",
    "subjects",
    "today",
]
