"""A worker that is killed while it works a proposal out: the next one takes it up again, and it is worked out once."""

from __future__ import annotations

from typing import Any

from tests.processes import becomes
from tests.service import Service

BEGUN_SECONDS = 60  # a tick comes every five seconds
DONE_SECONDS = 150  # a new worker, a tick, a search


def proposals(service: Service, site: str) -> list[tuple[Any, ...]]:
    return service.rows(
        "SELECT p.state, p.stage, p.tries, p.worker IS NOT NULL, (SELECT count(DISTINCT s.course_id)"
        " FROM scheduling_move m JOIN scheduling_session s ON s.id = m.session_id WHERE m.proposal_id = p.id)"
        " FROM scheduling_proposal p JOIN clinic_site c ON c.id = p.site_id WHERE c.uid = %s",
        site,
    )


def test_a_proposal_whose_worker_is_killed_is_worked_out_by_the_next(service):
    clinic = service.furnish("booked_with_one", name="Site of the killed search", patients=3)

    with service.database() as others:
        others.execute("LOCK TABLE scheduling_hours IN ACCESS EXCLUSIVE MODE")  # the search waits to read them
        service.furnish("is_ill", lead=clinic.lead, on=clinic.on)
        becomes(
            lambda: proposals(service, clinic.site),
            [("making", "reading", 1, True, 0)],
            BEGUN_SECONDS,
            "a worker has begun",
        )
        killed = service.kill_group_of("worker")
        others.rollback()
    service.change("UPDATE scheduling_proposal SET lease_until = clock_timestamp() WHERE state = 'making'")

    becomes(
        lambda: proposals(service, clinic.site),
        [("open", "", 2, False, 3)],
        DONE_SECONDS,
        "the next worker has worked it out",
    )
    assert service.child("worker") != killed
