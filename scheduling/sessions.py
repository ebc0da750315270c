"""What becomes of a course's sessions beside visits: one more, one given up, what each is to treat, and what is done
when one comes late.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, timedelta
from uuid import UUID

from django.utils.translation import gettext as _

from clinic import rights
from clinic.acts import act
from clinic.errors import Conflict, Problem, RuleBroken
from clinic.models import User
from patients.models import Area

from . import booking, intake, outbox, replanning, roster, visits, wording
from .models import Appointment, CancelReason, Course, CourseState, LateBand, Proposal, Session, SessionState, Step
from .models.appointments import AskedBy
from .planner import facts
from .planner.effort import effort_of
from .planner.evaluation import RESTARTED
from .planner.windows import is_as_strict, late_band_of, references


class NotLate(Conflict):
    """There is nothing to decide: the protocol has no late band for the session on that date."""

    code = "not_late"


@act
def add_session(
    course: Course, step_key: str, *, reason: str, by: User | None, now: datetime
) -> tuple[Session, Proposal | None]:
    """Open one more session of a step, after the last of its kind; raise CapReached beyond what the protocol allows.

    A course that was completed is open again by it, unless the patient has another one of the protocol by now. None is
    added at a site that is given up.
    """
    rights.require(by, course.site, *rights.CLINICAL)
    course = roster.lock(course, now=now)
    step = course.version.steps.filter(key=step_key).first()
    problems = [] if step else [Problem("step_unknown", _("The course's protocol has no such step."), "step")]
    if not reason.strip():
        problems.append(Problem("reason_missing", _("Say why another session is needed."), "reason"))
    if problems or step is None:
        raise RuleBroken(*problems)
    _refuse_unless_it_may_go_on(course)
    booking.refuse_beyond_cap(course, step)
    if course.state == CourseState.COMPLETED:
        booking.reopen(course, reason=reason.strip(), by=by, now=now)
    session = booking.open_session(
        course,
        step,
        booking.position_of_another(course, step),
        areas=course.areas.all(),
        reason=reason.strip(),
        by=by,
        now=now,
    )
    return session, _look_again(course, reason="session_added", by=by, now=now)


@act
def skip_session(session: Session, *, reason: str, by: User | None, now: datetime) -> tuple[Session, Proposal | None]:
    """Give up an open session, as a clinician; its visit is cancelled with it.

    With the last one the course is over: the patient is thanked as after a last visit.
    """
    rights.require(by, session.course.site, *rights.CLINICAL)
    if not reason.strip():
        raise RuleBroken(Problem("reason_missing", _("Say why the session is left out."), "reason"))
    course = roster.lock(session.course, now=now)
    booking.refuse_unless_open(course)
    visit = Appointment.objects.live().filter(session=session).select_related("session__course", "site").first()
    booking.release_reservations_and_visits([session.pk], visits_from=booking.EVER, now=now)
    booking.change_session(session, SessionState.SKIPPED, reason=reason.strip(), by=by, now=now)
    if visit is not None:
        visits.cancel(visit, reason=CancelReason.CLINICAL, asked_by=AskedBy.CLINIC, by=by, now=now)
    if visits.is_done(course):
        booking.close_course(course, reason="", by=by, now=now, completed=True)
        outbox.promise_farewell(course, roster.today(course.site, now), now=now)
    return session, _look_again(course, reason="session_skipped", by=by, now=now)


@act
def plan_areas(
    course: Course, areas: Mapping[UUID, Collection[str]], *, by: User | None, now: datetime
) -> Proposal | None:
    """Say which of the course's areas (by code) each of these open treatments is to treat: so the legs may alternate.

    All of them, or none: raise RuleBroken with everything that can never be, or NotPossibleNow for sessions that are
    over. Sessions that are not named keep their areas. Windows are counted anew; booked visits stay where they are, and
    those that are lawful no longer become the proposal that is returned, as do those of the patient's other courses.
    """
    rights.require(by, course.site, *rights.FRONT_DESK)
    course = roster.lock(course, now=now)
    booking.refuse_unless_open(course)
    sessions = course.sessions.select_related("step").prefetch_related("planned_areas").order_by("position")
    rows = {row.uid: row for row in sessions}
    allowed = {area.code: area for area in course.areas.all()}
    if problems := [
        problem for uid, codes in areas.items() for problem in _against_areas(rows.get(uid), uid, codes, set(allowed))
    ]:
        raise RuleBroken(*problems)
    if over := [uid for uid in areas if rows[uid].state != SessionState.OPEN]:
        raise booking.NotPossibleNow(
            *(Problem("session_not_open", wording.sentence("session_not_open"), str(uid)) for uid in over)
        )
    chosen = {
        row: [area for code, area in allowed.items() if code in areas[uid]] for uid, row in rows.items() if uid in areas
    }
    changed = booking.set_planned_areas(course, chosen, by=by, now=now)
    if not changed:
        return None
    _refuse_too_much_to_remember(roster.course_facts(course))
    proposal = _look_again(course, reason="areas_planned", by=by, now=now)
    if Appointment.objects.live().filter(session__in=changed).exists():
        visits.look_at_other_courses(course, reason="other_course", by=by, now=now)
    return proposal


@act
def act_on_lateness(
    session: Session, action: str, *, reason: str, on: date | None = None, by: User | None, now: datetime
) -> tuple[Session, Proposal | None]:
    """Decide what is done with a session that comes late: what its late band names, or a prescriber's other choice.

    `on` is the date on which it is to take place: that of its visit, else today, unless said. `repeat_step` opens one
    more session of the step from which it is counted, before it; `restart` sets aside what was performed of the series
    and opens what the protocol plans; `shorten` and `book_anyway` only record the decision. A milder choice than the
    band's is an override of its gate until the band ends. A `review` instead of these two waits for a new assessment;
    where the band asks for one, that assessment is all there is to record.
    """
    rights.require(by, session.course.site, *rights.CLINICAL)
    course = roster.lock(session.course, now=now)
    booking.refuse_unless_open(course)
    session = Session.objects.select_related("course__site", "course__version", "step").get(pk=session.pk)
    as_it_stands = roster.course_facts(course)
    known = next(one for one in as_it_stands.sessions if one.id == session.uid)
    if known.state is not facts.SessionState.OPEN:
        raise booking.NotPossibleNow(
            Problem("session_not_open", _("This session is not open any more."), str(session.uid))
        )
    today = roster.today(course.site, now)
    on = on or (known.booked.on if known.booked else today)
    band = late_band_of(known, on, as_it_stands)
    if band is None:
        raise NotLate(Problem("not_late", _("The protocol sees nothing late in this session then."), str(session.uid)))
    if problems := _against_decision(action, band, reason):
        raise RuleBroken(*problems)
    if action != band.action:
        rights.require(by, course.site, *rights.PRESCRIBING)
    reason = reason.strip()
    _note_decision(session, action, band, on, reason=reason, by=by, now=now)
    if action == facts.LateAction.REPEAT_STEP:
        _repeat(session, known, band, as_it_stands, reason=reason, by=by, now=now)
    elif action == facts.LateAction.RESTART:
        _restart(course, session, reason=reason, by=by, now=now)
    _write_decision(course, session, action, on)
    if not is_as_strict(action, band.action) and band.action in REFUSING:
        until_on = band.last_on or today + timedelta(days=course.site.booking_horizon_days)
        intake.override(
            course, session=session, rule=f"late_{band.action}", reason=reason, expires_on=until_on, by=by, now=now
        )
    session.refresh_from_db()
    return session, _look_again(course, reason="late", by=by, now=now)


# Bands with these actions close the gate `late` until a person decides; the others only say how the session changes.
REFUSING = (facts.LateAction.REPEAT_STEP, facts.LateAction.RESTART, facts.LateAction.REVIEW)


def _refuse_unless_it_may_go_on(course: Course) -> None:
    if course.state == CourseState.ENDED:
        booking.refuse_unless_open(course)
    if not course.patient.is_active:
        raise booking.NotPossibleNow(
            Problem("patient_inactive", _("The patient has died, or the record was merged."), str(course.uid))
        )
    if problems := booking.given_up(roster.keep_site(course.site)):
        raise booking.NotPossibleNow(*problems)
    if booking.has_successor(course):
        raise booking.NotPossibleNow(
            Problem(
                "course_already_open",
                _("The patient has an open course of this protocol. Add the session there."),
                str(course.uid),
            )
        )


def _against_areas(
    session: Session | None, uid: UUID, codes: Collection[str], allowed: Collection[str]
) -> Iterable[Problem]:
    """Return what can never be right about the areas chosen for a session of a course that treats those allowed."""
    if session is None:
        return [Problem("session_unknown", wording.sentence("session_unknown"), str(uid))]
    if session.step.kind != facts.StepKind.TREATMENT:
        message = _("Only treatments have areas of their own. Assessments and reviews are of all areas of the course.")
        return [Problem("session_not_a_treatment", message, str(uid))]
    if allowed and not codes:
        return [Problem("areas_missing", _("Say which areas are to be treated."), str(uid))]
    return [
        Problem(
            "area_not_of_course",
            _("“%(code)s” is no area of this course. Choose from the areas with which it was started.")
            % {"code": code},
            str(uid),
            {"area": code},
        )
        for code in sorted(set(codes) - set(allowed))
    ]


def _refuse_too_much_to_remember(course: facts.CourseFacts) -> None:
    """Refuse a course of which a plan would have to remember more than the planner can, as protocols are refused."""
    most = effort_of(course)
    if not most.is_bounded:
        message = _(
            "Plans would have to remember %(dates)d dates at once, which takes too long. Let fewer sessions in a row"
            " treat other areas than the one before, or ask a manager for a version of the protocol that gives each"
            " session a “minimum:” and a “lapse:” that are near each other."
        )
        raise RuleBroken(
            Problem("too_much_to_remember", message % {"dates": most.dates}, str(most.session), {"dates": most.dates})
        )


def _against_decision(action: str, band: facts.Late, reason: str) -> list[Problem]:
    problems = []
    may_review_instead = band.action in (facts.LateAction.REPEAT_STEP, facts.LateAction.RESTART)
    if action == facts.LateAction.REVIEW and not may_review_instead:
        problems.append(Problem("review_is_an_assessment", _("Record a new assessment: that is the review."), "action"))
    elif action not in LateBand.Action.values:
        problems.append(Problem("action_unknown", _("Choose what is done from the list."), "action"))
    if not reason.strip():
        problems.append(Problem("reason_missing", _("Say why."), "reason"))
    return problems


def _note_decision(
    session: Session, action: str, band: facts.Late, on: date, *, reason: str, by: User | None, now: datetime
) -> None:
    booking.note(
        session.course,
        session,
        from_state=session.state,
        to_state=session.state,
        reason=reason,
        details={"late": {"action": action, "band": band.action, "on": on.isoformat()}},
        by=by,
        now=now,
    )


def _repeat(
    session: Session,
    known: facts.SessionFacts,
    band: facts.Late,
    course: facts.CourseFacts,
    *,
    reason: str,
    by: User | None,
    now: datetime,
) -> None:
    """Open one more session of the step that the late one is counted from, before it, for the areas treated then."""
    reference = _reference_of(known, band, course)
    step = reference and session.course.version.steps.filter(key=reference.step.key).first()
    if not step or reference is None:
        raise RuleBroken(
            Problem("nothing_to_repeat", _("What it is counted from is no step of this protocol."), "action")
        )
    booking.refuse_beyond_cap(session.course, step)
    again = session.course.areas.filter(code__in=reference.areas)  # others may have been treated than the course has
    areas = list(again or session.planned_areas.all())
    booking.open_session(session.course, step, session.position, areas=areas, reason=reason, by=by, now=now)


def _reference_of(
    session: facts.SessionFacts, late: facts.Late, course: facts.CourseFacts
) -> facts.SessionFacts | None:
    """Return the performed session from which a late band is counted; None for a named event."""
    for spacing, reference in references(session, course):
        if isinstance(reference, facts.SessionFacts) and (performed_on := reference.performed_on):
            begins = {(band.action, band.begins.after(performed_on)) for band in spacing.late_bands}
            if (late.action, late.first_on) in begins:
                return reference
    return None


def _restart(course: Course, session: Session, *, reason: str, by: User | None, now: datetime) -> None:
    """Set aside what was performed of the series, and open what is missing of as many as the protocol plans.

    The series is every session of the late one's kind. Each that is opened is for the areas for which one that was set
    aside was planned, in their order; where there were not so many, for those of the late one.
    """
    of_its_kind = course.sessions.filter(step__kind=session.step.kind).select_related("course", "step")
    planned: dict[str, list[list[Area]]] = {}
    performed = of_its_kind.filter(state=SessionState.PERFORMED).exclude(counts_reason=RESTARTED)
    for aside in performed.order_by("position"):
        booking.set_counts(aside, counts=False, reason=RESTARTED, by=by, now=now)
        planned.setdefault(aside.step_key, []).append(list(aside.planned_areas.all()))
    for step in Step.objects.filter(version=course.version, kind=session.step.kind).order_by("position"):
        left = course.sessions.filter(step_key=step.key, state=SessionState.OPEN).count()
        again = iter(planned.get(step.key, []))
        for _missing in range(step.sessions - left):
            areas = next(again, None) or list(session.planned_areas.all())
            position = booking.position_of_another(course, step)
            booking.open_session(course, step, position, areas=areas, reason=reason, by=by, now=now)


def _write_decision(course: Course, session: Session, action: str, on: date) -> None:
    """Write the decision to the session, if it is late still, and to those that now come late in its place."""
    as_it_stands = roster.course_facts(course)
    late = {
        one.id
        for one in as_it_stands.sessions
        if one.state is facts.SessionState.OPEN and late_band_of(one, on, as_it_stands) is not None
    }
    for row in course.sessions.filter(uid__in=late, position__lte=_position(session)):
        booking.set_late_action(row, action)


def _position(session: Session) -> int:
    return Session.objects.values_list("position", flat=True).get(pk=session.pk)


def _look_again(course: Course, *, reason: str, by: User | None, now: datetime) -> Proposal | None:
    booking.refresh_windows(course)
    outbox.reconcile(course, now=now)
    return replanning.examine(course, reason=reason, by=by, now=now)


__all__ = ["NotLate", "act_on_lateness", "add_session", "plan_areas", "skip_session"]
