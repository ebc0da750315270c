"""Running courses from another system: through the same rules as anywhere, all of a file or nothing of it."""

from __future__ import annotations

from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from patients.models import Answer, Patient
from patients.records import IdentifierDetails
from scheduling import imports
from scheduling.models import Appointment, Course, FollowUpTask, Hold, Message, Session
from tests import build
from tests.refusals import codes

pytestmark = pytest.mark.django_db
MONDAY = date(2027, 1, 4)
GOOD = {"2026-10-05": "assessment", "2026-11-30": "performed"}


@pytest.fixture
def patient(clinic: build.Clinic) -> Patient:
    return build.patient("Zoë Müller", identifiers=(IdentifierDetails("urn:old", "77"),))


def answers(clinic: build.Clinic, **values: str) -> str:
    rules = clinic.version.risk_rules.select_related("question")
    good = {
        rule.question.code: next(one for one in rule.question.choices if one not in rule.refused_answers)
        for rule in rules
    }
    return "\n".join(
        f"      - {{question: {code}, value: {value}, given_on: 2027-01-04}}" for code, value in (good | values).items()
    )


def file_of(clinic: build.Clinic, *, performed_on: str = "2026-12-07", visit: str = "", **values: str) -> str:
    """A course that began in October, had its first session in December, and has (or has not) a visit to come."""
    return f"""\
courses:
  - course: A-1
    patient_system: urn:old
    patient_number: 77
    protocol: microsclerotherapy
    site: {clinic.site.name}
    areas: [{clinic.areas()[0].code}]
    started_on: 2026-10-05
    assessments:
      - {{assessed_on: 2026-10-05, is_suitable: yes, reflux: none_found}}
    consents:
      - {{number: 1, informed_on: 2026-10-05, signed_on: 2026-10-12}}
    answers:
{answers(clinic, **values)}
    performed:
      - {{performed_on: {performed_on}, at: 10:20, outcome: ok, complications: [bruise]}}
    visits: [{visit}]
"""


def brought(clinic: build.Clinic, text: str, *, form: str = "yaml", **more: Any) -> imports.Brought:
    return imports.bring_in(imports.read(text, form=form), by=clinic.clinician, now=clinic.now, **more)


def refused(clinic: build.Clinic, text: str, *, form: str = "yaml") -> list[tuple[int, str]]:
    with pytest.raises((imports.ImportRefused, imports.FileUnreadable)) as refusal:
        brought(clinic, text, form=form)
    assert not Course.objects.exists()
    assert not Answer.objects.exists()
    return [(problem.details["line"], problem.code) for problem in refusal.value.problems]


def line_of(text: str, words: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), start=1) if words in line)


def test_a_running_course_comes_with_its_history_and_its_next_visit(clinic, patient):
    done = brought(clinic, file_of(clinic, visit="{on: 2027-01-11, at: 09:00}"))

    (course,) = done.courses
    assert done.counts["performed"] == done.counts["visit"] == done.counts["course"] == 1
    assert (course.patient, course.started_on, course.state) == (patient, date(2026, 10, 5), "open")
    first, second, third = build.sessions_of(course)
    assert course.sessions.get(step_key="assessment").performed_on == date(2026, 10, 5)
    assert (first.state, first.performed_on, first.outcome.result) == ("performed", date(2026, 12, 7), "ok")
    assert (second.earliest_on, third.appointments.count()) == (MONDAY, 0)
    visit = second.appointments.get()
    assert (visit.on, f"{visit.at_time:%H:%M}", visit.booked_by) == (date(2027, 1, 11), "09:00", clinic.clinician)
    assert set(Answer.objects.values_list("source", flat=True)) == {"import"}
    assert set(Message.objects.filter(course=course).values_list("kind", flat=True)) >= {"confirmation", "reminder"}
    assert not FollowUpTask.objects.exists()


def test_what_took_place_is_never_refused_for_its_window(clinic, patient):
    """Two sessions four days apart, in a protocol that wants four weeks."""
    text = file_of(clinic).replace("    visits: []", "      - {performed_on: 2026-12-11, outcome: ok}\n    visits: []")

    (course,) = brought(clinic, text).courses

    performed = course.sessions.filter(step_key="treatment", state="performed").order_by("position")
    assert [one.performed_on for one in performed] == [date(2026, 12, 7), date(2026, 12, 11)]


def test_more_sessions_than_the_protocol_plans_took_place_too(clinic, patient):
    more = "".join(
        f"      - {{performed_on: {on}, outcome: ok}}\n" for on in ("2026-08-03", "2026-09-07", "2026-10-12")
    )
    text = file_of(clinic).replace("    visits: []", f"{more}    visits: []")

    (course,) = brought(clinic, text).courses

    performed = course.sessions.filter(step_key="treatment", state="performed").order_by("position")
    assert [one.performed_on.isoformat() for one in performed] == [
        "2026-08-03", "2026-09-07", "2026-10-12", "2026-12-07",
    ]  # fmt: skip


