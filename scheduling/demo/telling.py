"""Tell all stories together, in the order of time, until the present."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from heapq import heapify, heappop, heappush

from django.db import connection

from clinic.errors import Refusal
from scheduling.planner.explain import Unplannable

from .post import Post
from .stories import Story

ANALYZED_EVERY = 100  # steps of stories


def tell(stories: Iterable[tuple[str, Story]], post: Post, *, now: datetime) -> list[str]:
    """Let every story go on at the moments it asks for, mail going out in between.

    A story that is refused something ends there; returned are the reasons, for whoever wonders.
    """
    refused: list[str] = []
    waiting = [(next(story), number, name, story) for number, (name, story) in enumerate(stories)]
    heapify(waiting)
    steps = 0
    while waiting:
        steps += 1
        if steps % ANALYZED_EVERY == 0:
            let_the_database_count()
        at, number, name, story = heappop(waiting)
        if at > now:
            story.close()
            continue
        post.catch_up(at)
        try:
            heappush(waiting, (story.send(at), number, name, story))
        except StopIteration:
            continue
        except (Refusal, Unplannable) as refusal:
            refused.append(f"{name}: {refusal}")
    return refused


def let_the_database_count() -> None:
    """Nobody else can count rows that are not committed, and without counts some questions take half a minute."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
