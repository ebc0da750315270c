"""The Celery application. What it runs is in `scheduling/tasks.py`, how it behaves in settings (CELERY_...)."""

from __future__ import annotations

import logging.config
import os
from functools import cached_property
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")


class Application(Celery):
    """Celery with the worker of ours, however it is started: by `run`, `celery worker` or `celery multi`."""

    @cached_property
    def Worker(self) -> type[Any]:  # noqa: N802 - as Celery calls it
        from clinic.worker import Worker  # what else imports this application needs none of it

        return self.subclass_with_self(Worker)


app = Application("clinic")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _log_as_the_web_does(**_: Any) -> None:
    """Keep Celery from installing its own log format, which would print arguments and multi-line traces."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
