"""A patient of the running service, told over HTTP and mail."""

from __future__ import annotations

import itertools
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from email.message import EmailMessage
from types import SimpleNamespace
from typing import Any

import pytest

from tests.service import Answer, Api, Service, shared

CLINICAL_WORDS = re.compile(r"sclero|vein|inject|treatment|protocol|laser|leg", re.IGNORECASE)
NUMBERS = itertools.count(1)


@pytest.fixture
def service(pytestconfig: pytest.Config) -> Service:
    return shared(pytestconfig)


@dataclass
class Told:
    """A clinic behind the running service, its people, and one patient's course as the API shows it."""

    service: Service
    clinic: SimpleNamespace
    reception: Api = field(init=False)
    doctor: Api = field(init=False)
    address: str = field(init=False)
    patient: str = ""
    course: str = ""

    def __post_init__(self) -> None:
        self.reception = self.service.sign_in(self.clinic.receptionist, self.clinic.password)
        self.doctor = self.service.sign_in(self.clinic.clinician, self.clinic.password)
        self.address = f"ana.{uuid.uuid4().hex[:8]}@example.org"

    @property
    def today(self) -> date:
        return date.fromisoformat(self.clinic.today)

    def begin(self) -> None:
        """Register the patient and start the course."""
        patient = self.reception.post(
            "patients/",
            {
                "given_name": "Ana Sofía",
                "family_name": "Ångström",
                "born_on": "1985-02-28",
                "email": self.address,
                "agrees_to_mail": True,
                "language": "en",
            },
        )
        assert patient.status == 201, patient
        self.patient = patient.body["uid"]
        what = {"patient": self.patient, "protocol": self.clinic.protocol, "site": self.clinic.site}
        course = self.reception.post("courses/", what | {"areas": self.protocol["areas"][:1]})
        assert course.status == 201, course
        self.course = course.body["uid"]

    def clear(self) -> None:
        """Open every gate: assess, record the signed consent, ask every question."""
        assessed = {"assessed_on": self.clinic.today, "is_suitable": True, "reflux": "none_found"}
        assert self.doctor.post(f"courses/{self.course}/assessments/", assessed).status == 201
        text = self.protocol["consent_texts"][0]
        signed = {name: text[name] for name in ("language", "number")} | {
            "informed_on": self.clinic.today,
            "signed_on": self.clinic.today,
        }
        assert self.doctor.post(f"courses/{self.course}/consents/", signed).status == 201
        self.ask_everything()

    @property
    def protocol(self) -> Any:
        return self.reception.get(f"protocols/{self.clinic.protocol}/").body

    def ask_everything(self) -> None:
        choices = {one["code"]: one["choices"] for one in self.reception.get("questions/?limit=100").body["results"]}
        for risk in self.protocol["risks"]:
            good = next(one for one in choices[risk["question"]] if one not in risk["refused_answers"])
            given = self.reception.post(
                f"patients/{self.patient}/answers/", {"question": risk["question"], "value": good}
            )
            assert given.status == 201, given

    def plan_after(self, days: int, *, without: Iterable[date] = ()) -> list[dict[str, Any]]:
        """Say that the patient cannot come for so many days (nor on others), and return the best plan's slots."""
        away = [self.today + timedelta(days=number) for number in range(days)]
        wishes = {"avoid_dates": [on.isoformat() for on in [*away, *without]], "strict": True}
        assert self.reception.post(f"courses/{self.course}/wishes/", wishes).status == 200
        plan = self.reception.post(f"courses/{self.course}/plan/")
        assert plan.status == 200, plan
        best = plan.body["alternatives"][0]
        assert best["is_proven"]
        return [session["slot"] for session in best["sessions"]]

    def book(self, slots: list[dict[str, Any]], key: str) -> Answer:
        return self.reception.post(f"courses/{self.course}/book/", {"slots": slots}, key=key)

    def session(self, number: int) -> Any:
        """The course's treatment of that number, as it stands."""
        sessions = self.doctor.get(f"courses/{self.course}/").body["sessions"]
        return [session for session in sessions if session["step"]["kind"] == "treatment"][number - 1]

    def perform_today(self, number: int) -> Answer:
        what = {"performed_on": self.now_there, "outcome": "ok", "product": "Fibrovein 0.5 %", "batch": "B 12"}
        what |= {"amount": "2.5", "amount_unit": "mL"}
        return self.doctor.post(f"sessions/{self.session(number)['uid']}/perform/", what)

    @property
    def now_there(self) -> str:
        site = next(one for one in self.doctor.get("sites/").body["results"] if one["uid"] == self.clinic.site)
        return str(site["today"])

    def let_days_pass(self, days: int) -> None:
        self.service.let_days_pass(days, self.clinic.zone)
        self.service.ring()  # beat would, within fifteen seconds


@pytest.fixture
def told(service: Service) -> Told:
    return Told(service, service.furnish("a_clinic", name=f"Story {next(NUMBERS)}"))


def words_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def says_nothing_clinical(mail: EmailMessage) -> bool:
    """Whether what an inbox shows, and the file's name, keep the treatment to themselves."""
    names = " ".join(part.get_filename() or "" for part in mail.iter_attachments())
    return not CLINICAL_WORDS.search(f"{mail['Subject']} {mail['From']} {words_of(mail)[:150]} {names}")
