"""What each code means, in sentences that a receptionist can read out. The codes are the planner's and never change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from uuid import UUID

from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic import localtime
from clinic.errors import Problem
from clinic.models import Role, Site

from .models import LateBand
from .planner import explain, facts, relax
from .planner.evaluation import Evaluation

SENTENCES = {
    # gates
    "assessment_missing": gettext_lazy("A clinician has not assessed the patient for this treatment yet."),
    "assessment_expired": gettext_lazy("The medical assessment is too old by then. A clinician must assess again."),
    "assessment_unsuitable": gettext_lazy("A clinician found this treatment unsuitable for the patient."),
    "assessment_cooling_off": gettext_lazy("The time to think after the assessment is not over."),
    "reflux_not_checked": gettext_lazy("Nobody has checked for underlying varicose veins."),
    "reflux_untreated": gettext_lazy("Underlying varicose veins were found and are not treated."),
    "reflux_treated_recently": gettext_lazy("Varicose veins were treated too short a time ago."),
    "answer_missing": gettext_lazy("The question “%(subject)s” has never been answered."),
    "answer_expired": gettext_lazy("The answer to “%(subject)s” is too old. Ask again."),
    "answer_due_again": gettext_lazy("The question “%(subject)s” must be asked again before this visit."),
    "answer_before_last_session": gettext_lazy("The question “%(subject)s” has not been asked since the last session."),
    "risk_absolute": gettext_lazy("The answer to “%(subject)s” rules this treatment out."),
    "risk_relative": gettext_lazy("The answer to “%(subject)s” speaks against this treatment."),
    "risk_ask": gettext_lazy("A clinician must look at the answer to “%(subject)s” first."),
    "area_not_allowed": gettext_lazy("The protocol does not treat this area: %(subject)s."),
    "consent_missing": gettext_lazy("The patient has not signed the consent."),
    "consent_expired": gettext_lazy("The consent is too old by then. Seek it again."),
    "consent_withdrawn": gettext_lazy("The patient has withdrawn the consent."),
    "consent_cooling_off": gettext_lazy("The time to think after the information talk is not over."),
    "guardian_missing": gettext_lazy("The patient is under age, and no guardian is on record. Record one."),
    "guardian_consent_missing": gettext_lazy("The patient is under age. A guardian must give the consent."),
    "of_age_unknown": gettext_lazy("The birth date is not known, so a guardian may have to consent. Record it."),
    "outcome_missing": gettext_lazy("The outcome of the last session has not been recorded."),
    "outcome_review": gettext_lazy("A clinician must review the last session first."),
    "outcome_stop": gettext_lazy("The clinician stopped the course after the last session."),
    "outcome_awaited": gettext_lazy("The session before it has not taken place yet."),
    "yearly_limit_reached": gettext_lazy(
        "The patient has had, or has booked, all treatments of this kind for that year."
    ),
    "review_due": gettext_lazy("So many treatments need a new medical assessment before the next one."),
    "season_closed": gettext_lazy("This treatment is not given at that time of the year."),
    "too_near_other_treatment": gettext_lazy("This is too near to another treatment of the patient: %(subject)s."),
    "late_review": gettext_lazy("The session comes so late that a clinician must assess the patient again first."),
    "late_repeat_step": gettext_lazy(
        "The session comes so late that the step before it may have to be repeated. A clinician must decide."
    ),
    "late_restart": gettext_lazy(
        "The session comes so late that the course may have to begin again. A clinician must decide."
    ),
    "too_young": gettext_lazy("The patient is too young for this treatment on that date."),
    "birth_date_missing": gettext_lazy("The birth date is not known, and this treatment has a minimum age. Record it."),
    "course_on_hold": gettext_lazy("The course is on hold."),
    "patient_deceased": gettext_lazy("The patient has died."),
    "patient_merged": gettext_lazy("This record was merged into another. Use that one."),
    # rules
    "session_not_open": gettext_lazy("This session is not open any more."),
    "session_unknown": gettext_lazy("This session does not belong to the course."),
    "session_twice": gettext_lazy("The same session is named twice."),
    "session_missing": gettext_lazy("This session has no time in the plan. A course is booked whole."),
    "before_floor": gettext_lazy("This is sooner than the session may ever take place."),
    "before_minimum": gettext_lazy("This is earlier than the protocol allows."),
    "after_lapse": gettext_lazy("This is so late that the course needs a new assessment first."),
    "out_of_order": gettext_lazy("The sessions would not follow each other in their order."),
    "in_the_past": gettext_lazy("This time is over. Choose a later one."),
    "beyond_horizon": gettext_lazy("This is further ahead than the site takes bookings."),
    "site_closed": gettext_lazy("The site is closed on that day: %(subject)s."),
    "off_grid": gettext_lazy("Visits do not start at that minute here."),
    "wrong_shape": gettext_lazy("The people, rooms or length do not fit this step."),
    "place_unknown": gettext_lazy("A person or room in the plan does not exist at this site."),
    "lacks_capability": gettext_lazy("%(subject)s cannot do this on that date."),
    "off_duty": gettext_lazy("%(subject)s is not working then."),
    "resource_busy": gettext_lazy("%(subject)s is already taken then."),
    "patient_busy": gettext_lazy("The patient has another visit at that time."),
    "nothing_to_replan": gettext_lazy("The course has no visit to come. Plan and book it instead."),
    # why there is no plan
    "outside_window": gettext_lazy("No date that can be booked lies in its window."),
    "gate_closed": gettext_lazy("A clinical condition is not met on these dates."),
    "lead_busy": gettext_lazy("Everyone who could lead the session is taken."),
    "others_busy": gettext_lazy("No room, device or second person is free at the same time."),
    "wish_missed": gettext_lazy("No time that is free meets all of the patient’s wishes."),
    "not_asked": gettext_lazy("The times that are free are not those asked for."),
    "roles_collide": gettext_lazy("One person or room would be needed twice at once."),
    "spacing": gettext_lazy("No free date has the right distance from the session before."),
}

_ASSESSES = gettext_lazy("A clinician records an assessment on the course page.")
_ASKS = gettext_lazy("Anyone at the front desk may ask, and record the answer.")
_ON_PATIENT = gettext_lazy("Anyone at the front desk may do so on the patient’s page.")

# Who opens a gate, and where. A gate that only time opens, or nothing, is not here.
REMEDIES = {
    "assessment_missing": _ASSESSES,
    "assessment_expired": _ASSESSES,
    "assessment_unsuitable": gettext_lazy("Only a clinician changes this, with a new assessment on the course page."),
    "reflux_not_checked": _ASSESSES,
    "reflux_untreated": gettext_lazy("When they are treated, a clinician records it with a new assessment."),
    "reflux_treated_recently": gettext_lazy(
        "A clinician records from when on sessions may follow, with an assessment on the course page."
    ),
    "answer_missing": _ASKS,
    "answer_expired": _ASKS,
    "answer_due_again": _ASKS,
    "answer_before_last_session": _ASKS,
    "risk_absolute": gettext_lazy(
        "Nobody may override this. If the answer has changed, ask again; a clinician strikes one that was a mistake."
    ),
    "risk_relative": gettext_lazy("If the answer has changed, ask again."),
    "risk_ask": gettext_lazy("A clinician notes that on the page of the health questions."),
    "area_not_allowed": gettext_lazy("Nobody may override this. Ask a clinician which treatment suits."),
    "consent_missing": gettext_lazy(
        "A clinician informs the patient and records the consent on the course page. "
        "Anyone at the front desk may add the signature there."
    ),
    "consent_expired": gettext_lazy("A clinician records a new consent on the course page."),
    "consent_withdrawn": gettext_lazy(
        "If the patient decides again, a clinician records a new consent on the course page."
    ),
    "guardian_missing": _ON_PATIENT,
    "guardian_consent_missing": gettext_lazy("A clinician records the guardian’s consent on the course page."),
    "of_age_unknown": _ON_PATIENT,
    "birth_date_missing": _ON_PATIENT,
    "outcome_awaited": gettext_lazy("A clinician records that one first, on the course page."),
    "outcome_missing": gettext_lazy("A clinician records it on the course page."),
    "outcome_review": gettext_lazy("A clinician clears the review on the course page."),
    "outcome_stop": gettext_lazy("Nobody may override this. Ask the clinician, or end the course."),
    "review_due": _ASSESSES,
    "before_floor": gettext_lazy("Nobody may override this: choose that date, or a later one."),
    "before_minimum": gettext_lazy("Else choose that date, or a later one."),
    "after_lapse": _ASSESSES,
    "late_review": _ASSESSES,
    "late_repeat_step": gettext_lazy("The decision is recorded on the course page."),
    "late_restart": gettext_lazy("The decision is recorded on the course page."),
    "course_on_hold": gettext_lazy("The notice on the course page names who may lift it."),
}

# What a performed session is worth. The dates are those that decided.
VERDICTS = {
    "performed_before_floor": gettext_lazy("It does not count: it would have from %(floor)s on."),
    "performed_in_grace": gettext_lazy("It counts: in time from %(minimum)s on."),
    "performed_in_time": gettext_lazy("It counts."),
    "performed_in_late_band": gettext_lazy("It counts. From %(band)s on the protocol says: %(action)s."),
    "performed_overdue": gettext_lazy("It counts: overdue from %(overdue)s on."),
    "performed_after_lapse": gettext_lazy("It counts: a new assessment was due from %(lapse)s on."),
    "nothing_to_count_from": gettext_lazy("Nothing before it to count from."),
}

# Codes that are kept as the reason for which a session does not count, or is as it is. Other reasons are words.
REASONS = {
    "too_soon": gettext_lazy("it came too soon"),
    "restarted": gettext_lazy("the series began again"),
    "not_needed": gettext_lazy("the session before it counts after all"),
    "not_in_version": gettext_lazy("the protocol's new version does not have it"),
    "in_version": gettext_lazy("the protocol's new version has it"),
    "assessed_before": gettext_lazy("assessed before the course began"),
    "course_completed": gettext_lazy("the course was completed"),
}

# The rules of an explanation speak of many dates at once.
NO_PLAN = SENTENCES | {
    "off_duty": gettext_lazy("Nobody who could do it is working, or no room is open."),
    "lacks_capability": gettext_lazy("Nobody, or no room, has what the session needs."),
    "site_closed": gettext_lazy("The site is closed."),
    "patient_busy": gettext_lazy("The patient has other visits."),
    "in_the_past": gettext_lazy("These times are over."),
    "search_broken_off": gettext_lazy(
        "There may be a plan: so far ahead there are too many possibilities to try them all. Ask for an end date, or"
        " for dates of single sessions."
    ),
}

# Which wishes there are, where they are of one kind only.
WISHES_MISSED = {
    "time": gettext_lazy("The patient cannot come at the times that are free."),
    "practitioner": gettext_lazy("The practitioner wished for has none of the times that are free."),
    "language": gettext_lazy("Nobody who speaks the language wished for has any of the times that are free."),
}

# Why no date at all is in question, by the rule that leaves none.
NO_DATE = {
    "not_asked_asked_last": gettext_lazy(
        "Session %(number)d can be on %(first)s at the earliest; asked for is %(last)s at the latest."
    ),
    "not_asked_asked_first": gettext_lazy(
        "Session %(number)d can be on %(last)s at the latest; asked for is %(first)s at the earliest."
    ),
    "beyond_horizon": gettext_lazy(
        "Session %(number)d can be on %(first)s at the earliest; the site takes bookings until %(until)s."
    ),
    "too_few_dates": gettext_lazy(
        "Session %(number)d and those after it need more dates than there are until %(until)s, the last that the site"
        " takes bookings for."
    ),
    "out_of_order": gettext_lazy(
        "Session %(after)d can be on %(latest)s at the latest, and leaves no date before it for session %(number)d."
    ),
    "out_of_order_asked": gettext_lazy(
        "Session %(after)d is asked for on %(latest)s at the latest, and leaves no date before it for session"
        " %(number)d."
    ),
    "out_of_order_booked": gettext_lazy(
        "Session %(after)d is booked on %(latest)s, and session %(number)d can be on %(first)s at the earliest."
    ),
    "spacing": gettext_lazy("Session %(number)d can be on %(first)s at the earliest, and on %(last)s at the latest."),
}

# What would have to be given up for a plan: it ends the sentence "There is a plan if …".
GIVEN_UP = {
    "without_weekdays": gettext_lazy("the patient comes on other weekdays"),
    "without_times": gettext_lazy("the patient comes at other times of day"),
    "without_practitioner": gettext_lazy("another practitioner treats the patient"),
    "without_avoided_dates": gettext_lazy("the patient comes on the dates to avoid"),
    "without_language": gettext_lazy("the practitioner does not speak the language"),
    "asked_starts_from": gettext_lazy("the course starts sooner, by days: %(days)d"),
    "asked_starts_by": gettext_lazy("the course starts later, by days: %(days)d"),
    "asked_ends_before": gettext_lazy("the course ends later, by days: %(days)d"),
    "asked_date": gettext_lazy("other dates are used than asked for"),
    "asked_forbidden": gettext_lazy("the dates to leave out are used"),
    "asked_weekdays": gettext_lazy("other weekdays are used than asked for"),
    "asked_time": gettext_lazy("other times of day are used than asked for"),
    "asked_practitioner": gettext_lazy("other practitioners are taken than asked for"),
    "booked_visit": gettext_lazy("the booked visit of session %(number)d is moved"),
    "after_lapse": gettext_lazy(
        "session %(number)d comes later than the protocol allows, after a new assessment, by days: %(days)d"
    ),
    "before_minimum": gettext_lazy("session %(number)d comes earlier than the protocol allows, by days: %(days)d"),
    "horizon": gettext_lazy("the site takes bookings further ahead, by days: %(days)d"),
}
# The same of one session.
GIVEN_UP_FOR_ONE = {
    "asked_date": gettext_lazy("session %(number)d is on another date"),
    "asked_forbidden": gettext_lazy("session %(number)d is on a date to leave out"),
    "asked_weekdays": gettext_lazy("session %(number)d is on another weekday"),
    "asked_time": gettext_lazy("session %(number)d is at another time of day"),
    "asked_practitioner": gettext_lazy("another practitioner takes session %(number)d"),
}


def sentence(
    code: str,
    *,
    subject: str = "",
    opens_on: date | None = None,
    override: str = "",
    names: Mapping[str, str] | None = None,
) -> str:
    """Return what a code means, what opens it and who may override it. `names` gives words for subjects."""
    known = (names or {}).get(subject, subject)
    words = [str(SENTENCES[code]) % {"subject": known} if code in SENTENCES else code.replace("_", " ")]
    if opens_on is not None:
        words.append(_("Possible from %(date)s.") % {"date": day(opens_on)})
    if override:
        words.append(_("Only a %(role)s may override this.") % {"role": str(Role(override).label).lower()})
    return " ".join(words)


def remedy(code: str) -> str:
    """Return who opens a gate, and where; nothing where only time opens it, or nobody can."""
    return str(REMEDIES.get(code, ""))


def _refused(broken: facts.Violation | facts.GateAnswer, names: Mapping[str, str] | None) -> str:
    """Return what is wrong, and who does what about it."""
    said = sentence(
        broken.code, subject=broken.subject, opens_on=broken.opens_on, override=broken.override, names=names
    )
    return f"{said} {remedy(broken.code)}".rstrip()


def evaluation(judged: Evaluation) -> str:
    """Return what a performed session is worth, and the date that decided it."""
    dates = {
        "floor": judged.floor_on,
        "minimum": judged.minimum_on,
        "overdue": judged.overdue_on,
        "lapse": judged.lapse_on,
        "band": judged.band and judged.band.first_on,
    }
    said = {name: day(on) for name, on in dates.items() if on}
    if judged.band:
        said["action"] = late_action(judged.band)
    return str(VERDICTS[judged.code]) % said


def late_action(band: facts.Late) -> str:
    """Return what a late band asks for, with the protocol's note."""
    words = str(LateBand.Action(band.action).label)
    return f"{words} ({band.note})" if band.note else words


