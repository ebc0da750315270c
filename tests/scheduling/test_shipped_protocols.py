"""The protocols that come with Cadence: what they promise their readers, and what a course of each becomes."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from scheduling import protocols, roster
from scheduling.models import Course, ProtocolVersion, Session
from scheduling.planner import facts, gates, windows
from tests import build
from tests.planner.cdc import ROWS

NOW = datetime(2027, 1, 4, 8, 0, tzinfo=UTC)
WORDS = protocols.shipped_words()
EVERY = pytest.mark.parametrize("key", protocols.shipped_keys())


def document_of(key: str) -> protocols.Document:
    return protocols.parse_with(protocols.shipped(key), WORDS)


# --- what a reader may expect -----------------------------------------------------------------------------------------


def test_these_are_shipped():
    assert list(protocols.shipped_keys()) == [
        "allergy_injections",
        "hepatitis_a",
        "hepatitis_b",
        "laser_hair_removal",
        "microsclerotherapy",
        "orthodontic_adjustment",
        "physiotherapy",
        "superficial_peel",
        "tattoo_removal",
        "tca_peel",
    ]


@EVERY
def test_no_subject_names_the_treatment(key):
    found = document_of(key)
    names = " ".join([found.key, found.name, found.product, *(step.name for step in found.steps)])
    telling = set(re.findall(r"[a-zäöü]{4,}", names.lower())) - {"first", "visit"}

    for text in found.texts:
        assert telling.isdisjoint(re.findall(r"[a-zäöü]{4,}", text.subject.lower())), text.subject


@EVERY
def test_the_aftercare_says_when_to_call_and_when_not_to_wait_for_an_appointment(key):
    (aftercare,) = [text for text in document_of(key).texts if text.kind == "aftercare"]

    body = " ".join(aftercare.body.split())
    assert "Call us" in body
    assert re.search(r"an ambulance at once|an emergency department", body)
    assert re.search(r"[Dd]o not wait for an appointment", body)


@EVERY
def test_a_number_has_a_source_or_is_marked_as_chosen(key):
    """Floors and overdue dates are the ones that sources seldom give: where the file chose one, it says so."""
    text = protocols.shipped(key)

    assert document_of(key).sources
    assert "# chosen" in text
    assert "TO BE APPROVED BY THE CLINIC'S PRESCRIBER" in text


def test_every_question_can_be_asked_in_german_too():
    assert [question.code for question in WORDS.questions if not question.texts.get("de")] == []


def test_every_word_of_the_vocabulary_is_used_by_a_protocol():
    documents = [document_of(key) for key in protocols.shipped_keys()]

    questions = {rule.question for found in documents for rule in found.questions}
    capabilities = {
        need.capability for found in documents for step in found.steps for phase in step.phases for need in phase.needs
    }
    assert questions == {question.code for question in WORDS.questions}
    assert capabilities == WORDS.capabilities.keys()


# --- a course of each -------------------------------------------------------------------------------------------------

# What is planned with the course, as (step, visit) from Monday, 4 January 2027 on; and the second visit's window as
# floor, earliest, target, overdue, by the file's own amounts from the first visit's date. Some are blank.
COURSES = {
    "allergy_injections": (
        [("up_dosing", f"{date(2027, 1, 4) + timedelta(weeks=number)}") for number in range(28)],
        "2027-01-05 2027-01-06 2027-01-11 2027-01-19",  # 1 day, 2 days, 1 week, 15 days
    ),
    "hepatitis_a": (
        [("dose_1", "2027-01-04"), ("dose_2", "2027-07-05")],  # 4 July is a Sunday
        "2027-06-30 2027-07-04 2027-07-04 2028-09-01",  # 6 months - 4 days, 6 months, 19 months + 4 weeks
    ),
    "hepatitis_b": (
        [("dose_1", "2027-01-04"), ("dose_2", "2027-02-01"), ("dose_3", "2027-06-21")],
        "2027-01-28 2027-02-01 2027-02-04 2027-03-01",  # 4 weeks - 4 days, 4 weeks, 1 month, 8 weeks
    ),
    "laser_hair_removal": (  # of the abdomen: 6 weeks
        [("patch_test", "2027-01-04")]
        + [("treatment", f"{date(2027, 1, 7) + timedelta(weeks=6 * number)}") for number in range(6)],
        "2027-01-07 2027-01-07 2027-01-11 blank",  # 3 days, 1 week after the patch test
    ),
    "microsclerotherapy": (
        [("treatment", "2027-01-04"), ("treatment", "2027-02-01"), ("treatment", "2027-03-01")],
        "2027-01-11 2027-02-01 2027-02-04 2027-03-29",  # 1 week, 4 weeks, 1 month, 12 weeks
    ),
    "orthodontic_adjustment": (
        [("bond", "2027-01-04")]
        + [("adjust", f"{date(2027, 2, 15) + timedelta(weeks=6 * number)}") for number in range(6)],
        "2027-01-11 2027-02-01 2027-02-22 2027-03-15",  # 1, 4, 7, 10 weeks
    ),
    "physiotherapy": (
        [("first_visit", "2027-01-04")]
        + [("treatment", f"{date(2027, 1, 11) + timedelta(weeks=number)}") for number in range(4)],
        "2027-01-05 2027-01-06 2027-01-11 2027-01-25",  # 1 day, 2 days, 1 week, 3 weeks
    ),
    "superficial_peel": (  # two weeks of priming come first
        [("peel", "2027-01-18"), ("peel", "2027-02-04"), ("peel", "2027-02-22"), ("peel", "2027-03-11")],
        "2027-01-28 2027-02-01 2027-02-08 blank",  # 10 days, 2 weeks, 3 weeks
    ),
    "tattoo_removal": (
        [("treatment", f"{date(2027, 1, 4) + timedelta(weeks=7 * number)}") for number in range(6)],
        "2027-02-01 2027-02-15 2027-03-01 blank",  # 4, 6, 8 weeks; never overdue
    ),
    "tca_peel": (  # a week to think comes first
        [("peel", "2027-01-11"), ("skin_check", "2027-01-14")],
        "2027-01-13 2027-01-14 2027-01-16 2027-01-22",  # 2, 3, 5, 11 days
    ),
}


@pytest.mark.django_db
@EVERY
def test_a_course_can_be_started_assessed_planned_and_booked(key):
    clinic = build.Clinic(key=key)
    course = clinic.course()
    if course.version.steps.filter(kind="assessment").exists():
        clinic.assess(course)
    clinic.consent(course)
    clinic.answer_all(course)

    clinic.book(course)

    sessions = build.sessions_of(course)
    visits = [(session.step.key, f"{session.appointments.live().get().on}") for session in sessions]
    second = sessions[1]
    window = (second.floor_on, second.earliest_on, second.target_on, second.overdue_on)
    assert (visits, " ".join(str(on or "blank") for on in window)) == COURSES[key]
    assert not Session.objects.filter(course=course, lapse_on__isnull=False).exists()
    assert Course.objects.get(pk=course.pk).state == "open"


# --- what the planner makes of them -----------------------------------------------------------------------------------


def course_of(version: ProtocolVersion, dates: dict[str, list[str]], areas: dict[str, list[str]] | None = None):
    """Return course facts with sessions of each step, performed on the dates; a blank date is a session left."""
    protocol = roster.protocol_facts(version)
    sessions, position = [], 0
    for step in protocol.steps:
        for at, on in enumerate(dates.get(step.key, [])):
            position += 1
            sessions.append(
                facts.SessionFacts(
                    id=uuid4(),
                    position=position,
                    step=step,
                    state=facts.SessionState.PERFORMED if on else facts.SessionState.OPEN,
                    performed_on=date.fromisoformat(on) if on else None,
                    areas=frozenset(areas[step.key][at].split() if areas and step.key in areas else ()),
                )
            )
    return facts.CourseFacts(
        id=uuid4(),
        protocol=protocol,
        patient=facts.PatientFacts(id=uuid4()),
        sessions=tuple(sessions),
        started_on=date(2027, 1, 4),
    )


def window(course: facts.CourseFacts) -> dict[str, object]:
    """Return the dates of the window of the first session left, blanks left out."""
    session = next(one for one in course.sessions if one.state is facts.SessionState.OPEN)
    found = dataclasses.asdict(windows.window_of(session, course))
    return {name: str(day) for name, day in found.items() if isinstance(day, date)}


@pytest.mark.django_db
def test_the_first_injection_waits_for_no_four_weeks_after_the_assessment_and_the_next_does():
    version = protocols.load(protocols.shipped("microsclerotherapy"), by=None, now=NOW)

    first = window(course_of(version, {"assessment": ["2027-01-04"], "treatment": [""]}))
    second = window(course_of(version, {"assessment": ["2027-01-04"], "treatment": ["2027-01-11", ""]}))
    review = window(course_of(version, {"treatment": ["2027-01-11"], "final_review": [""]}))

    assert first == {}
    assert second == {
        "floor_on": "2027-01-18",
        "earliest_on": "2027-02-08",
        "target_on": "2027-02-11",
        "overdue_on": "2027-04-05",
    }
    assert review == {"earliest_on": "2027-03-08", "target_on": "2027-03-22", "overdue_on": "2027-04-19"}


@pytest.mark.django_db
def test_both_spacings_of_the_third_dose_hold():
    version = protocols.load(protocols.shipped("hepatitis_b"), by=None, now=NOW)

    early = window(course_of(version, {"dose_1": ["2027-01-04"], "dose_2": ["2027-02-01"], "dose_3": [""]}))
    late = window(course_of(version, {"dose_1": ["2027-01-04"], "dose_2": ["2027-06-07"], "dose_3": [""]}))

    assert early["earliest_on"] == "2027-04-26"  # 16 weeks after the first
    assert late["earliest_on"] == "2027-08-02"  # 8 weeks after the second
    assert early["target_on"] == "2027-07-04"


@pytest.mark.django_db
def test_laser_waits_longer_for_legs_than_for_the_face():
    version = protocols.load(protocols.shipped("laser_hair_removal"), by=None, now=NOW)

    def earliest(areas: str) -> object:
        dates = {"patch_test": ["2027-01-04"], "treatment": ["2027-01-11", ""]}
        return window(course_of(version, dates, {"treatment": [areas, areas]}))["earliest_on"]

    first = window(course_of(version, {"patch_test": ["2027-01-04"], "treatment": [""]}))

    assert first["earliest_on"] == "2027-01-07"
    assert [earliest(areas) for areas in ("cheeks", "back", "left_thigh", "cheeks left_thigh")] == [
        "2027-02-08",
        "2027-02-22",
        "2027-03-08",
        "2027-03-08",
    ]


def answers(course: facts.CourseFacts, on: str) -> list[tuple[str, str, str]]:
    """Return what the gates say of the first session left on a date: code, state and the day that opens it."""
    session = next(one for one in course.sessions if one.state is facts.SessionState.OPEN)
    found = gates.gate_answers(session, date.fromisoformat(on), course, date(2027, 1, 4))
    return [(answer.code, answer.state.value, str(answer.opens_on or "")) for answer in found]


def of(key: str, dates: dict[str, list[str]], **rest: object) -> facts.CourseFacts:
    """Return facts of a course of a shipped protocol, of a grown-up whose clinician found her suitable."""
    version = protocols.load(protocols.shipped(key), by=None, now=NOW)
    made = course_of(version, dates)
    patient = dataclasses.replace(made.patient, born_on=date(1980, 5, 17))
    assessment = facts.AssessmentFacts(date(2027, 1, 4), suitable=True, reflux=facts.Reflux.NONE_FOUND)
    return dataclasses.replace(made, patient=patient, assessment=assessment, **rest)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (7, None),
        (8, ("book_anyway", "Go on with the next dose")),
        (14, ("book_anyway", "Go on with the next dose")),
        (15, ("repeat_step", "Give the last dose again")),
        (20, ("repeat_step", "Give the last dose again")),
        (21, ("shorten", "Cut the last dose by 25 %")),
        (27, ("shorten", "Cut the last dose by 25 %")),
        (28, ("shorten", "Cut the last dose by 50 %")),
        (34, ("shorten", "Cut the last dose by 50 %")),
        (35, ("review", "The allergist decides on a much lower dose or a new beginning")),
        (400, ("review", "The allergist decides on a much lower dose or a new beginning")),
    ],
)
def test_an_injection_that_is_late_becomes_another_one(days, expected):
    """PMC7368643, eTable 6, in days after the injection that was missed: up to 7, 8 to 13, 14 to 20, 21 to 27, more."""
    course = of("allergy_injections", {"up_dosing": ["2027-01-11", ""]})

    late = windows.late_band_of(course.sessions[1], date(2027, 1, 11) + timedelta(days=days), course)

    assert (late and (late.action.value, late.note)) == expected


@pytest.mark.django_db
def test_no_acid_peel_falls_into_the_strongest_sun():
    def closed(on: str) -> list[tuple[str, str, str]]:
        return [answer for answer in answers(of("tca_peel", {"peel": [""]}), on) if answer[0] == "season_closed"]

    assert closed("2027-05-31") == []
    assert closed("2027-06-01") == closed("2027-08-31") == [("season_closed", "closed", "2027-09-01")]
    assert closed("2027-09-01") == []


@pytest.mark.django_db
def test_the_sixth_service_of_a_calendar_year_waits_for_january():
    dates = ["2027-01-11", "2027-01-18", "2027-01-25", "2027-02-01", ""]
    course = of("physiotherapy", {"first_visit": ["2027-01-04"], "treatment": dates})

    def limited(on: str) -> list[tuple[str, str, str]]:
        return [answer for answer in answers(course, on) if answer[0] == "yearly_limit_reached"]

    assert limited("2027-02-08") == limited("2027-12-31") == [("yearly_limit_reached", "closed", "2028-01-01")]
    assert limited("2028-01-01") == []


@pytest.mark.django_db
def test_the_eleventh_session_of_physiotherapy_waits_for_a_review():
    def asked(number: int) -> set[str]:
        dates = [f"{date(2027, 1, 5) + timedelta(days=2 * at)}" for at in range(number)]
        course = of("physiotherapy", {"first_visit": ["2027-01-04"], "treatment": [*dates, ""]})
        return {code for code, _state, _opens in answers(course, "2027-03-01")}

    assert "review_due" not in asked(8)  # the tenth, with the first visit
    assert "review_due" in asked(9)


def treatment_elsewhere(key: str, on: date, *areas: str) -> facts.TreatmentFacts:
    """A treatment by a shipped protocol in another course, with what its own step keeps away from."""
    version = protocols.load(protocols.shipped(key), by=None, now=NOW)
    [step] = [step for step in roster.protocol_facts(version).steps if step.kind is facts.StepKind.TREATMENT]
    apart = tuple(gate for gate in step.gates if gate.name == "apart")
    return facts.TreatmentFacts(key, on, performed=True, areas=frozenset(areas), apart=apart)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("key", "other"),
    [("microsclerotherapy", "laser_hair_removal"), ("laser_hair_removal", "microsclerotherapy")],
)
def test_laser_and_injections_into_the_same_legs_keep_two_weeks_apart(key, other):
    """Only the file about the injections says so; it holds for both."""
    elsewhere = (treatment_elsewhere(other, date(2027, 3, 15), "left_thigh"),)
    course = of(key, {"treatment": [""]}, elsewhere=elsewhere)

    def near(on: str) -> list[tuple[str, str, str]]:
        return [answer for answer in answers(course, on) if answer[0] == "too_near_other_treatment"]

    assert near("2027-03-01") == near("2027-03-29") == []
    assert near("2027-03-02") == near("2027-03-28") == [("too_near_other_treatment", "closed", "2027-03-29")]


@pytest.mark.django_db
def test_laser_on_the_face_is_not_kept_apart_from_injections_into_the_legs():
    def is_near(laser: str) -> bool:
        elsewhere = (treatment_elsewhere("laser_hair_removal", date(2027, 3, 15), *laser.split()),)
        course = of("microsclerotherapy", {"treatment": [""]}, elsewhere=elsewhere)
        return "too_near_other_treatment" in {code for code, _state, _opens in answers(course, "2027-03-16")}

    assert [is_near(laser) for laser in ("cheeks", "cheeks right_knee", "")] == [False, True, True]


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["laser_hair_removal", "superficial_peel"])
@pytest.mark.parametrize(
    ("place", "born_on", "opens_on"),
    [
        ("AU-NSW", date(2010, 6, 1), "2027-01-11"),
        ("AU-NSW", date(2008, 6, 1), ""),
        ("GB-ENG", date(2010, 6, 1), ""),
    ],
)
def test_the_young_have_a_week_to_think_in_australia(key, place, born_on, opens_on):
    given = facts.ConsentFacts(date(2027, 1, 4), date(2027, 1, 4), by_guardian=True)
    step = "treatment" if key == "laser_hair_removal" else "peel"
    course = of(key, {step: [""]}, place=place, consent=given)
    patient = dataclasses.replace(course.patient, born_on=born_on, guardians=(facts.GuardianFacts(),))
    course = dataclasses.replace(course, patient=patient)

    found = [opens for code, _state, opens in answers(course, "2027-01-10") if code == "consent_cooling_off"]

    assert found == ([opens_on] if opens_on else [])


# --- CDC's rows -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    "row", [row for row in ROWS if not any(dose.too == "young" for dose in row.doses)], ids=lambda r: r.id
)
def test_the_shipped_vaccinations_agree_with_the_intervals_of_cdc(row):
    """Our files count no ages but a minimum: CDC's answers by age are left to the rows' own test."""
    version = protocols.load(
        protocols.shipped(row.vaccine.replace("hepatitis ", "hepatitis_").lower()), by=None, now=NOW
    )
    steps = roster.protocol_facts(version).steps
    sessions: list[facts.SessionFacts] = []
    satisfied = 0
    for dose in row.doses:
        here = facts.SessionFacts(uuid4(), len(sessions), steps[satisfied])
        course = facts.CourseFacts(
            uuid4(), roster.protocol_facts(version), facts.PatientFacts(uuid4()), (*sessions, here), row.born_on
        )
        floor_on = windows.window_of(here, course).floor_on
        assert (floor_on is None or dose.on >= floor_on) is dose.is_valid
        done = facts.SessionState.PERFORMED
        sessions.append(dataclasses.replace(here, state=done, performed_on=dose.on, counts=dose.is_valid))
        satisfied += dose.is_valid
    assert (satisfied == len(steps)) is row.is_complete


@pytest.mark.django_db
@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.id in ("2013-0188", "2013-0191", "2013-0192", "2013-0196")], ids=lambda r: r.id
)
def test_the_second_dose_against_hepatitis_a_has_all_of_the_published_dates(row):
    version = protocols.load(protocols.shipped("hepatitis_a"), by=None, now=NOW)
    first, *again = (f"{dose.on}" for dose in row.doses)

    found = window(course_of(version, {"dose_1": [first], "dose_2": [*again, ""]}))

    day_before = date.fromisoformat(str(found["overdue_on"])) - timedelta(days=1)
    assert (found["earliest_on"], found["target_on"], str(day_before)) == (
        str(row.earliest),
        str(row.recommended),
        str(row.past_due),
    )
