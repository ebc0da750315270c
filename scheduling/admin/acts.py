"""What can be done from the course page: one line per act, each a small form that calls it and comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext_lazy

from clinic.admin import has_role, page_of, person, put_into
from clinic.errors import Refusal
from clinic.models import Role, User
from clinic.rights import CLINICAL, FRONT_DESK, PRESCRIBING
from patients.models import Answer
from scheduling import booking, check_in, holds, intake, roster, sessions, visits, waitlist
from scheduling.models import (
    Appointment,
    Assessment,
    CancelReason,
    Consent,
    Course,
    Hold,
    Offer,
    Outcome,
    Override,
    Session,
    WaitingListEntry,
)
from scheduling.models.appointments import AskedBy

from . import forms
from .conditions import shut_at_check_in
from .desk import came_from, course_or_404, needs, posted_to, shown
from .timeline import to_sign

Run = Callable[[Any, User, datetime], object]


@dataclass(frozen=True)
class Act:
    """One thing to do: its title, the button, its form, what it is about, who is shown it, and the call."""

    title: Any
    button: Any
    form: type[forms.ActForm]
    run: Run
    done: Any
    # course, session, appointment, hold, consent, override, answer, assessment, outcome, waiting, offer
    about: str = "course"
    roles: tuple[Role, ...] = FRONT_DESK
    hint: Any = ""
    is_danger: bool = False


def _of_held(form: Any) -> str:
    """Return what becomes of a held course's visits: kept, where nobody chose."""
    return form.cleaned_data.get("visits") or holds.Visits.KEEP


def _answers(form: Any, by: User, now: datetime) -> None:
    given_on = form.cleaned_data["given_on"]
    intake.answer_all(
        form.course.patient, dict(form.answers()), given_on=given_on, visits=_of_held(form), by=by, now=now
    )


def _check_in(form: Any, by: User, now: datetime) -> None:
    """Record what was answered and let the visit begin, or say why it does not: the answers are kept all the same."""
    done = check_in.check_in(form.of, form.answers(), visits_of_held=_of_held(form), by=by, now=now)
    if not done.admitted:
        raise visits.NotAdmitted(*done.problems)


def _override(form: Any, by: User, now: datetime) -> None:
    said = form.cleaned_data
    intake.override(
        form.course,
        session=form.of,
        rule=said["rule"],
        subject=said["subject"],
        reason=said["reason"],
        expires_on=said["expires_on"],
        by=by,
        now=now,
    )