def reason(stored: str) -> str:
    """Return a stored reason in words: a code of ours, or what a person wrote."""
    return str(REASONS.get(stored, stored))


def problems(broken: Iterable[facts.Violation], names: Mapping[str, str] | None = None) -> list[Problem]:
    """Return the planner's violations as problems; `where` is the session's uid."""
    return [
        Problem(
            violation.code,
            _refused(violation, names),
            str(violation.session),
            {
                "on": violation.on.isoformat() if violation.on else None,
                "subject": violation.subject,
                "opens_on": violation.opens_on.isoformat() if violation.opens_on else None,
                "override": violation.override or None,
            },
        )
        for violation in broken
    ]


def gate_problems(
    answers: Iterable[facts.GateAnswer], session: object, names: Mapping[str, str] | None = None
) -> list[Problem]:
    """Return gates that are not open as problems about a session."""
    return [
        Problem(
            answer.code,
            _refused(answer, names),
            str(session),
            {
                "state": answer.state.value,
                "subject": answer.subject,
                "opens_on": answer.opens_on.isoformat() if answer.opens_on else None,
                "changes_on": [on.isoformat() for on in answer.changes_on],
                "override": answer.override or None,
            },
        )
        for answer in answers
    ]


def no_plan(stuck: explain.Unplannable, site: Site, ways: relax.WaysOut | None = None) -> list[Problem]:
    """Return why there is no plan: each session that has no time, by position; the one that got stuck with what helps.

    `ways` are the ways out, which are searched for when they are not given. A search that was broken off says so first.
    """
    ways = relax.ways_out(stuck) if ways is None else ways
    broken_off = (
        []
        if stuck.stuck.is_proven
        else [Problem("search_broken_off", str(NO_PLAN["search_broken_off"]), str(stuck.stuck.session.id))]
    )
    return broken_off + [
        _no_time(reason, stuck, ways if reason.session == stuck.stuck.session.id else None, site)
        for reason in stuck.reasons
        if reason.binding
    ]


