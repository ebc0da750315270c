"""The windows kept on sessions: a cache of what the planner says, which lists and searches read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from scheduling import roster
from scheduling.models import Course, Session, SessionState
from scheduling.planner import facts
from scheduling.planner.windows import windows_of

WINDOW_FIELDS = ["floor_on", "earliest_on", "target_on", "overdue_on", "lapse_on", "window_is_provisional"]


def refresh_windows(course: Course, as_it_stands: facts.CourseFacts | None = None) -> int:
    """Write the windows of the sessions left to the cache that lists and searches read; say how many were others."""
    windows = windows_of(as_it_stands or roster.course_facts(course))
    changed = []
    for session in course.sessions.filter(uid__in=windows):
        fresh = _fields(windows[session.uid])
        kept = tuple(getattr(session, name) for name in WINDOW_FIELDS)
        if kept != fresh:
            for name, value in zip(WINDOW_FIELDS, fresh, strict=True):
                setattr(session, name, value)
            changed.append(session)
    Session.objects.bulk_update(changed, WINDOW_FIELDS)
    return len(changed)


def stale_windows(courses: Iterable[Course], stand: Mapping[int, facts.CourseFacts]) -> set[int]:
    """Return the courses (by primary key) whose stored windows are not what their facts say, in one statement."""
    fresh = {uid: _fields(window) for one in stand.values() for uid, window in windows_of(one).items()}
    rows = Session.objects.filter(course__in=list(courses), state=SessionState.OPEN)
    kept = rows.order_by().values_list("course", "uid", *WINDOW_FIELDS)
    return {course for course, uid, *window in kept if uid in fresh and fresh[uid] != tuple(window)}


def _fields(window: facts.Window) -> tuple[date | bool | None, ...]:
    """Return a window as it is stored, in the order of WINDOW_FIELDS."""
    return (
        window.floor_on,
        window.earliest_on,
        window.target_on,
        window.overdue_on,
        window.lapse_on,
        window.provisional,
    )
