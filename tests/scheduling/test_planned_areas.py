"""Each session has areas of its own: set in one act, kept by what opens sessions, and what windows are counted by."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest

from clinic.errors import NotAllowed, Refusal, RuleBroken
from clinic.models import Role
from patients.records import IdentifierDetails
from scheduling import booking, holds, imports, protocols, sessions, versions, visits
from scheduling.models import Course, Proposal, Session
from tests import build
from tests.scheduling import legs
from tests.scheduling.legs import LEFT, RIGHT, in_turn, planned, treatments

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic(db: None) -> build.Clinic:
    build.message_texts()
    return legs.clinic()


def given(clinic, course, areas, **fields) -> Proposal | None:
    return sessions.plan_areas(course, areas, **({"by": clinic.receptionist, "now": clinic.now} | fields))


def earliest(course: Course) -> list[date | None]:
    return list(course.sessions.filter(step_key="treatment").order_by("position").values_list("earliest_on", flat=True))


def refused(act) -> tuple[type[Refusal], list[tuple[str, str, dict]]]:
    with pytest.raises(Refusal) as refusal:
        act()
    return type(refusal.value), [(one.code, one.where, dict(one.details)) for one in refusal.value.problems]


# --- the act ----------------------------------------------------------------------------------------------------------


def test_the_legs_take_turns_and_the_windows_follow(clinic):
    course = legs.course(clinic)
    first, second, third, fourth = treatments(course)
    clinic.perform(first, treated_areas=(LEFT,))
    assert earliest(course)[1:] == [date(2027, 2, 4), date(2027, 3, 4), date(2027, 4, 4)]

    proposal = given(clinic, course, in_turn([second, third, fourth], (RIGHT, LEFT)))

    assert proposal is None  # nothing is booked
    assert planned(course) == [[LEFT, RIGHT], [RIGHT], [LEFT], [RIGHT]]
    assert earliest(course)[1:] == [date(2027, 1, 18), date(2027, 2, 4), date(2027, 2, 18)]
    assert course.sessions.get(step_key="first_look").planned_areas.count() == 2
    fresh = Course.objects.get(pk=course.pk)
    assert fresh.revision == course.revision + 1
    noted = course.changes.filter(details__has_key="areas").order_by("id")
    assert [(one.session, one.from_state, one.to_state, one.reason, one.details, one.by) for one in noted] == [
        (one, "open", "open", "", {"areas": {"from": [LEFT, RIGHT], "to": [leg]}}, clinic.receptionist)
        for one, leg in ((second, RIGHT), (third, LEFT), (fourth, RIGHT))
    ]


def test_what_stays_as_it_is_is_no_change(clinic):
    course = legs.course(clinic)
    uid = treatments(course)[0].uid
    before = course.changes.count()

    assert given(clinic, course, {uid: [RIGHT, LEFT, LEFT]}) is None

    assert (course.changes.count(), Course.objects.get(pk=course.pk).revision) == (before, course.revision)


def test_booked_visits_stay_and_those_too_near_now_are_proposed_anew(clinic):
    course = legs.course(clinic)
    one, another, *_others = treatments(course)
    given(clinic, course, in_turn(treatments(course)))
    clinic.book(course)
    was = [visit.on for visit in build.visits_of(course)]
    assert was == [date(2027, 1, 4), date(2027, 1, 18), date(2027, 2, 4), date(2027, 2, 18)]

    proposal = given(clinic, course, {another.uid: [LEFT]})

    assert [visit.on for visit in build.visits_of(course)] == was
    assert proposal is not None
    assert (proposal.reason, proposal.state) == ("areas_planned", "open")
    moves = {move.session: move for move in proposal.moves.all()}
    assert moves[another].to_slot["on"] == "2027-02-04"
    assert [why["code"] for why in moves[another].why] == ["before_minimum"]
    assert one not in moves
    assert given(clinic, course, {another.uid: [RIGHT]}) is None  # and put right again nothing has to move
    proposal.refresh_from_db()
    assert proposal.state == "stale"


def test_an_arrived_patient_and_a_held_course_may_have_other_areas(clinic):
    course = legs.course(clinic)
    first, *_others = treatments(course)
    clinic.book(course)
    clinic.wait(days=1)  # its first visit
    visits.arrive(build.visits_of(course)[0], by=clinic.receptionist, now=clinic.now)
    holds.place(course, code="clinician", reason="Wait", by=clinic.receptionist, now=clinic.now)

    assert given(clinic, course, {first.uid: [LEFT]}) is None

    assert planned(course)[0] == [LEFT]


def test_everything_that_can_never_be_is_said_at_once(clinic):
    course, other = legs.course(clinic), legs.course(clinic, LEFT)
    first, second, third, _fourth = treatments(course)
    look = course.sessions.get(step_key="first_look")
    elsewhere, nowhere = treatments(other)[0], UUID(int=7)
    before = planned(course)

    kind, problems = refused(
        lambda: given(
            clinic,
            course,
            {
                first.uid: [],
                second.uid: [LEFT, "left_knee", "nonsense"],
                third.uid: [LEFT],
                look.uid: [LEFT],
                elsewhere.uid: [LEFT],
                nowhere: [],
            },
        )
    )

    assert kind is RuleBroken
    assert problems == [
        ("areas_missing", str(first.uid), {}),
        ("area_not_of_course", str(second.uid), {"area": "left_knee"}),
        ("area_not_of_course", str(second.uid), {"area": "nonsense"}),
        ("session_not_a_treatment", str(look.uid), {}),
        ("session_unknown", str(elsewhere.uid), {}),
        ("session_unknown", str(nowhere), {}),
    ]
    assert planned(course) == before
    assert refused(lambda: given(clinic, other, {elsewhere.uid: [RIGHT]}))[1] == [
        ("area_not_of_course", str(elsewhere.uid), {"area": RIGHT})
    ]


def test_sessions_that_are_over_and_courses_that_are_over_keep_their_areas(clinic):
    course = legs.course(clinic)
    first, second, third, _fourth = treatments(course)
    clinic.perform(first)
    sessions.skip_session(second, reason="enough", by=clinic.clinician, now=clinic.now)

    found = refused(lambda: given(clinic, course, in_turn([first, second, third])))

    assert found == (
        booking.NotPossibleNow,
        [("session_not_open", str(first.uid), {}), ("session_not_open", str(second.uid), {})],
    )
    assert planned(course) == [[LEFT, RIGHT]] * 4
    visits.end_course(course, reason="moved away", by=clinic.receptionist, now=clinic.now)
    assert refused(lambda: given(clinic, course, {third.uid: [LEFT]})) == (
        booking.NotPossibleNow,
        [("course_ended", str(course.uid), {})],
    )


def test_who_may_plan_may_say_the_areas(clinic):
    course = legs.course(clinic)
    (first, *_others) = treatments(course)
    nobody = build.user(Role.OPERATOR, at=clinic.site), build.user(Role.RECEPTION, at=build.site())

    for person in nobody:
        with pytest.raises(NotAllowed):
            given(clinic, course, {first.uid: [LEFT]}, by=person)
    for person, leg in ((clinic.clinician, LEFT), (clinic.manager, RIGHT)):
        given(clinic, course, {first.uid: [leg]}, by=person)
        assert planned(course)[0] == [leg]


def test_turns_that_no_plan_could_remember_are_refused(clinic):
    """As a protocol is; with the same areas for all there is little to remember, so that one was not."""
    near = legs.TEXT.replace("2 weeks", "1 week").replace("1 month", "2 weeks").replace("sessions: 4", "sessions: 14")
    version = protocols.load(near, by=None, now=build.MONDAY, approve_by=build.user(is_superuser=True))
    clinic.version = version
    course = legs.course(clinic)

    kind, problems = refused(lambda: given(clinic, course, in_turn(treatments(course))))

    assert kind is RuleBroken
    [(code, where, details)] = problems
    assert (code, details) == ("too_much_to_remember", {"dates": 2})
    assert where in {str(session.uid) for session in treatments(course)}
    assert planned(course) == [[LEFT, RIGHT]] * 14
    given(clinic, course, in_turn(treatments(course)[:4]))  # so few turns are none


# --- what opens sessions ----------------------------------------------------------------------------------------------


def opened(course: Course, before: list[Session]) -> list[Session]:
    return [session for session in treatments(course) if session not in before]


def test_one_too_soon_is_repeated_for_the_areas_it_was_planned_for(clinic):
    course = legs.course(clinic)
    given(clinic, course, in_turn(treatments(course)))
    first, second, *_others = before = treatments(course)
    clinic.perform(first)
    clinic.wait(days=1)
    clinic.perform(second)

    [repeated] = opened(course, before)

    assert planned(course) == [[LEFT], [RIGHT], [RIGHT], [LEFT], [RIGHT]]
    assert treatments(course)[2] == repeated


def late(clinic, days) -> tuple[Course, list[Session]]:
    """A course of turns, whose third session is so late after the second."""
    course = legs.course(clinic)
    given(clinic, course, in_turn(treatments(course)))
    first, second, *_others = before = treatments(course)
    clinic.perform(first)
    clinic.wait(days=14)
    clinic.perform(second)
    clinic.wait(days=days)
    return course, before


def test_a_repeated_step_is_for_what_was_treated_last(clinic):
    course, before = late(clinic, 75)

    sessions.act_on_lateness(before[2], "repeat_step", reason="away", by=clinic.clinician, now=clinic.now)

    assert planned(course) == [[LEFT], [RIGHT], [RIGHT], [LEFT], [RIGHT]]
    assert opened(course, before) == [treatments(course)[2]]


def test_a_series_that_begins_again_takes_the_same_turns(clinic):
    course, before = late(clinic, 150)

    sessions.act_on_lateness(before[2], "restart", reason="away", by=clinic.clinician, now=clinic.now)

    assert opened(course, before) == treatments(course)[4:]
    assert planned(course) == [[LEFT], [RIGHT], [LEFT], [RIGHT], [LEFT], [RIGHT]]


def test_a_session_recorded_in_error_is_open_again_for_the_areas_planned(clinic):
    course = legs.course(clinic)
    given(clinic, course, in_turn(treatments(course)))
    first, *_others = treatments(course)
    clinic.perform(first, treated_areas=(RIGHT,))

    booking.reopen_session(first, reason="in error", by=clinic.clinician, now=clinic.now)

    assert planned(course)[0] == [LEFT]
    assert list(first.treated_areas.all()) == []


def test_one_more_is_for_the_whole_course(clinic):
    course = legs.course(clinic)
    given(clinic, course, in_turn(treatments(course)))

    sessions.add_session(course, "treatment", reason="veins left", by=clinic.clinician, now=clinic.now)

    assert planned(course) == [[LEFT], [RIGHT], [LEFT], [RIGHT], [LEFT, RIGHT]]


def test_another_version_keeps_each_sessions_areas_and_does_as_it_previewed(clinic):
    """The one that is added is for the whole course, though nothing but the left leg is open any more."""
    course = legs.course(clinic)
    first, *others = treatments(course)
    clinic.perform(first, treated_areas=(RIGHT,))
    look = course.sessions.get(step_key="first_look")
    sessions.skip_session(look, reason="seen elsewhere", by=clinic.clinician, now=clinic.now)
    given(clinic, course, {session.uid: [LEFT] for session in others})
    course.refresh_from_db()
    head, by_leg = legs.TEXT.replace("sessions: 4", "sessions: 5").split("only_for_areas: [leg]")
    more = f"{head}only_for_areas: [right_thigh]{by_leg.replace('1 month', '6 months')}"
    version = protocols.load(more, by=None, now=clinic.now, approve_by=build.user(is_superuser=True))
    found = versions.preview(course, version, now=clinic.now)
    foreseen = [one.new.earliest_on for one in found.sessions if one.step == "treatment" and one.new]

    versions.move(course, version, stamp=found.stamp, reason="new", by=clinic.manager, now=clinic.now)

    assert planned(course) == [[LEFT, RIGHT], [LEFT], [LEFT], [LEFT], [LEFT, RIGHT]]
    left = [date(2027, 1, 18), date(2027, 2, 1), date(2027, 2, 15)]
    assert earliest(course)[1:] == foreseen == [*left, date(2027, 7, 4)]  # six months after the right leg


def test_the_patients_other_course_is_looked_at_where_areas_keep_them_apart(clinic):
    """A treatment of another protocol must keep away from treatments of the right leg."""
    away = "area, {apart: {protocol: legs_in_turn, at_least: 3 days, areas: [right_thigh]}}"
    head, treatment = legs.TEXT.replace("legs_in_turn", "other").replace("Legs in turn", "Other").split("sessions: 4")
    apart = f"{head}sessions: 4{treatment.replace('gates: [area]', f'gates: [{away}]')}"
    other_version = protocols.load(apart, by=None, now=clinic.now, approve_by=build.user(is_superuser=True))
    course = legs.course(clinic)
    given(clinic, course, {session.uid: [LEFT] for session in treatments(course)})
    clinic.book(course)
    first = build.visits_of(course)[0]
    clinic.version = other_version
    other = clinic.course(course.patient, areas=list(course.areas.all()))
    clinic.book(other)
    near = build.visits_of(other)[0]
    assert abs(near.on - first.on) < timedelta(days=3)

    given(clinic, course, {first.session.uid: [RIGHT]})

    [proposal] = Proposal.objects.open().filter(course=other)
    assert (proposal.reason, near.session in [move.session for move in proposal.moves.all()]) == ("other_course", True)


# --- brought in -------------------------------------------------------------------------------------------------------


BROUGHT = """
courses:
  - course: A-1
    patient_system: urn:old
    patient_number: 77
    protocol: legs_in_turn
    site: {site}
    areas: [left_thigh, right_thigh]
    started_on: 2026-10-05
    performed:
      - {{performed_on: 2026-12-14, areas: [left_thigh]}}
    visits:
      - {{on: 2027-01-05, at: 10:00, areas: [{second}]}}
      - {{on: 2027-01-19, at: 10:00, areas: [left_thigh]}}
