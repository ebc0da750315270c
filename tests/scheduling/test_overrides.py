"""Overrides: who may silence what, the report of them, and taking one back."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from clinic.errors import NotAllowed, RuleBroken
from clinic.models import Role
from scheduling import booking, holds, intake, reports, visits
from scheduling.models import Course, Override, Proposal
from scheduling.planner import tiers
from scheduling.planner.gates import GATES
from scheduling.planner.tiers import Tier
from tests import build
from tests.refusals import codes

pytestmark = pytest.mark.django_db
MONDAY = date(2027, 1, 4)


def given(clinic: build.Clinic, course: Course, **changes: Any) -> Override:
    """An override for the first session, if nothing else is said."""
    return clinic.override(course, **({"session": build.sessions_of(course)[0]} | changes))


# --- tiers ------------------------------------------------------------------------------------------------------------


def test_every_code_of_every_gate_has_a_tier():
    by_tier = {
        tier: {code.code for kind in GATES.values() for code in kind.codes if tiers.tier_of(code.code) is tier}
        for tier in Tier
    }

    assert by_tier[Tier.PRESCRIBER] == {
        "risk_relative", "too_near_other_treatment", "late_review", "late_repeat_step", "late_restart",
    }  # fmt: skip
    assert by_tier[Tier.NONE_NEEDED] == {"outcome_awaited"}
    assert {"risk_absolute", "answer_missing", "consent_missing", "course_on_hold", "too_young"} < by_tier[Tier.NOBODY]


@pytest.mark.parametrize(
    ("code", "tier"),
    [
        ("before_minimum", Tier.PRESCRIBER),
        ("before_floor", Tier.NOBODY),
        ("after_lapse", Tier.NOBODY),
        ("resource_busy", Tier.NOBODY),
        ("never_heard_of", Tier.NOBODY),
        ("overdue", Tier.NONE_NEEDED),
        ("late_shorten", Tier.NONE_NEEDED),
    ],
)
def test_who_may_silence_a_rule(code, tier):
    assert tiers.tier_of(code) is tier


def test_what_stands_in_nobodys_way_needs_no_override(clinic):
    with pytest.raises(RuleBroken) as refused:
        given(clinic, clinic.course(), rule="overdue", subject="")

    assert (codes(refused), Override.objects.count()) == (["override_not_needed"], 0)


def test_the_clinics_own_jobs_override_nothing(clinic):
    with pytest.raises(RuleBroken) as refused:
        given(clinic, clinic.course(), by=None)

    assert codes(refused) == ["overrider_missing"]


def test_too_near_another_treatment_is_overridden_by_the_protocol_that_the_refusal_names(clinic):
    """Also where the other protocol asks for the distance: hepatitis B names no laser hair removal."""
    build.shipped_protocol("laser_hair_removal")
    course = build.Clinic(key="hepatitis_b").course(areas=[])
    near = {"rule": "too_near_other_treatment", "by": build.user(Role.PRESCRIBER, at=course.site)}

    with pytest.raises(RuleBroken) as no_such:
        given(clinic, course, subject="horoscope", **near)
    with pytest.raises(RuleBroken) as its_own:
        given(clinic, course, subject="hepatitis_b", **near)
    allowed = given(clinic, course, subject="laser_hair_removal", **near)

    assert (codes(no_such), codes(its_own)) == (["subject_unknown"], ["subject_unknown"])
    assert allowed.subject == "laser_hair_removal"


# --- revoking ---------------------------------------------------------------------------------------------------------


def test_a_revoked_override_makes_the_visits_it_allowed_a_proposal(clinic):
    course = clinic.booked_course()
    first, second, third = build.sessions_of(course)
    clinic.perform(first)
    early = given(clinic, course, session=second, rule="before_minimum", subject="")
    soon = first.performed_on or clinic.today + timedelta(days=10)
    (time, *_rest) = visits_between(clinic, second, soon)
    move(clinic, second, time)
    Proposal.objects.all().delete()

    revoked = intake.revoke_override(early, reason="she may wait after all", by=clinic.prescriber, now=clinic.now)

    assert (revoked.revoked_at, revoked.revoked_by, revoked.revoke_reason) == (
        clinic.now,
        clinic.prescriber,
        "she may wait after all",
    )
    proposal = Proposal.objects.get(course=course, state="open")
    why = [one["code"] for one in proposal.moves.get(session=second).why]
    assert (proposal.reason, why) == ("revoked", ["before_minimum"])
    assert third.appointments.exists()


def visits_between(clinic: build.Clinic, session: Any, first_on: date) -> list[Any]:
    return visits.free_times(
        session, first_on=first_on, last_on=first_on + timedelta(days=14), now=clinic.now, limit=200
    )[-1:]


def move(clinic: build.Clinic, session: Any, planned: Any) -> None:
    visits.move(session.appointments.get(), planned.slot, by=clinic.receptionist, now=clinic.now)


def test_an_override_is_revoked_once_by_a_prescriber_with_a_reason(clinic):
    override = given(clinic, clinic.course())

    with pytest.raises(NotAllowed):
        intake.revoke_override(override, reason="x", by=clinic.clinician, now=clinic.now)
    with pytest.raises(RuleBroken):
        intake.revoke_override(override, reason=" ", by=clinic.prescriber, now=clinic.now)
    intake.revoke_override(override, reason="x", by=clinic.prescriber, now=clinic.now)
    with pytest.raises(intake.OverrideRevoked):
        intake.revoke_override(override, reason="x", by=clinic.prescriber, now=clinic.now)


def test_an_override_that_is_over_silences_nothing(clinic):
    course = clinic.cleared_course()
    slots = [planned.slot for planned in clinic.propose(course).sessions]
    assert slots[0].on == clinic.today
    clinic.answer_all(course, contraceptive_pill="yes")
    given(clinic, course, session=None, expires_on=clinic.today)
    hold = course.holds.get()
    holds.lift(hold, reason="looked at it", by=clinic.prescriber, now=clinic.now)

    with pytest.raises(booking.NotBookable) as refused:
        booking.book_course(course, slots, by=clinic.receptionist, now=clinic.now)

    assert [(one.code, one.where) for one in refused.value.problems] == [
        ("risk_relative", str(session.uid)) for session in build.sessions_of(course)[1:]
    ]


# --- the report -------------------------------------------------------------------------------------------------------


def test_the_report_tells_valid_expired_and_revoked_apart(clinic):
    course = clinic.course()
    over = given(clinic, course, session=None, expires_on=clinic.today)
    revoked = given(clinic, course, session=None)
    valid = given(clinic, course)
    elsewhere = build.Clinic()
    given(elsewhere, elsewhere.course(), by=elsewhere.prescriber)
    intake.revoke_override(revoked, reason="a mistake", by=clinic.prescriber, now=clinic.now)
    clinic.wait(days=1)

    found = {state: list(reports.overrides([clinic.site], now=clinic.now, state=state)) for state in ("", *STATES)}

    assert found == {"": [valid, revoked, over], "valid": [valid], "expired": [over], "revoked": [revoked]}
    assert [reports.state_of(one, now=clinic.now) for one in found[""]] == ["valid", "revoked", "expired"]


STATES = reports.OVERRIDE_STATES


@pytest.mark.parametrize("cell", ["=1+1", "+44", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_that_a_spreadsheet_would_run_is_quoted(clinic, cell):
    given(clinic, clinic.course(build.patient("Ana Kovač")), reason=cell.strip() or cell)

    (line,) = reports.override_lines(reports.overrides([clinic.site], now=clinic.now), now=clinic.now)

    said = dict(zip(reports.OVERRIDE_COLUMNS, line, strict=True))
    assert said["patient"] == "Ana Kovač"
    assert (said["rule"], said["about"], said["state"]) == ("risk_relative", "contraceptive_pill", "valid")
    assert not any(one.startswith(reports.RUNS) for one in line)
    assert reports.as_text(cell) == f"'{cell}"