def test_records_are_carried_out_by_when_they_took_place_not_by_when_they_expire(clinic, patient):
    first = "      - {assessed_on: 2026-10-05, is_suitable: yes, reflux: none_found"
    again = "      - {assessed_on: 2027-01-02, is_suitable: yes, reflux: none_found}\n"
    text = file_of(clinic).replace(f"{first}}}\n", f"{first}, expires_on: 2027-06-01}}\n{again}")

    (course,) = brought(clinic, text).courses

    assert course.sessions.get(step_key="assessment").performed_on == date(2026, 10, 5)


def test_a_name_that_several_have_is_not_guessed(clinic, patient):
    for _twice in range(2):
        build.resource("sclerotherapy", at=clinic.site, name="Ann Smith")
    text = file_of(clinic).replace("at: 10:20", "at: 10:20, lead: Ann Smith")

    assert refused(clinic, text) == [(line_of(text, "Ann Smith"), "ambiguous")]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"performed_on": "2026-12-21", "visit": "{on: 2027-01-11, at: 09:00}"}, "before_minimum"),
        ({"visit": "{on: 2027-01-09, at: 09:00}"}, "off_duty"),  # a Saturday
        ({"visit": "{on: 2027-01-11, at: 09:02}"}, "off_grid"),
        ({"visit": "{on: 2027-01-01, at: 09:00}"}, "in_the_past"),
        ({"visit": "{on: 2029-01-11, at: 09:00}"}, "beyond_horizon"),
        ({"visit": "{on: 2027-01-11, at: 09:00}", "pregnancy": "yes"}, "risk_absolute"),
        ({"visit": "{on: 2027-01-11, at: 09:00}", "contraceptive_pill": "yes"}, "course_on_hold"),
    ],
)
def test_a_visit_to_come_is_refused_as_anywhere_and_nothing_of_the_file_is_stored(clinic, patient, changes, code):
    text = file_of(clinic, **changes)

    problems = refused(clinic, text)

    assert (line_of(text, "visits:"), code) in problems
    assert {line for line, _code in problems} == {line_of(text, "visits:")}
    assert not Session.objects.exists()
    assert not Hold.objects.exists()


