"""What changed: an append-only event row for every write, made by triggers, so `update()` and raw SQL are seen too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import pghistory
from django.db import models

Model = TypeVar("Model", bound=models.Model)


def tracked(*, exclude: Sequence[str] = ()) -> Callable[[type[Model]], type[Model]]:
    """Keep the history of a model in `<Model>Event`, reached as `.history`.

    `exclude` names identity and free text: that they changed is enough, and pseudonymising a patient must never have to
    rewrite history.
    """

    def decorate(model: type[Model]) -> type[Model]:
        track = pghistory.track(
            exclude=list(exclude),
            model_name=f"{model.__name__}Event",
            obj_field=pghistory.ObjForeignKey(related_name="history"),
            append_only=True,
        )
        tracked_model: type[Model] = track(model)
        return tracked_model

    return decorate
