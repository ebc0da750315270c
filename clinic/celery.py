"""The Celery application. What it runs is in `scheduling/tasks.py`, how it behaves in settings (CELERY_...)."""

from __future__ import annotations

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")

app = Celery("clinic")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _log_as_the_web_does(**_: Any) -> None:
    """Keep Celery from installing its own log format, which would print arguments and multi-line traces."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