ACTS: dict[str, Act] = {
    "wishes": Act(
        title=gettext_lazy("What the patient would like"),
        button=gettext_lazy("Save the wishes"),
        form=forms.WishesForm,
        run=lambda form, by, now: booking.set_wishes(form.course, form.wishes(), by=by, now=now),
        done=gettext_lazy("The wishes are noted. Booked visits stay where they are."),
        hint=gettext_lazy("Plans look for times that fit. Visits that are booked stay where they are."),
    ),
    "assess": Act(
        title=gettext_lazy("Record the assessment"),
        button=gettext_lazy("Save the assessment"),
        form=forms.AssessmentForm,
        run=lambda form, by, now: intake.assess(
            form.course.patient, form.course.version.protocol, form.assessment(), site=form.course.site, by=by, now=now
        ),
        done=gettext_lazy("The assessment is recorded."),
        roles=CLINICAL,
    ),
    "answers": Act(
        title=gettext_lazy("Health questions"),
        button=gettext_lazy("Save the answers"),
        form=forms.AnswersForm,
        run=_answers,
        done=gettext_lazy("The answers are recorded."),
        hint=gettext_lazy("Ask as written. Not asked is not “no”: leave it as it is."),
    ),
    "review": Act(
        title=gettext_lazy("A clinician has looked at the answer"),
        button=gettext_lazy("I have looked at it"),
        form=forms.ConfirmForm,
        run=lambda form, by, now: intake.review_answer(form.of, by=by, now=now),
        done=gettext_lazy("It is noted that you have looked at the answer."),
        about="answer",
        roles=CLINICAL,
        hint=gettext_lazy("Where a question asks for a clinician’s look, this opens its gate. A hold is lifted apart."),
    ),
    "strike-answer": Act(
        title=gettext_lazy("The answer was recorded in error"),
        button=gettext_lazy("Strike the answer"),
        form=forms.StrikeForm,
        run=lambda form, by, now: intake.strike_answer(form.of, reason=form.cleaned_data["reason"], by=by, now=now),
        done=gettext_lazy("The answer is struck. A hold that it placed waits to be lifted."),
        about="answer",
        roles=CLINICAL,
        hint=gettext_lazy("For a mistake in writing it down. If the patient's answer has changed, ask again instead."),
        is_danger=True,
    ),
    "strike-assessment": Act(
        title=gettext_lazy("The assessment was recorded in error"),
        button=gettext_lazy("Strike the assessment"),
        form=forms.StrikeForm,
        run=lambda form, by, now: intake.strike_assessment(
            form.of, site=form.course.site, reason=form.cleaned_data["reason"], by=by, now=now
        ),
        done=gettext_lazy("The assessment is struck. Its session is open again."),
        about="assessment",
        roles=CLINICAL,
        hint=gettext_lazy("The assessment before it, if there is one, counts again."),
        is_danger=True,
    ),
    "consent": Act(
        title=gettext_lazy("Record a consent"),
        button=gettext_lazy("Save the consent"),
        form=forms.ConsentForm,
        run=lambda form, by, now: intake.record_consent(form.course, form.consent(), by=by, now=now),
        done=gettext_lazy("The consent is recorded."),
        roles=CLINICAL,
    ),
    "sign": Act(
        title=gettext_lazy("The consent was signed"),
        button=gettext_lazy("Save the signature"),
        form=forms.SignForm,
        run=lambda form, by, now: intake.sign_consent(
            form.of,
            signed_on=form.cleaned_data["signed_on"],
            given_by_guardian=form.cleaned_data.get("given_by_guardian"),
            by=by,
            now=now,
        ),
        done=gettext_lazy("The signature is recorded."),
        about="consent",
    ),
    "withdraw": Act(
        title=gettext_lazy("The patient withdraws the consent"),
        button=gettext_lazy("Record the withdrawal"),
        form=forms.WithdrawForm,
        run=lambda form, by, now: intake.withdraw_consent(
            form.of,
            on=form.cleaned_data["on"],
            cancel_visits=form.cleaned_data.get("cancel_visits", False),
            by=by,
            now=now,
        ),
        done=gettext_lazy("The consent is withdrawn, and the course on hold."),
        about="consent",
        hint=gettext_lazy("The course goes on hold at once, and its reminders stop."),
        is_danger=True,
    ),
    "override": Act(
        title=gettext_lazy("Override"),
        button=gettext_lazy("Save the override"),
        form=forms.OverrideForm,
        run=_override,
        done=gettext_lazy("The override is recorded."),
        about="session",
        roles=PRESCRIBING,
        hint=gettext_lazy("For this session only, until the day you choose. Your name and reason stay on record."),
    ),
    "revoke": Act(
        title=gettext_lazy("Take the override back"),
        button=gettext_lazy("Revoke the override"),
        form=forms.ReasonForm,
        run=lambda form, by, now: intake.revoke_override(form.of, reason=form.cleaned_data["reason"], by=by, now=now),
        done=gettext_lazy("The override is revoked. The rule speaks again."),
        about="override",
        roles=PRESCRIBING,
        is_danger=True,
    ),
    "hold": Act(
        title=gettext_lazy("Put the course on hold"),
        button=gettext_lazy("Hold the course"),
        form=forms.HoldForm,
        run=lambda form, by, now: holds.place(
            form.course,
            code=form.cleaned_data["code"],
            reason=form.cleaned_data["reason"],
            lifted_by_role=Role(form.cleaned_data["lifted_by_role"]),
            visits=_of_held(form),
            by=by,
            now=now,
        ),
        done=gettext_lazy("The course is on hold."),
        hint=gettext_lazy("Nothing is booked and no reminder goes out."),
    ),
    "free": Act(
        title=gettext_lazy("Free the visits of the held course"),
        button=gettext_lazy("Cancel the visits"),
        form=forms.ConfirmForm,
        run=lambda form, by, now: holds.free_visits(form.of, by=by, now=now),
        done=gettext_lazy("The visits are cancelled and their times are free. Lifting the hold proposes new ones."),
        about="hold",
        hint=gettext_lazy("The patient is told. The sessions stay, and are planned again when the hold is lifted."),
        is_danger=True,
    ),
    "lift": Act(
        title=gettext_lazy("Lift the hold"),
        button=gettext_lazy("Lift the hold"),
        form=forms.LiftForm,
        run=lambda form, by, now: holds.lift(form.of, reason=form.cleaned_data["reason"], by=by, now=now),
        done=gettext_lazy("The hold is lifted. What is not booked has a proposed plan, where there is one."),
        about="hold",
    ),
    "event": Act(
        title=gettext_lazy("Something happened that the spacing counts from"),
        button=gettext_lazy("Save"),
        form=forms.EventForm,
        run=lambda form, by, now: intake.record_event(
            form.course,
            form.cleaned_data["key"],
            form.cleaned_data["happened_on"],
            note=form.cleaned_data["note"],
            by=by,
            now=now,
        ),
        done=gettext_lazy("It is noted, and the windows are counted anew."),
        roles=CLINICAL,
    ),
    "end": Act(
        title=gettext_lazy("End the course"),
        button=gettext_lazy("End the course"),
        form=forms.EndForm,
        run=lambda form, by, now: visits.end_course(
            form.course,
            reason=form.cleaned_data["reason"],
            asked_by=AskedBy(form.cleaned_data["asked_by"]),
            by=by,
            now=now,
        ),
        done=gettext_lazy("The course has ended."),
        hint=gettext_lazy("Its visits are cancelled and its messages stopped. This cannot be taken back."),
        is_danger=True,
    ),
    "perform": Act(
        title=gettext_lazy("Record the session"),
        button=gettext_lazy("Save the session"),
        form=forms.PerformForm,
        run=lambda form, by, now: visits.perform(form.of, form.performed(), by=by, now=now),
        done=gettext_lazy("The session is recorded. The next windows are counted from that day."),
        about="session",
        roles=CLINICAL,
        hint=gettext_lazy("As it really happened. The windows of the sessions to come are counted from this date."),
    ),
    "correct": Act(
        title=gettext_lazy("Correct when it took place"),
        button=gettext_lazy("Save the date"),
        form=forms.CorrectForm,
        run=lambda form, by, now: visits.correct_performed(
            form.of,
            performed_on=form.cleaned_data["performed_on"],
            at_time=form.cleaned_data["at_time"],
            reason=form.cleaned_data["reason"],
            by=by,
            now=now,
        ),
        done=gettext_lazy("The date is corrected, and everything counted from it anew."),
        about="session",
        roles=CLINICAL,
        hint=gettext_lazy("What counts is judged again, and the windows of the sessions to come are counted anew."),
    ),
    "add": Act(
        title=gettext_lazy("Add a session"),
        button=gettext_lazy("Add the session"),
        form=forms.AddSessionForm,
        run=lambda form, by, now: sessions.add_session(
            form.course, form.cleaned_data["step"], reason=form.cleaned_data["reason"], by=by, now=now
        ),
        done=gettext_lazy("The session is added and waits to be booked."),
        roles=CLINICAL,
        hint=gettext_lazy("It comes after the last one of its kind. The protocol says how many there may be."),
    ),
    "areas": Act(
        title=gettext_lazy("Areas of the sessions"),
        button=gettext_lazy("Save the areas"),
        form=forms.AreasForm,
        run=lambda form, by, now: sessions.plan_areas(form.course, form.areas(), by=by, now=now),
        done=gettext_lazy("The areas are noted, and the windows are counted anew."),
        hint=gettext_lazy(
            "Untick what a session is not to treat, so that two legs can take turns. Booked visits stay where they are;"
            " where one comes too early by this, another time is proposed."
        ),
    ),
    "skip": Act(
        title=gettext_lazy("Leave out the session"),
        button=gettext_lazy("Leave it out"),
        form=forms.SkipForm,
        run=lambda form, by, now: sessions.skip_session(form.of, reason=form.cleaned_data["reason"], by=by, now=now),
        done=gettext_lazy("The session is left out."),
        about="session",
        roles=CLINICAL,
        hint=gettext_lazy("Its visit is cancelled with it. This cannot be taken back; a session can be added."),
        is_danger=True,
    ),
    "wait": Act(
        title=gettext_lazy("Put on the waiting list"),
        button=gettext_lazy("Put on the list"),
        form=forms.WaitForm,
        run=lambda form, by, now: waitlist.put_on(form.of, **form.cleaned_data, by=by, now=now),
        done=gettext_lazy("The session is on the waiting list. What falls free earlier is offered in order."),
        about="session",
        hint=gettext_lazy(
            "For an earlier time. The visit, if there is one, stays where it is until an offer is accepted."
        ),
    ),
    "stop-waiting": Act(
        title=gettext_lazy("Take off the waiting list"),
        button=gettext_lazy("Take off the list"),
        form=forms.ConfirmForm,
        run=lambda form, by, now: waitlist.take_off(form.of, by=by, now=now),
        done=gettext_lazy("The session is off the waiting list."),
        about="waiting",
        hint=gettext_lazy("A time that is kept for the patient goes to the next."),
    ),
    "accept": Act(
        title=gettext_lazy("The patient takes the time"),
        button=gettext_lazy("Book the time"),
        form=forms.ConfirmForm,
        run=lambda form, by, now: waitlist.accept(form.of, by=by, now=now),
        done=gettext_lazy("The time is the patient’s. The rest of the course was looked at again."),
        about="offer",
        hint=gettext_lazy("The visit moves there, or the session is booked. Every rule is asked again."),
    ),
    "decline": Act(
        title=gettext_lazy("The patient does not want the time"),
        button=gettext_lazy("Give it to the next"),
        form=forms.ConfirmForm,
        run=lambda form, by, now: waitlist.decline(form.of, by=by, now=now),
        done=gettext_lazy("The time goes to the next in order. The patient stays on the waiting list."),
        about="offer",
        hint=gettext_lazy("Their visit stays where it is, and they stay on the waiting list."),
    ),
    "late": Act(
        title=gettext_lazy("The session comes late"),
        button=gettext_lazy("Save the decision"),
        form=forms.LateForm,
        run=lambda form, by, now: sessions.act_on_lateness(
            form.of,
            form.cleaned_data["action"],
            reason=form.cleaned_data["reason"],
            on=form.cleaned_data["on"],
            by=by,
            now=now,
        ),
        done=gettext_lazy("The decision is recorded."),
        about="session",
        roles=CLINICAL,
        hint=gettext_lazy("Repeating and beginning again open sessions; the other choices are only recorded."),
    ),
    "outcome": Act(
        title=gettext_lazy("Record the outcome"),
        button=gettext_lazy("Save the outcome"),
        form=forms.OutcomeForm,
        run=lambda form, by, now: visits.record_outcome(form.of, form.outcome(), by=by, now=now),
        done=gettext_lazy("The outcome is recorded."),
        about="session",
        roles=CLINICAL,
    ),
    "clear": Act(
        title=gettext_lazy("Clear the review"),
        button=gettext_lazy("Let the course go on"),
        form=forms.ClearForm,
        run=lambda form, by, now: visits.clear_review(form.of, note=form.cleaned_data["note"], by=by, now=now),
        done=gettext_lazy("The review is cleared."),
        about="outcome",
        roles=CLINICAL,
    ),
    "confirm": Act(
        title=gettext_lazy("The patient has confirmed the visit"),
        button=gettext_lazy("The patient has confirmed"),
        form=forms.ConfirmForm,
        run=lambda form, by, now: visits.confirm(form.of, by=by, now=now),
        done=gettext_lazy("It is noted that the patient has confirmed the visit."),
        about="appointment",
        hint=gettext_lazy("By phone or at the desk. New plans rather leave such a visit where it is."),
    ),
    "arrive": Act(
        title=gettext_lazy("Check in"),
        button=gettext_lazy("The patient is here"),
        form=forms.CheckInForm,
        run=_check_in,
        done=gettext_lazy("The patient is checked in."),
        about="appointment",
        hint=gettext_lazy("Ask what is due, as written. Answers are kept, whether or not the visit may begin."),
    ),
    "miss": Act(
        title=gettext_lazy("The patient did not come"),
        button=gettext_lazy("Record as missed"),
        form=forms.ConfirmForm,
        run=lambda form, by, now: visits.miss(form.of, by=by, now=now),
        done=gettext_lazy("The visit is recorded as missed. The session waits to be booked again."),
        about="appointment",
        hint=gettext_lazy("The session is not lost: it goes back to the worklist."),
    ),
    "cancel": Act(
        title=gettext_lazy("Cancel the visit"),
        button=gettext_lazy("Cancel the visit"),
        form=forms.CancelForm,
        run=lambda form, by, now: visits.cancel(
            form.of,
            reason=CancelReason(form.cleaned_data["reason"]),
            asked_by=AskedBy(form.cleaned_data["asked_by"]),
            note=form.cleaned_data["note"],
            by=by,
            now=now,
        ),
        done=gettext_lazy("The visit is cancelled and its time is free. The session waits to be booked again."),
        about="appointment",
        hint=gettext_lazy("The time is free at once. The session stays open and can be booked again."),
        is_danger=True,
    ),
}


