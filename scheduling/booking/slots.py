"""Slots as data: what an edge shows, and reads back when someone chooses."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, date, time, timedelta
from typing import Any

from django.utils.translation import gettext as _

from clinic import localtime
from clinic.errors import Problem, RuleBroken
from clinic.models import Site
from scheduling import roster
from scheduling.models import Appointment, Course
from scheduling.planner import facts
from scheduling.planner.shapes import stretches_of


class PlanUnreadable(RuleBroken):
    """The plan posted back is not of the shape that we sent."""

    code = "plan_unreadable"


def slot_as_data(slot: facts.Slot, site: Site) -> dict[str, Any]:
    """Return a slot as JSON: local date and time at the site, and what takes which place. Places count from 1."""
    starts_at = localtime.day_shape(slot.on, site.zone).starts_at + timedelta(minutes=slot.tick)
    on_the_wall = localtime.wall(starts_at, site.zone)
    return {
        "session": str(slot.session),
        "on": on_the_wall.date().isoformat(),
        "at": f"{on_the_wall:%H:%M}",
        "fold": on_the_wall.fold,
        "lead": str(slot.lead),
        "uses": [
            {"phase": use.phase, "role": use.role, "resource": str(use.resource), "place": use.place + 1}
            for use in slot.uses
        ],
    }


def slots_from(data: object, course: Course) -> list[facts.Slot]:
    """Read slots that an edge posts back; raise PlanUnreadable naming the path, never a KeyError.

    Times a person typed that the clock skips are refused (TimeDoesNotExist). Whether the slots may be booked is not
    asked here.
    """
    if not isinstance(data, list) or not data:
        raise PlanUnreadable(Problem("plan_unreadable", _("A plan is a list of slots, one for each session."), "slots"))
    steps = {step.key: step for step in roster.protocol_facts(course.version).steps}
    keys = {str(session.uid): session.step_key for session in course.sessions.all()}
    slots = []
    for number, item in enumerate(data):
        try:
            uid = uuid.UUID(str(item["session"]))
            step = steps[keys[str(uid)]] if str(uid) in keys else None
            slots.append(_slot_from(item, uid, step, course.site))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise PlanUnreadable(
                Problem(
                    "plan_unreadable",
                    _("This slot cannot be read. Post it back as it was proposed."),
                    f"slots[{number}]",
                )
            ) from error
    return slots


def _slot_from(item: Mapping[str, Any], uid: uuid.UUID, step: facts.Step | None, site: Site) -> facts.Slot:
    on, at_time = date.fromisoformat(item["on"]), time.fromisoformat(item["at"])
    if at_time.tzinfo is not None or at_time.second or at_time.microsecond:
        raise ValueError("a slot begins at a minute of the site's clocks")
    at = localtime.typed_instant(on, at_time, site.zone, fold=1 if item.get("fold") == 1 else 0)
    tick = int((at - localtime.day_shape(on, site.zone).starts_at) / localtime.ONE_MINUTE)
    if step is None:  # not a session of this course: the rules will say so
        return facts.Slot(uid, on, tick, 0, uuid.UUID(str(item["lead"])), ())
    stretches = {(stretch.phase, stretch.role): stretch for stretch in stretches_of(step)}
    uses = []
    for use in item["uses"]:
        stretch = stretches[int(use["phase"]), str(use["role"])]
        uses.append(
            facts.Use(
                phase=stretch.phase,
                role=stretch.role,
                resource=uuid.UUID(str(use["resource"])),
                place=int(use["place"]) - 1,
                from_tick=tick + stretch.from_minute,
                until_tick=tick + stretch.until_minute,
            )
        )
    return facts.Slot(uid, on, tick, step.minutes, uuid.UUID(str(item["lead"])), tuple(uses))


def when_as_data(appointment: Appointment) -> dict[str, Any]:
    """Return when and with whom a visit is, for histories and messages."""
    return {
        "on": appointment.on.isoformat(),
        "at": f"{appointment.at_time:%H:%M}",
        "zone": appointment.zone,
        "minutes": appointment.minutes,
        "starts_at": appointment.during.lower.astimezone(UTC).isoformat(),
        "lead": str(appointment.lead.uid),
    }


def resources_of(slots: Iterable[facts.Slot]) -> set[uuid.UUID]:
    return {use.resource for slot in slots for use in slot.uses}
