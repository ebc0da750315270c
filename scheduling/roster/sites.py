"""Sites where there is something to do."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from clinic.models import Site
from scheduling.models import Appointment, Course, FollowUpTask, Message, Session


def sites_at_work(now: datetime) -> QuerySet[Site]:
    """Return the sites that are active, and those where something is left to do all the same.

    That is whatever the worklist may name: visits that stand, courses that are open, outcomes that are missing, calls
    to make, and mail that was not delivered lately.
    """
    here = OuterRef("pk")
    return Site.objects.filter(
        Q(is_active=True)
        | Exists(Appointment.objects.live().filter(site=here))
        | Exists(Course.objects.open().filter(site=here))
        | Exists(Session.objects.without_outcome().filter(course__site=here))
        | Exists(FollowUpTask.objects.open().filter(session__course__site=here))
        | Exists(Message.objects.undelivered(now).filter(site=here))
    )
