"""What the fault tests break: the running service, with mails that are due."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import pytest

from tests.processes import eventually
from tests.service import Service, shared

# A killed sender's lease lasts thirty seconds; then a tick has to come, and a slow machine to do the work.
RECOVERED_SECONDS = 120


@dataclass
class Mails:
    """Mails that are due at once, to patients with addresses that only these have."""

    service: Service
    domain: str
    count: int

    @property
    def arrived(self) -> int:
        return len(self.service.post.copies(self.domain))

    def all_arrive_once(self) -> None:
        """Wait for all of them, and for the service to know it; then look whether any came twice."""
        eventually(lambda: self.arrived == self.count, RECOVERED_SECONDS, f"{self.count} mails have come")
        eventually(lambda: self.states == {("sent", self.count)}, RECOVERED_SECONDS, "all are recorded as sent")
        assert set(self.service.post.copies(self.domain).values()) == {1}

    @property
    def states(self) -> set[tuple[str, int]]:
        rows = self.service.rows(
            "SELECT state, count(*) FROM scheduling_message m JOIN patients_patient p ON p.id = m.patient_id"
            " WHERE p.email LIKE %s AND m.due_at <= now() GROUP BY state",
            f"%@{self.domain}",
        )
        return {(str(state), int(count)) for state, count in rows}


@dataclass
class Furnisher:
    """Makes mails due."""

    service: Service

    def __call__(self, patients: int) -> Mails:
        domain = f"{uuid.uuid4().hex[:12]}.example"
        made = self.service.furnish("mails_due", name=f"Site of {domain}", patients=patients, domain=domain)
        assert made.due == 3 * patients
        return Mails(self.service, domain, made.due)


@pytest.fixture
def service(pytestconfig: pytest.Config) -> Service:
    return shared(pytestconfig)


@pytest.fixture
def mails_due(service: Service) -> Furnisher:
    return Furnisher(service)
