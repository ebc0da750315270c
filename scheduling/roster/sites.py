"""Sites where there is something to do."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q, QuerySet

from clinic.models import Site
from scheduling.models import Appointment, Course


def sites_at_work() -> QuerySet[Site]:
    """Return the sites that are active, and those where visits stand, or courses are open, all the same."""
    visits = Appointment.objects.live().filter(site=OuterRef("pk"))
    courses = Course.objects.open().filter(site=OuterRef("pk"))
    return Site.objects.filter(Q(is_active=True) | Exists(visits) | Exists(courses))
