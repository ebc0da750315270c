"""What happens to visits: book one, confirm, move, cancel, arrive, perform, miss. Then the rest of a course is seen to.

The only writer of outcomes and follow-up tasks.
"""

from .booked import (
    NotAdmitted,
    arrive,
    book,
    book_course,
    cancel,
    confirm,
    fresh,
    gates_at_check_in,
    miss,
    move,
    refuse_unless_expected,
)
from .courses import is_done, look_at_other_courses
from .ending import end_course, end_courses_of
from .outcomes import OutcomeInput, clear_review, record_outcome
from .performed import Performed, PerformResult, correct_performed, perform
from .times import Free, find_free, free_times

__all__ = [
    "Free",
    "NotAdmitted",
    "OutcomeInput",
    "PerformResult",
    "Performed",
    "arrive",
    "book",
    "book_course",
    "cancel",
    "clear_review",
    "confirm",
    "correct_performed",
    "end_course",
    "end_courses_of",
    "find_free",
    "free_times",
    "fresh",
    "gates_at_check_in",
    "is_done",
    "look_at_other_courses",
    "miss",
    "move",
    "perform",
    "record_outcome",
    "refuse_unless_expected",
]
