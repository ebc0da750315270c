"""The report of overrides in the admin: filtered, opened, taken away as a file."""

from __future__ import annotations

import csv
import io
from typing import Any

from clinic.models import AccessEvent
from scheduling import intake
from scheduling.models import Course, Override
from tests import build

from .conftest import OpenClinic, course_page, do, words

REPORT = "/admin/scheduling/override/"


def given(clinic: OpenClinic, course: Course, **changes: Any) -> Override:
    details: dict[str, Any] = {
        "session": build.sessions_of(course)[0],
        "rule": "before_minimum",
        "reason": "=HYPERLINK(1)",
        "expires_on": clinic.today,
    } | changes
    return intake.override(course, **details, by=clinic.prescriber, now=clinic.now)


def test_the_report_names_rule_session_reason_expiry_and_person_and_is_filtered(clinic, manager):
    course = clinic.course(build.patient("Zoë Müller"))
    override = given(clinic, course)

    said = words(manager.get(REPORT))

    for part in ("Zoë Müller", "This is earlier than the protocol allows.", "session 2", "=HYPERLINK(1)", "valid"):
        assert part in said
    assert override.given_by.name in said
    assert "Zoë Müller" in words(manager.get(REPORT, {"state": "valid", "rule": "before_minimum"}))
    assert "Zoë Müller" not in words(manager.get(REPORT, {"state": "revoked"}))
    assert "Zoë Müller" not in words(manager.get(REPORT, {"rule": "risk_relative"}))


def test_the_report_says_in_words_what_an_override_is_about(clinic, manager):
    given(clinic, clinic.course(), session=None, rule="risk_relative", subject="contraceptive_pill")

    said = words(manager.get(REPORT))

    assert "The answer to “Do you take a contraceptive pill or hormone replacement (tablets)?” speaks" in said
    assert "contraceptive_pill" not in said


def test_the_report_is_exported_as_it_is_filtered_with_no_cell_that_runs(clinic, manager):
    course = clinic.course(build.patient("Zoë Müller"))
    given(clinic, course)

    answer = manager.get(f"{REPORT}export/", {"state": "valid"})
    nothing = manager.get(f"{REPORT}export/", {"state": "revoked"})

    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [(row["patient"], row["rule"], row["reason"]) for row in rows] == [
        ("Zoë Müller", "before_minimum", "'=HYPERLINK(1)")
    ]
    assert list(csv.DictReader(io.StringIO(nothing.content.decode()))) == []
    assert AccessEvent.objects.get(action="export").patient_uids == [str(course.patient.uid)]


def test_another_site_and_an_operator_see_nothing_of_it(clinic, signed_in):
    given(clinic, clinic.course(build.patient("Zoë Müller")))
    stranger = signed_in(user=build.user("manager", at=build.site()))

    assert "Zoë" not in words(stranger.get(REPORT))
    assert "Zoë" not in stranger.get(f"{REPORT}export/").content.decode()
    assert signed_in("operator").get(f"{REPORT}export/").status_code == 403


def test_an_override_is_revoked_from_the_course_page_by_a_prescriber(clinic, clinician, signed_in):
    course = clinic.course()
    override = given(clinic, course)
    prescriber = signed_in(user=clinic.prescriber)
    assert "Revoke" not in words(clinician.get(course_page(course)))
    assert clinician.post(do(course, "revoke", override), {"reason": "x"}).status_code == 403
    assert "Revoke" in words(prescriber.get(course_page(course)))

    assert prescriber.post(do(course, "revoke", override), {"reason": ""}).status_code == 200
    assert prescriber.post(do(course, "revoke", override), {"reason": "no need"}).status_code == 302

    override.refresh_from_db()
    assert (override.revoke_reason, override.revoked_by) == ("no need", clinic.prescriber)
