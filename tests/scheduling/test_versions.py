"""A running course moved to another version: what is shown first is what happens, or nothing does."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.errors import NotAllowed, RuleBroken
from scheduling import booking, protocols, sessions, versions, visits
from scheduling.models import Appointment, CancelReason, Message, ProtocolVersion, StateChange
from scheduling.models.appointments import AskedBy
from tests import build
from tests.refusals import codes
from tests.scheduling import weekly

pytestmark = pytest.mark.django_db

FEBRUARY, MARCH = date(2027, 2, 1), date(2027, 3, 1)


def version_two(clinic, **changes: str) -> ProtocolVersion:
    """Version 2 of the clinic's protocol: five weeks apart, four treatments, no final review, one reminder."""
    text = protocols.shipped(clinic.key)
    review = text[text.index("  - key: final_review") : text.index("follow_ups:")]
    replaced = {
        "        minimum: 4 weeks": "        minimum: 5 weeks",
        "        target: 1 month": "        target: 5 weeks",
        "    sessions: 3": "    sessions: 4",
        review: "\n",
        "  - kind: reminder\n    days_before: 1\n": "  - kind: reminder\n    days_before: 2\n",
    } | changes
    for old, new in replaced.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return protocols.load(text, by=None, now=clinic.now, approve_by=build.user(is_superuser=True))


def moved(clinic, course, version, **fields):
    details = {
        "stamp": versions.preview(course, version, now=clinic.now).stamp,
        "reason": "new guideline",
        "by": clinic.prescriber,
        "now": clinic.now,
    } | fields
    return versions.move(course, version, **details)


def told(course):
    return list(course.sessions.order_by("position").values_list("step_key", "state", "step__version__number"))


@pytest.fixture
def running(clinic):
    """A course whose first treatment was performed and whose other two are booked four weeks apart, and version 2."""
    course = clinic.booked_course()
    first, *_others = build.visits_of(course)
    clinic.wait(hours=4)
    clinic.perform(first.session)
    course.refresh_from_db()
    return course, version_two(clinic)


def test_a_preview_says_what_would_change_and_writes_nothing(clinic, running):
    course, version = running
    before = StateChange.objects.count(), Message.objects.count(), told(course)

    found = versions.preview(course, version, now=clinic.now)

    assert [(one.position, one.step, one.fate, one.is_different) for one in found.sessions] == [
        (1, "assessment", "kept", False),
        (2, "treatment", "kept", False),
        (3, "treatment", "kept", True),
        (4, "treatment", "kept", True),
        (5, "treatment", "added", True),
        (6, "final_review", "dropped", True),
    ]
    second, third, fourth, review = found.sessions[2:]
    assert (second.old.earliest_on, second.new.earliest_on) == (FEBRUARY, date(2027, 2, 8))
    assert [(one.position, [broken.code for broken in one.broken]) for one in found.falling_out] == [
        (3, ["before_minimum"]),
        (4, ["before_minimum"]),
    ]
    assert (second.visit_on, third.visit_on, fourth.visit_on) == (FEBRUARY, MARCH, None)
    assert (fourth.session, fourth.old, review.new) == (None, None, None)
    assert [(m.kind, m.days, m.position) for m in found.promised] == [("reminder", 2, 3), ("reminder", 2, 4)]
    assert [(m.kind, m.days, m.position) for m in found.withdrawn] == [("reminder", 1, 3), ("reminder", 1, 4)]
    assert (StateChange.objects.count(), Message.objects.count(), told(course)) == before


def test_gates_that_would_close_and_open_are_named(clinic):
    course = clinic.course()
    clinic.assess(course, reflux="untreated")
    clinic.consent(course)
    clinic.answer_all(course)
    version = version_two(
        clinic,
        **{"      - reflux\n": "", "      - outcome\n": "      - season: {from: 12-20, until: 01-10}\n"},
    )

    first = versions.preview(course, version, now=clinic.now).sessions[1]

    assert first.asked_on == clinic.today
    assert [(answer.code, answer.opens_on) for answer in first.closing] == [("season_closed", date(2027, 1, 11))]
    assert [(answer.code, answer.override) for answer in first.opening] == [("reflux_untreated", "")]


def test_a_move_does_what_was_shown(clinic, running):
    course, version = running
    shown = versions.preview(course, version, now=clinic.now)

    after, proposal = moved(clinic, course, version)

    assert told(course) == [
        ("assessment", "performed", 1),
        ("treatment", "performed", 1),
        ("treatment", "open", 2),
        ("treatment", "open", 2),
        ("treatment", "open", 2),
        ("final_review", "dropped", 1),
    ]
    assert (after.version, after.state) == (version, "open")
    windows = [(row.position, row.earliest_on) for row in course.sessions.filter(state="open").order_by("position")]
    assert windows == [(one.position, one.new.earliest_on) for one in shown.sessions if one.new]
    assert [(move.session.position, move.to_slot["on"]) for move in proposal.moves.order_by("session__position")] == [
        (3, "2027-02-08"),
        (4, "2027-03-15"),
    ]
    waiting = Message.objects.filter(course=course, kind="reminder", state="pending").order_by("due_at")
    assert list(waiting.values_list("days", flat=True)) == [3, 2, 3, 2]
    change = course.changes.get(details__has_key="version")
    assert (change.by, change.reason, change.details) == (
        clinic.prescriber,
        "new guideline",
        {"version": {"from": 1, "to": 2}},
    )


