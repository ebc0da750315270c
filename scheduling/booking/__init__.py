"""The writer of courses, sessions, appointments, reservations and occupancies: propose a course, book it, and the
primitives with which the acts above place, release and record.

A series is booked whole or not at all. The rules are asked again under the locks; what must never be is refused by the
database all the same.
"""

from .courses import NotStartable, close_course, follow_version, set_wishes, start_course, write_event
from .occupancies import differences as busy_map_differences
from .occupancies import rebuild as rebuild_busy_map
from .places import place, release_expired_reservations, replace_time, reserve, slot_reserved
from .plans import (
    WEIGHTS,
    AskContradicts,
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
from .series import (
    GONE,
    CapReached,
    correct_performed,
    has_room,
    has_successor,
    judge,
    open_session,
    place_of_another,
    position_of_another,
    record_performed,
    refuse_beyond_cap,
    reopen,
    reopen_session,
    set_counts,
    set_late_action,
)
from .slots import PlanUnreadable, resources_of, slot_as_data, slots_from, when_as_data
from .states import (
    EVER,
    NotPossibleNow,
    cancel_visit,
    change_appointment,
    change_session,
    finish_visit,
    let_go,
    note,
    refuse_unless_open,
)
from .windows import refresh_windows, stale_windows

__all__ = [
    "EVER",
    "GONE",
    "WEIGHTS",
    "AskContradicts",
    "CapReached",
    "NoPlan",
    "NotBookable",
    "NotPossibleNow",
    "NotStartable",
    "PlanUnreadable",
    "already_booked",
    "book_course",
    "busy_map_differences",
    "cancel_visit",
    "change_appointment",
    "change_session",
    "close_course",
    "correct_performed",
    "finish_visit",
    "follow_version",
    "has_room",
    "has_successor",
    "is_to_plan",
    "judge",
    "let_go",
    "names_in",
    "note",
    "open_session",
    "place",
    "place_of_another",
    "position_of_another",
    "propose_course",
    "rebuild_busy_map",
    "record_performed",
    "refresh_windows",
    "refuse_beyond_cap",
    "refuse_unless_open",
    "release_expired_reservations",
    "reopen",
    "reopen_session",
    "replace_time",
    "reserve",
    "resources_of",
    "set_counts",
    "set_late_action",
    "set_wishes",
    "slot_as_data",
    "slot_reserved",
    "slots_from",
    "stale_windows",
    "start_course",
    "whats_wrong",
    "when_as_data",
    "with_booked",
    "with_booked_pinned",
    "write_event",
]
