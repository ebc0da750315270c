"""Which stories the demo tells, how often, and whom they are told about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import cycle, product

from patients.models import Patient

from . import stories
from .place import BERLIN, LASER, LONDON, VACCINE, VEINS
from .stories import Story, Teller

OF_AGE = timedelta(days=18 * 365.25)


@dataclass(frozen=True, slots=True)
class Part:
    """A story, and who can play in it: at which site (None: either), and whether a child may."""

    name: str
    tell: Teller
    site: str | None = None
    needs_mail: bool = False  # at an address that nobody shares
    is_for_children: bool = False


def _part(
    teller: Callable[..., Story],
    key: str,
    site: str | None = None,
    *,
    mail: bool = False,
    child: bool = False,
    **how: object,
) -> Part:
    name = getattr(teller, "__name__", "")
    return Part(name, partial(teller, key=key, **how), LONDON if key == LASER else site, mail, child)


def parts(size: float) -> list[Part]:
    """Return the parts of a demo: every kind of trouble once, today's visits, and as much everyday as `size` says."""
    return [*_troubles(), *_today(), *_everyday(size)] if size > 0 else []


def _troubles() -> Iterator[Part]:
    tell = stories
    yield _part(tell.bad_answer, VEINS, question="pregnancy", days=-12, first_in=4)
    yield _part(tell.bad_answer, VACCINE, question="unwell", days=-20, first_in=3)
    yield _part(tell.review, VEINS, first_in=-16)
    yield _part(tell.review, VACCINE, BERLIN, first_in=-40, cleared_in=-35)
    yield _part(tell.stopped, VACCINE, first_in=-9)
    yield _part(tell.paused, VACCINE, days=-30, first_in=20, lifted_in=None)
    yield _part(tell.paused, VACCINE, LONDON, days=-60, first_in=6, lifted_in=-10)
    yield _part(tell.late, VEINS, LONDON, first_in=-12, by_days=10)
    yield _part(tell.late, VACCINE, BERLIN, first_in=-15, by_days=13)
    yield _part(tell.late, VEINS, first_in=-40, by_days=9, then="apply")
    yield _part(tell.late, VACCINE, first_in=-30, by_days=12, then="discard")
    yield _part(tell.missed, VEINS, BERLIN, first_in=-2)
    yield _part(tell.missed, VACCINE, first_in=-3)
    yield _part(tell.cancelled, VEINS, days=-25, first_in=6, which=0)
    yield _part(tell.cancelled, VACCINE, days=-15, first_in=9, which=-1)
    yield _part(tell.moved, VACCINE, mail=True, days=-14, first_in=10)
    yield _part(tell.unclosed, VACCINE, LONDON, first_in=-1)
    yield _part(tell.unclosed, VACCINE, BERLIN, first_in=-1)
    yield _part(tell.outcome_missing, VEINS, first_in=-4)
    yield _part(tell.override, VEINS, LONDON, days=-20, first_in=-11)
    yield _part(tell.withdrawn, LASER, days=-15, first_in=8)
    yield _part(tell.bounced, VACCINE, mail=True, days=-14, first_in=8)
    yield _part(tell.opted_out, VACCINE, mail=True, days=-26, first_in=-5)
    yield _part(tell.ended, VEINS, days=-70, first_in=-60, ends_in=-20, reason="Moved to another city.")
    yield _part(tell.ended, VACCINE, days=-12, first_in=15, ends_in=-2, reason="Will be vaccinated at work.")
    yield _part(tell.unsuitable, VEINS, days=-33)
    yield _part(tell.died, VACCINE, days=-40, first_in=-20, ends_in=-6)
    yield _part(tell.assessed, VEINS, days=-5, reflux="untreated")
    yield _part(tell.just_booked, VACCINE, LONDON, mail=True, first_in=12)
    yield _part(tell.just_booked, VEINS, BERLIN, mail=True, first_in=15)
    # Sessions of which nobody has booked the next: overdue, and due.
    yield _part(tell.history, VEINS, days=(-95, -94))
    yield _part(tell.history, VEINS, BERLIN, days=(-130, -129, -98))
    yield _part(tell.history, VACCINE, days=(-66, -65))
    yield _part(tell.history, VEINS, LONDON, days=(-40, -39))
    yield _part(tell.history, VACCINE, BERLIN, child=True, days=(-31, -30))