def _no_time(reason: facts.Reason, stuck: explain.Unplannable, ways: relax.WaysOut | None, site: Site) -> Problem:
    why = _why(reason, stuck)
    wishes = stuck.chain.course.wishes
    relaxations = [_relaxation(one, stuck, site) for one in ways.found] if ways else []
    return Problem(
        reason.binding,
        " ".join([why, *(one["message"] for one in relaxations[:1])]),
        str(reason.session),
        {
            "position": reason.position,
            "reason": why,
            "first_on": reason.first_on.isoformat(),
            "last_on": reason.last_on.isoformat(),
            "removed": [
                {
                    "code": one.code,
                    "message": _of_rule(one.code, wishes),
                    "dates": one.dates,
                    "starts": one.starts,
                }
                for one in reason.removed
            ],
            "dates_left": reason.dates_left,
            "starts_left": reason.starts_left,
            "relaxations": relaxations,
            "is_smallest": ways.is_smallest if ways else True,
        },
    )


def _why(reason: facts.Reason, stuck: explain.Unplannable) -> str:
    """Return why a session has no time: the dates in question, and what stands against them; or why there is none."""
    said = {"number": reason.position, "first": day(reason.first_on), "last": day(reason.last_on)}
    if reason.first_on <= reason.last_on:
        return _("Session %(number)d, %(first)s to %(last)s: %(reason)s") % {
            **said,
            "reason": _of_rule(reason.binding, stuck.chain.course.wishes),
        }
    code = f"{reason.binding}_{reason.because}" if reason.because else reason.binding
    until = date.fromordinal(stuck.chain.last_day)
    if code == "beyond_horizon" and reason.first_on <= until:
        code = "too_few_dates"
    if reason.latest is not None:
        positions = {session.id: session.position for session in stuck.chain.course.sessions}
        said |= {"after": positions[reason.latest[0]], "latest": day(reason.latest[1])}
    return str(NO_DATE[code]) % {**said, "until": day(until)}