def find(course: Course, about: str, uid: UUID | None) -> Any:
    """Return what an act is about; a row of another course does not exist."""
    rows: dict[str, Any] = {
        "session": Session.objects.filter(course=course).select_related("course__site", "step"),
        "appointment": Appointment.objects.filter(session__course=course).select_related(
            "session__course", "session__step", "site", "lead"
        ),
        "hold": Hold.objects.filter(course=course).select_related("course__site"),
        "consent": Consent.objects.filter(course=course).select_related("course__site", "text"),
        "override": Override.objects.filter(course=course).select_related("course__site", "session__step"),
        "answer": Answer.objects.filter(patient=course.patient_id, error_at=None).select_related("question", "patient"),
        "assessment": Assessment.objects.filter(
            patient=course.patient_id, protocol=course.version.protocol_id, error_at=None
        ).select_related("patient", "session", "assessed_by"),
    }
    rows["waiting"] = WaitingListEntry.objects.filter(session__course=course).select_related(
        "session__step", "session__course__site"
    )
    rows["offer"] = Offer.objects.filter(entry__session__course=course).select_related(
        "reservation", "entry__session__step", "entry__session__course__site"
    )
    if about == "course":
        return None
    if about == "outcome":
        found = Outcome.objects.filter(
            session__course=course, session__in=rows["session"].filter(uid=uid)
        ).select_related("session__course__site")
    else:
        found = rows[about].filter(uid=uid)
    row = found.first()
    if row is None:
        raise Http404
    return row