def test_a_time_that_is_taken_is_refused(clinic, patient):
    other = clinic.booked_course()
    taken = [build.slot(visit)["at"] for visit in build.visits_of(other)]
    assert taken
    slots = build.visits_of(other)
    both_rooms = clinic.booked_course()
    on, at = slots[0].on, f"{slots[0].at_time:%H:%M}"
    assert any(visit.on == on for visit in build.visits_of(both_rooms))
    text = file_of(clinic, performed_on="2026-12-01", visit=f"{{on: {on}, at: {at}, lead: {slots[0].lead.name}}}")

    with pytest.raises(imports.ImportRefused) as refusal:
        brought(clinic, text)

    assert set(codes(refusal)) == {"resource_busy"}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("patient_number: 77", "patient_number: 78", "unknown"),
        ("protocol: microsclerotherapy", "protocol: magnets", "unknown"),
        ("reflux: none_found", "reflux: maybe", "reflux_unknown"),
        ("assessed_on: 2026-10-05", "assessed_on: 2027-10-05", "assessed_in_future"),
        ("signed_on: 2026-10-12", "signed_on: 2026-10-01", "signed_before_informed"),
        ("number: 1,", "number: 9,", "unknown"),
        ("value: no, given_on: 2027-01-04", "value: no, given_on: 2027-01-05", "answer_in_future"),
        ("outcome: ok", "outcome: fine", "result_unknown"),
        ("[bruise]", "[blister]", "complication_needs_review"),
        ("performed_on: 2026-12-07", "performed_on: 2027-01-05", "performed_in_future"),
        ("started_on: 2026-10-05", "started_on: 2027-10-05", "started_in_future"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(clinic, patient, old, new, code):
    text = file_of(clinic).replace(old, new, 1)

    is_of_course = new.partition(":")[0] in imports.SPECS["course"].fields
    line = line_of(text, "course: A-1" if is_of_course else new)
    assert (line, code) in refused(clinic, text)


def test_every_problem_of_a_file_is_listed_not_the_first(clinic, patient):
    text = file_of(clinic).replace("reflux: none_found", "reflux: maybe").replace("outcome: ok", "outcome: fine")

    assert refused(clinic, text) == [
        (line_of(text, "reflux: maybe"), "reflux_unknown"),
        (line_of(text, "outcome: fine"), "result_unknown"),
    ]


def test_a_rehearsal_stores_nothing_and_finds_what_the_real_one_would(clinic, patient):
    done = brought(clinic, file_of(clinic, visit="{on: 2027-01-11, at: 09:00}"), dry_run=True)

    assert (done.is_rehearsal, done.counts["visit"]) == (True, 1)
    assert (Course.objects.count(), Appointment.objects.count(), Message.objects.count()) == (0, 0, 0)


def test_a_file_brought_in_twice_is_refused_the_second_time(clinic, patient):
    text = file_of(clinic)
    brought(clinic, text)

    with pytest.raises(imports.ImportRefused) as refusal:
        brought(clinic, text)

    assert codes(refusal) == ["course_already_open"]
    assert Course.objects.count() == 1


def test_reception_brings_in_no_clinical_records(clinic, patient):
    records = imports.read(file_of(clinic), form="yaml")

    with pytest.raises(imports.ImportRefused) as refusal:
        imports.bring_in(records, by=clinic.receptionist, now=clinic.now)

    assert set(codes(refusal)) == {"role_missing"}
    assert not Course.objects.exists()


CSV = """\
course,record,patient_system,patient_number,protocol,site,areas,started_on,assessed_on,is_suitable,reflux,performed_on
A-1,performed,,,,,,,,,,2026-12-07
A-1,course,urn:old,77,microsclerotherapy,{site},{area},2026-10-05,,,,
A-1,assessment,,,,,,,2026-10-05,yes,none_found,
"""


def csv_of(clinic: build.Clinic) -> str:
    return CSV.format(site=clinic.site.name, area=clinic.areas()[0].code)


def test_csv_says_the_same_in_whatever_order(clinic, patient):
    done = brought(clinic, csv_of(clinic), form="csv")

    assert done.counts == {"course": 1, "assessment": 1, "performed": 1}
    assert build.sessions_of(done.courses[0])[0].performed_on == date(2026, 12, 7)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("A-1,performed", "A-2,performed", [(2, "course_missing")]),
        ("A-1,performed", ",performed", [(2, "missing")]),
        ("A-1,performed", "A-1,repaired", [(2, "record_unknown")]),
        ("2026-12-07", "7.12.2026", [(2, "malformed")]),
        (",yes,", ",perhaps,", [(4, "malformed")]),
        (",2026-10-05,,,,", ",,,,,", [(3, "missing")]),
        ("course,record", "course,course", [(1, "header_wrong")]),
        ("none_found,", "none_found,,,,", [(4, "too_many_cells")]),
        ("A-1,assessment,,,,,,", "A-1,assessment,,,,,left_leg,", [(4, "field_unknown")]),
        ("A-1,assessment", "A-1,course", [(4, "field_unknown")] * 3 + [(4, "missing")] * 5),
    ],
)
def test_a_malformed_csv_is_refused_with_its_lines(clinic, patient, old, new, expected):
    assert refused(clinic, csv_of(clinic).replace(old, new, 1), form="csv") == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "nothing_there"),
        ("courses: []", "nothing_there"),
        ("courses: [", "malformed"),
        ("courses: [{course: A, course: B}]", "field_repeated"),
        ("courses: [{course: A, visits: 1}]", "not_a_list"),
        ("courses: [{course: A, protocol: {a: 1}}]", "not_a_text"),
        ("a: &a [1]\ncourses: *a", "alias"),
        ("courses: " + "[" * 5000 + "]" * 5000, "malformed"),
    ],
)
def test_a_malformed_yaml_is_refused(clinic, text, code):
    with pytest.raises(imports.FileUnreadable) as refusal:
        imports.read(text, form="yaml")

    assert code in codes(refusal)


# --- the command ------------------------------------------------------------------------------------------------------


def run(*words: str) -> str:
    out = StringIO()
    call_command("courses", "import", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def its_clock(clinic: build.Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command reads the clock; here it shows the clinic's."""
    monkeypatch.setattr(timezone, "now", lambda: clinic.now)


def test_the_command_says_what_it_did(clinic, patient, its_clock, tmp_path: Path):
    file = tmp_path / "old.csv"
    file.write_text(csv_of(clinic))

    rehearsed = run(str(file), "--as", clinic.clinician.email, "--dry-run")
    assert ("nothing was stored" in rehearsed, Course.objects.count()) == (True, 0)
    assert "1 course, 1 assessment, 1 performed" in run(str(file), "--as", clinic.clinician.email.upper())
    assert Course.objects.count() == 1


def test_the_command_names_file_line_place_and_code(clinic, patient, its_clock, tmp_path: Path):
    file = tmp_path / "old.yaml"
    file.write_text(file_of(clinic).replace("outcome: ok", "outcome: fine"))
    said = StringIO()

    with pytest.raises(CommandError, match="1 to mend; nothing was stored"):
        call_command("courses", "import", str(file), "--as", clinic.clinician.email, stderr=said)

    line = line_of(file.read_text(), "outcome: fine")
    assert said.getvalue().startswith(f"{file}:{line}: outcome.result: ")
    assert said.getvalue().endswith("[result_unknown]\n")


@pytest.mark.parametrize(
    ("name", "email", "said"),
    [
        ("old.csv", "nobody@example.org", "Nobody signs in"),
        ("old.txt", None, "must end in"),
        ("no.csv", None, "No such"),
    ],
)
def test_the_command_needs_a_file_and_a_person(clinic, tmp_path: Path, name, email, said):
    with pytest.raises(CommandError, match=said):
        run(str(tmp_path / name), "--as", email or clinic.clinician.email)
