"""What the admin's pages say of states, dates, moves and changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from scheduling.models import AppointmentState, Course, LateBand, Move, Resource, SessionState, StateChange
from scheduling.models.resources import Weekday

CODE_NAMES = {
    "open": gettext_lazy("open"),
    "completed": gettext_lazy("completed"),
    "ended": gettext_lazy("ended"),
    **dict(AppointmentState.choices),
    **dict(SessionState.choices),
}


def badge(tone: str, words: str) -> str:
    """Return a state as a coloured word; the word alone says it all."""
    return format_html('<span class="badge badge-{}">{}</span>', tone, words)


def day_in_words(on: date) -> str:
    """Return a date with its weekday: dates are read out on the phone."""
    return date_format(on, "D j M Y")


def when_in_words(data: Mapping[str, Any] | None, names: Mapping[UUID, str] | None = None) -> str:
    """Return a slot as an edge keeps it ({on, at, lead}) in words; nothing for none."""
    if not data:
        return ""
    on = date.fromisoformat(str(data["on"]))
    words = f"{day_in_words(on)}, {data['at']}"
    lead = (names or {}).get(UUID(str(data["lead"]))) if data.get("lead") else None
    return f"{words} · {lead}" if lead else words


def change_in_words(change: StateChange, names: Mapping[str, str]) -> str:
    """Return a line of a course's history as a sentence; `names` are the words for codes, such as areas."""
    what = change.session.step.name if change.session else _("Course")
    if change.from_state == change.to_state and change.details:
        if words := _change_beside(what, change.details, names):
            return words
        moved = change.details
        return _("%(what)s moved: %(from)s → %(to)s") % {
            "what": what,
            "from": when_in_words(moved.get("from")),
            "to": when_in_words(moved.get("to")),
        }
    new = CODE_NAMES.get(change.to_state, change.to_state)
    if not change.from_state:
        return _("%(what)s: %(state)s") % {"what": what, "state": new}
    old = CODE_NAMES.get(change.from_state, change.from_state)
    return _("%(what)s: %(old)s → %(new)s") % {"what": what, "old": old, "new": new}


def _change_beside(what: str, details: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Return a change that is neither one of state nor a move; nothing when it is a move."""
    match details:
        case {"changed": "wishes"}:
            return _("Wishes changed")
        case {"areas": {"to": codes}}:
            return _("%(what)s is to treat %(areas)s") % {
                "what": what,
                "areas": ", ".join(names.get(code, code) for code in codes),
            }
        case {"counts": True}:
            return _("%(what)s counts") % {"what": what}
        case {"counts": False}:
            return _("%(what)s does not count") % {"what": what}
        case {"performed_on": {"from": old, "to": new}}:
            dates = {"old": day_in_words(date.fromisoformat(old)), "new": day_in_words(date.fromisoformat(new))}
            return _("%(what)s took place on %(new)s, not on %(old)s") % {"what": what, **dates}
        case {"late": {"action": action}}:
            return _("%(what)s comes late: %(action)s") % {"what": what, "action": LateBand.Action(action).label}
        case {"version": {"from": old, "to": new}}:
            return _("Moved from version %(old)s to version %(new)s") % {"old": old, "new": new}
    return ""


def moves_in_words(moves: Iterable[Move]) -> list[dict[str, Any]]:
    """Return each move with its old and new time in words, and what pushed it."""
    rows = list(moves)
    leads = {data["lead"] for move in rows for data in (move.from_slot, move.to_slot) if data and data.get("lead")}
    names = dict(Resource.objects.filter(uid__in=leads).values_list("uid", "name"))
    return [
        {
            "move": move,
            "old": when_in_words(move.from_slot, names),
            "new": when_in_words(move.to_slot, names),
            "difference": difference_in_words(move.from_slot, move.to_slot, names),
            "why": [problem["message"] for problem in move.why if "message" in problem],
        }
        for move in rows
    ]


def difference_in_words(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, names: Mapping[UUID, str]) -> str:
    """Return what a move changes: the day, the time of day, the practitioner."""
    if not old or not new:
        return ""
    words = []
    days = (date.fromisoformat(str(new["on"])) - date.fromisoformat(str(old["on"]))).days
    if days:
        said = {"count": abs(days)}
        words.append(
            ngettext("%(count)d day later", "%(count)d days later", days) % said
            if days > 0
            else ngettext("%(count)d day earlier", "%(count)d days earlier", -days) % said
        )
    elif old["at"] != new["at"]:
        words.append(_("the same day, later") if old["at"] < new["at"] else _("the same day, earlier"))
    else:
        words.append(_("the same time"))
    if old["lead"] != new["lead"]:
        words.append(_("with %(name)s") % {"name": names.get(UUID(str(new["lead"])), "–")})
    return " · ".join(words)


def wishes_in_words(course: Course) -> dict[str, str]:
    """Return the days and times that the patient would like."""
    days = ", ".join(str(Weekday(number).label) for number in course.wish_weekdays)
    match course.wish_from_time, course.wish_until_time:
        case None, None:
            times = _("any time")
        case first, None:
            times = _("not before %(time)s") % {"time": f"{first:%H:%M}"}
        case None, last:
            times = _("done by %(time)s") % {"time": f"{last:%H:%M}"}
        case first, last:
            times = f"{first:%H:%M} – {last:%H:%M}"
    return {"days": days or _("any day"), "times": times}