@needs("scheduling.course", "change")
def act(request: HttpRequest, uid: UUID, name: str, of: UUID | None = None) -> HttpResponse:
    """Show an act's form; carry it out when it is sent, and go back to where the person came from."""
    known = ACTS.get(name)
    course = course_or_404(request, uid)
    if known is None:
        raise Http404
    if not has_role(request, known.roles):
        raise PermissionDenied
    subject, now = find(course, known.about, of), timezone.now()
    today: date = roster.today(course.site, now)
    initial = {key: request.GET[key] for key in ("rule", "subject") if key in request.GET}
    form = known.form(posted_to(request), course=course, today=today, of=subject, initial=initial)
    is_refused = has_kept = False
    if request.method == "POST" and form.is_valid():
        try:
            known.run(form, person(request), now)
        except visits.NotAdmitted:
            # What was answered is kept: show what is missing, and ask what is still due.
            is_refused, has_kept = True, isinstance(form, forms.CheckInForm) and bool(form.answers())
            form = known.form(course=course, today=today, of=subject)
        except Refusal as refusal:
            put_into(form, refusal)
        else:
            messages.success(request, str(known.done))
            return HttpResponseRedirect(_back(request, course, subject))
    return shown(
        request,
        "scheduling/act.html",
        str(known.title),
        {
            "act": known,
            "act_name": name,
            "form": form,
            "course": course,
            "patient": course.patient,
            "subject": subject,
            "session": _session_of(subject),
            "visit": subject if isinstance(subject, Appointment) else None,
            "hold": subject if isinstance(subject, Hold) else None,
            "offer": subject if isinstance(subject, Offer) else None,
            "consent": subject if isinstance(subject, Consent) else None,
            "answer": subject if isinstance(subject, Answer) else None,
            "assessment": subject if isinstance(subject, Assessment) else None,
            "allowed": allowed(request),
            "back": _back(request, course, subject),
            "before": came_from(request),
            "here": f"{request.path}?{urlencode({'back': came_from(request)})}" if came_from(request) else "",
            "has_errors": request.method == "POST",
            "is_refused": is_refused,
            "has_kept": has_kept,
            **(_at_the_desk(request, subject, course, today) if isinstance(form, forms.CheckInForm) else {}),
        },
    )