def test_the_course_goes_on_by_the_new_version(clinic, running):
    """The proposal can be applied, the rest performed, and history is judged by the rules of its time."""
    from scheduling import replanning

    course, version = running
    _after, proposal = moved(clinic, course, version)
    replanning.apply(proposal, by=clinic.receptionist, now=clinic.now)
    second = build.visits_of(course)[0]
    assert second.on == date(2027, 2, 8)
    clinic.wait(days=35)

    result = clinic.perform(second.session)

    assert (result.session.counts, result.proposal) == (True, None)
    assert course.sessions.filter(counts=False).count() == 0


def test_visits_of_dropped_sessions_are_cancelled(clinic):
    course = clinic.booked_course()
    version = version_two(clinic, **{"    sessions: 3": "    sessions: 2"})
    third = build.visits_of(course)[2]

    found = versions.preview(course, version, now=clinic.now)
    assert [(one.position, one.fate) for one in found.falling_out if not one.broken] == [(4, "dropped")]
    moved(clinic, course, version)

    third.refresh_from_db()
    assert (third.state, third.cancel_reason, third.session.state_reason) == (
        "cancelled",
        "replanned",
        "not_in_version",
    )
    assert Message.objects.filter(course=course, kind="cancelled", state="pending").count() == 1


def test_what_a_clinician_added_or_gave_up_stays_so(clinic):
    from scheduling import sessions

    course = clinic.cleared_course()
    sessions.add_session(course, "treatment", reason="veins left", by=clinic.clinician, now=clinic.now)
    sessions.skip_session(build.sessions_of(course)[0], reason="enough", by=clinic.clinician, now=clinic.now)

    moved(clinic, course, version_two(clinic, **{"    sessions: 3": "    sessions: 3 # as before"}))

    assert [state for step, state, _number in told(course) if step == "treatment"] == ["skipped", *["open"] * 3]


def test_a_stale_preview_is_refused(clinic, running):
    course, version = running
    stamp = versions.preview(course, version, now=clinic.now).stamp
    second = build.visits_of(course)[0]
    visits.cancel(
        second, reason=CancelReason.PATIENT_BUSY, asked_by=AskedBy.PATIENT, by=clinic.receptionist, now=clinic.now
    )

    with pytest.raises(versions.PreviewStale) as refused:
        moved(clinic, course, version, stamp=stamp)

    assert codes(refused) == ["preview_stale"]
    course.refresh_from_db()
    assert course.version == clinic.version


def test_only_prescribers_and_managers_move_a_course_and_say_why(clinic, running):
    course, version = running

    for person in (clinic.receptionist, clinic.clinician):
        with pytest.raises(NotAllowed):
            moved(clinic, course, version, by=person)
    with pytest.raises(RuleBroken) as refused:
        moved(clinic, course, version, reason=" ")
    assert codes(refused) == ["reason_missing"]
    moved(clinic, course, version, by=clinic.manager)


def test_a_course_moves_only_to_a_version_in_force(clinic, running):
    course, version = running
    other = build.shipped_protocol("hepatitis_b")
    draft = protocols.load(
        protocols.shipped(clinic.key).replace("minimum: 8 weeks", "minimum: 9 weeks"), by=None, now=clinic.now
    )

    def refused(wanted):
        with pytest.raises(versions.NotMovable) as refusal:
            versions.preview(course, wanted, now=clinic.now)
        return codes(refusal)

    assert versions.others(course, clinic.now) == [version]
    assert refused(other) == ["other_protocol"]
    assert refused(course.version) == ["same_version"]
    assert refused(draft) == ["protocol_not_usable"]
    booking.close_course(course, reason="moved away", by=clinic.receptionist, now=clinic.now)
    course.refresh_from_db()
    assert refused(version) == ["course_over"]


def test_a_preview_takes_the_same_number_of_statements_for_any_course(clinic, running):
    course, version = running

    def statements():
        fresh = type(course).objects.for_facts().get(pk=course.pk)
        versions.preview(fresh, version, now=clinic.now)  # versions, and who is there, are remembered
        with CaptureQueriesContext(
            connection,
        ) as seen:
            versions.preview(fresh, ProtocolVersion.objects.get(pk=version.pk), now=clinic.now)
        return len(seen)

    with_two_visits = statements()
    for visit in build.visits_of(course)[1:]:
        visits.cancel(
            visit, reason=CancelReason.PATIENT_BUSY, asked_by=AskedBy.PATIENT, by=clinic.receptionist, now=clinic.now
        )

    assert Appointment.objects.live().filter(session__course=course).count() == 1
    assert statements() == with_two_visits


def test_a_move_after_a_restart_keeps_the_series_that_was_opened_by_it():
    """Those that were set aside are none of the series, and none of the sessions that the cap counts."""
    clinic = weekly.clinic()
    course = clinic.course(areas=())
    first, second, third, *_upkeep = build.sessions_of(course)
    for session in (first, second):
        clinic.perform(session)
        clinic.wait(days=7)
    for _two in range(2):
        sessions.add_session(course, "building_up", reason="slowly", by=clinic.clinician, now=clinic.now)
    clinic.wait(days=14)
    sessions.act_on_lateness(third, "restart", reason="was away", by=clinic.clinician, now=clinic.now)
    before = [(step, state) for step, state, _version in told(course)]
    assert before == [("building_up", "performed")] * 2 + [("building_up", "open")] * 3 + [("upkeep", "open")] * 2
    text = weekly.TEXT.replace("        target: 3 weeks", "        target: 4 weeks")
    version = protocols.load(text, by=None, now=clinic.now, approve_by=build.user(is_superuser=True))
    course.refresh_from_db()

    moved(clinic, course, version)

    assert [(step, state) for step, state, _version in told(course)] == before