def _today() -> Iterator[Part]:
    for key, who, from_hour in (
        (VACCINE, "clinician", 0),
        (VEINS, "prescriber", 0),
        (VACCINE, "tomasz", 11),
        (VEINS, "eleni", 10),
        (VEINS, "clinician", 13),
        (LASER, "tomasz", 14),
    ):
        yield _part(stories.today, key, LONDON, who=who, from_hour=from_hour)
    for key, who, from_hour in (
        (VACCINE, "ayse", 0),
        (VEINS, "jonas", 0),
        (VACCINE, "ayse", 11),
        (VEINS, "eleni", 9),
        (VEINS, "jonas", 13),
    ):
        yield _part(stories.today, key, BERLIN, who=who, from_hour=from_hour)


def _everyday(size: float) -> Iterator[Part]:
    def times(how_many: int) -> range:
        return range(max(round(how_many * size), 1))

    def every(*keys: str) -> Iterator[str]:
        return cycle(keys)

    for number, key in zip(times(18), every(VEINS, VACCINE, VEINS, LASER, VACCINE), strict=False):
        yield _part(stories.started, key, days=-1 - number * 2)
    for number, key in zip(times(14), every(VEINS, LASER, VEINS), strict=False):
        yield _part(stories.assessed, key, days=-2 - number * 3)
    for number, key in zip(times(5), every(VEINS, LASER), strict=False):
        yield _part(stories.waits_for_answers, key, days=-3 - number * 2)
    for number, key in zip(times(11), every(LASER, VACCINE, VEINS, VACCINE), strict=False):
        yield _part(stories.life, key, child=key == VACCINE, days=-2 - number % 7, first_in=2 + number * 3)
    for number, key in zip(times(10), every(VACCINE, VEINS, VACCINE, LASER, VEINS), strict=False):
        yield _part(stories.life, key, child=key == VACCINE, days=-14 - number * 12, first_in=-8 - number * 12)
    for number in times(10):
        began, third = -200 - number * 9, -20 - number * 2
        yield _part(stories.history, VACCINE, child=True, days=(began - 1, began, began + 30, third))
    for number in times(3):
        began = -230 - number * 11
        yield _part(stories.history, VEINS, days=(began - 1, began, began + 30, began + 61, began + 130))
    for number, (reason, key) in zip(times(20), cycle(product(WHY_NOT, (VEINS, VACCINE))), strict=False):
        yield _part(stories.gave_up, key, days=-40 - number * 14, reason=reason)


WHY_NOT = ("Changed their mind.", "Too far to travel.", "Will ask again next year.", "Pregnant.", "Never answered.")


# --- whom they are told about ---------------------------------------------------------------------------------------


def give_out(wanted: Iterable[Part], patients: Sequence[Patient], today: date) -> list[tuple[Part, Patient]]:
    """Give every part a patient of its own who can play it; nobody plays two."""
    sharing = Counter(patient.email for patient in patients)
    free = list(patients)
    given = []
    for part in wanted:
        patient = next(one for one in free if _can_play(part, one, today, is_alone=sharing[one.email] == 1))
        free.remove(patient)
        given.append((part, patient))
    return given


def _can_play(part: Part, patient: Patient, today: date, *, is_alone: bool) -> bool:
    site = patient.site
    if part.site is not None and (site is None or not site.name.endswith(part.site)):
        return False
    if part.needs_mail and not (patient.email and patient.mail_consent_at and is_alone):
        return False
    is_grown_up = patient.born_on is not None and patient.born_on <= today - OF_AGE
    return is_grown_up or part.is_for_children
