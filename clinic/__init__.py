"""The project, and the place: what every app shares."""

from clinic.celery import app as celery_app

__all__ = ["celery_app"]
