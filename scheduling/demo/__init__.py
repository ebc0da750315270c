"""The demo clinic: two sites, their people and patients, and a year of courses in every state.

Everything is written through the acts, by the staff it shows, at the moments it tells of. The same seed and the same
day give the same clinic. It is written whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from django.db import transaction

from clinic.models import Site, User
from patients.models import Patient

from . import people, place
from .cast import Part, give_out, parts
from .desk import Desk
from .place import PEOPLE, Person
from .post import Post
from .stories import open_the_day
from .telling import let_the_database_count, tell

__all__ = ["PEOPLE", "Made", "Person", "build", "is_empty"]

PATIENTS = 300
SEED = 7


@dataclass(frozen=True, slots=True)
class Made:
    """What there is now; `refused` says which stories could not be told to their end, and why."""

    patients: int
    courses: int
    refused: list[str]


def is_empty() -> bool:
    """Whether nobody and nothing is here yet."""
    return not (User.objects.exists() or Site.objects.exists() or Patient.objects.exists())


@transaction.atomic
def build(
    password: str, *, now: datetime, seed: int = SEED, size: float = 1.0, only: Sequence[Part] | None = None
) -> Made:
    """Make the demo clinic as of this moment. Raises RuleBroken for a password that the rules refuse.

    `size` scales patients and everyday courses (0: no courses); `only` tells these stories and no others.
    """
    here = place.make(password, now=now)
    wanted = parts(size) if only is None else only
    known = people.register(
        max(round(PATIENTS * size), 2 * len(wanted)),
        list(here.sites.values()),
        random=Random(f"people {seed}"),  # noqa: S311  (invents people, guards nothing)
        by=here.users["reception"],
        since=now - timedelta(days=place.OLDEST_DAYS),
        now=now,
    )
    post = Post(now=now)
    desk = Desk(here, post, Random(f"desk {seed}"))  # noqa: S311  (as above)
    given = give_out(wanted, known, now.date())
    refused = tell([(part.name, part.tell(desk, patient)) for part, patient in given], post, now=now)
    open_the_day(desk)
    post.finish()
    let_the_database_count()
    return Made(len(known), len(given), refused)