def _of_rule(code: str, wishes: facts.Wishes) -> str:
    """Return what a rule says of many dates at once."""
    if code == "wish_missed":
        plain = facts.Wishes(practitioner=wishes.practitioner, language=wishes.language, strict=wishes.strict)
        kinds = {"time": wishes != plain, "practitioner": wishes.practitioner, "language": wishes.language}
        if [bool(there) for there in kinds.values()].count(True) == 1:
            return str(next(WISHES_MISSED[kind] for kind, there in kinds.items() if there))
    return str(NO_PLAN.get(code, code))


def _relaxation(way: facts.Relaxation, stuck: explain.Unplannable, site: Site) -> dict[str, Any]:
    """Return what would have to be given up, and the whole course then, in words and as data."""
    positions = {session.id: session.position for session in stuck.chain.course.sessions}
    names = {resource.id: resource.name for resource in stuck.chain.given[0].resources}
    things = [_given_up(one, positions) for one in way.gives_up]
    sessions = []
    for planned in way.plan.sessions:
        slot = planned.slot
        starts_at = localtime.day_shape(slot.on, site.zone).starts_at + slot.tick * localtime.ONE_MINUTE
        sessions.append(
            {
                "session": str(slot.session),
                "position": positions[slot.session],
                "on": slot.on.isoformat(),
                "at": f"{localtime.wall(starts_at, site.zone):%H:%M}",
                "lead": names.get(slot.lead, ""),
                "is_booked": planned.pinned,
            }
        )
    times = [
        _("session %(number)d on %(day)s, %(at)s")
        % {"number": one["position"], "day": day(planned.slot.on), "at": one["at"]}
        for one, planned in zip(sessions, way.plan.sessions, strict=True)
    ]
    said = {"things": _(" and ").join(thing["message"] for thing in things), "times": "; ".join(times)}
    return {
        "gives_up": things,
        "message": _("There is a plan if %(things)s: %(times)s.") % said,
        "cost": way.plan.cost.total,
        "sessions": sessions,
    }


def _given_up(one: facts.GivenUp, positions: Mapping[UUID, int]) -> dict[str, Any]:
    number = positions[one.session] if one.session else None
    known = GIVEN_UP_FOR_ONE if one.session and one.code in GIVEN_UP_FOR_ONE else GIVEN_UP
    if one.code in known:
        text = str(known[one.code]) % {"number": number or 0, "days": one.days}
    else:  # a gate
        text = _("this is overridden for session %(number)d: %(rule)s") % {
            "number": number,
            "rule": sentence(one.code, subject=one.subject).rstrip("."),
        }
    if one.override:
        text = _("%(what)s (a %(role)s decides)") % {"what": text, "role": str(Role(one.override).label).lower()}
    return {
        "code": one.code,
        "message": text,
        "session": str(one.session) if one.session else None,
        "days": one.days,
        "subject": one.subject,
        "override": one.override or None,
    }


def day(on: date) -> str:
    """Return a date as people read it."""
    return formats.date_format(on, "D j F Y")
