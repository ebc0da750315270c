"""The writer of courses, sessions, appointments, reservations and occupancies: propose a course, book it, and the
primitives with which the acts above place, release and record.

A series is booked whole or not at all. The rules are asked again under the locks; what must never be is refused by the
database all the same.
"""

from .courses import NotStartable, close_course, set_wishes, start_course, write_event
from .places import place, release_expired_reservations, replace_time
from .plans import (
    WEIGHTS,
    NoPlan,
    NotBookable,
    already_booked,
    book_course,
    is_to_plan,
    names_in,
    propose_course,
    whats_wrong,
    with_booked,
    with_booked_pinned,
)
from .slots import PlanUnreadable, resources_of, slot_as_data, slots_from, when_as_data
from .states import NotPossibleNow, change_appointment, finish_visit, record_performed
from .windows import refresh_windows

__all__ = [
    "WEIGHTS",
    "NoPlan",
    "NotBookable",
    "NotPossibleNow",
    "NotStartable",
    "PlanUnreadable",
    "already_booked",
    "book_course",
    "change_appointment",
    "close_course",
    "finish_visit",
    "is_to_plan",
    "names_in",
    "place",
    "propose_course",
    "record_performed",
    "refresh_windows",
    "release_expired_reservations",
    "replace_time",
    "resources_of",
    "set_wishes",
    "slot_as_data",
    "slots_from",
    "start_course",
    "whats_wrong",
    "when_as_data",
    "with_booked",
    "with_booked_pinned",
    "write_event",
]
