"""A patient called María, and short ways to register and correct her."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.apps import apps

from clinic import accounts
from clinic.errors import Refusal, RuleBroken
from clinic.models import Role, Site, User
from patients import records
from patients.models import Patient
from patients.records import PatientDetails
from tests import build

NOW = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
MARIA = PatientDetails("Sørensen", "María", born_on=date(1980, 5, 17), email="maria@example.org", agrees_to_mail=True)
NHS = "urn:nhs"


@pytest.fixture
def site(db: None) -> Site:
    return build.site()


def make_user(site: Site, *roles: Role) -> User:
    return accounts.create_user(
        email=f"{roles[0]}@harbour.example",
        name=str(roles[0].label),
        password=None,
        roles={site: roles},
        by=None,
        now=NOW,
    )


def register(details: PatientDetails = MARIA, **changes: Any) -> Patient:
    return records.register(replace(details, **changes), by=None, now=NOW)


def correct(patient: Patient, **changes: Any) -> Patient:
    return records.correct(patient, changes, by=None, now=NOW)


def events_of(patient: Patient) -> Any:
    return apps.get_model("patients", "PatientEvent")._default_manager.filter(pgh_obj=patient).order_by("pgh_id")


def problems_of(refusal: Refusal) -> list[tuple[str, str]]:
    return sorted((problem.code, problem.where) for problem in refusal.problems)


def refused(**changes: Any) -> list[tuple[str, str]]:
    with pytest.raises(RuleBroken) as refusal:
        register(**changes)
    assert Patient.objects.count() == 0
    return problems_of(refusal.value)