"""


def test_a_course_is_brought_in_with_what_was_and_what_is_to_be_treated(clinic):
    """What took place keeps what was treated, a visit to come is for its own areas, the rest for the whole course."""
    build.patient(identifiers=(IdentifierDetails("urn:old", "77"),))
    text = BROUGHT.format(site=clinic.site.name, second=RIGHT)

    [course] = imports.bring_in(imports.read(text, form="yaml"), by=clinic.clinician, now=clinic.now).courses

    assert planned(course) == [[LEFT, RIGHT], [RIGHT], [LEFT], [LEFT, RIGHT]]
    assert [area.code for area in treatments(course)[0].treated_areas.all()] == [LEFT]
    assert [visit.on for visit in build.visits_of(course)] == [date(2027, 1, 5), date(2027, 1, 19)]
    assert earliest(course)[1:] == [date(2026, 12, 28), date(2027, 1, 19), date(2027, 2, 19)]


def test_a_visit_that_is_brought_in_for_another_area_is_refused_with_its_line(clinic):
    build.patient(identifiers=(IdentifierDetails("urn:old", "77"),))
    text = BROUGHT.format(site=clinic.site.name, second="left_knee")

    with pytest.raises(imports.ImportRefused) as refusal:
        imports.bring_in(imports.read(text, form="yaml"), by=clinic.clinician, now=clinic.now)

    assert [(one.code, one.details["line"]) for one in refusal.value.problems] == [("area_not_of_course", 13)]
    assert not Course.objects.exists()
