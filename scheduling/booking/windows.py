"""The windows kept on sessions: a cache of what the planner says, which lists and searches read."""

from __future__ import annotations

from scheduling import roster
from scheduling.models import Course, Session
from scheduling.planner import facts
from scheduling.planner.windows import windows_of

WINDOW_FIELDS = ["floor_on", "earliest_on", "target_on", "overdue_on", "lapse_on", "window_is_provisional"]


def refresh_windows(course: Course, as_it_stands: facts.CourseFacts | None = None) -> None:
    """Write the windows of the sessions left to the cache that lists and searches read."""
    windows = windows_of(as_it_stands or roster.course_facts(course))
    changed = []
    for session in course.sessions.filter(uid__in=windows):
        window = windows[session.uid]
        fresh = (
            window.floor_on,
            window.earliest_on,
            window.target_on,
            window.overdue_on,
            window.lapse_on,
            window.provisional,
        )
        kept = tuple(getattr(session, name) for name in WINDOW_FIELDS)
        if kept != fresh:
            for name, value in zip(WINDOW_FIELDS, fresh, strict=True):
                setattr(session, name, value)
            changed.append(session)
    Session.objects.bulk_update(changed, WINDOW_FIELDS)