def _at_the_desk(request: HttpRequest, visit: Appointment, course: Course, today: date) -> dict[str, Any]:
    """Return what keeps a visit of today from beginning, but the questions: the form asks those."""
    if visit.on != today:
        return {"may_begin": True}
    shut = shut_at_check_in(visit.session, today)
    standing = standing_for(request, Hold.objects.standing().filter(course=course).order_by("pk"))
    return {
        "shut": shut,
        "standing": standing,
        "to_sign": to_sign(course.consents.all()),
        "may_begin": not shut and not standing,
    }


def _session_of(subject: Any) -> Session | None:
    if isinstance(subject, Session):
        return subject
    session: Session | None = getattr(subject, "session", None)
    return session


def _back(request: HttpRequest, course: Course, subject: Any) -> str:
    """Return where to go after: to the page that the person came from, else to the session on the course page."""
    if before := came_from(request):
        return before
    session = _session_of(subject)
    return page_of(course) + (f"#session-{session.position}" if session else "")


def allowed(request: HttpRequest) -> frozenset[str]:
    """Return the acts whose buttons the person is shown."""
    return frozenset(name for name, one in ACTS.items() if has_role(request, one.roles))


def standing_for(request: HttpRequest, found: Iterable[Hold]) -> list[tuple[Hold, bool]]:
    """Return the holds that stand, each with whether the person is shown the way to lift it."""
    return [
        (hold, has_role(request, holds.LIFTERS[Role(hold.lifted_by_role)])) for hold in found if hold.lifted_at is None
    ]


__all__ = ["ACTS", "act", "allowed", "find", "standing_for"]
