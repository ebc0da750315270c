"""Gates that are not open, in words: what is needed for a session, who does it and with which form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic.models import Role
from scheduling import roster, visits, wording
from scheduling.models import Course, Session
from scheduling.planner import facts
from scheduling.planner.gates import ASK_AGAIN, gate_answers


class Place(StrEnum):
    """Where a gate is opened, when no form of its own does it."""

    COURSE = "course"
    PATIENT = "patient"


@dataclass(frozen=True)
class Remedy:
    """The form that opens a gate, or the page where it is done; `right` is the act whose roles may, if another."""

    act: str = ""
    label: Any = ""
    right: str = ""
    place: Place | None = None

    @property
    def needs(self) -> str:
        """The act that a person must be allowed to be shown the way; empty: anyone at the front desk."""
        return self.right or self.act


_ASSESS = Remedy("assess", gettext_lazy("Record the assessment"))
_ASK = Remedy("answers", gettext_lazy("Ask the questions"))
_CONSENT = Remedy("consent", gettext_lazy("Record the consent"))
_OVERRIDE = Remedy("override", gettext_lazy("Override"))
_ON_PATIENT = Remedy(place=Place.PATIENT)
# Who does it is said by `wording.REMEDIES`. What only time opens has no remedy.
REMEDIES = {
    "assessment_missing": _ASSESS,
    "assessment_expired": _ASSESS,
    "assessment_unsuitable": _ASSESS,
    "reflux_not_checked": _ASSESS,
    "reflux_untreated": _ASSESS,
    "reflux_treated_recently": _ASSESS,
    "review_due": _ASSESS,
    "after_lapse": _ASSESS,
    "late_review": _ASSESS,
    **dict.fromkeys(ASK_AGAIN, _ASK),
    "risk_ask": Remedy("answers", gettext_lazy("Look at the answer"), right="review"),
    "risk_relative": _OVERRIDE,
    "before_minimum": _OVERRIDE,
    "too_near_other_treatment": _OVERRIDE,
    "consent_missing": _CONSENT,
    "consent_expired": _CONSENT,
    "consent_withdrawn": _CONSENT,
    "guardian_consent_missing": _CONSENT,
    "guardian_missing": _ON_PATIENT,
    "of_age_unknown": _ON_PATIENT,
    "birth_date_missing": _ON_PATIENT,
    "outcome_missing": Remedy(right="outcome", place=Place.COURSE),
    "outcome_awaited": Remedy(right="perform", place=Place.COURSE),
    "outcome_review": Remedy(right="clear", place=Place.COURSE),
    "late_repeat_step": Remedy(right="late", place=Place.COURSE),
    "late_restart": Remedy(right="late", place=Place.COURSE),
    "course_on_hold": Remedy(right="lift", place=Place.COURSE),
}
NO_REMEDY = Remedy()


@dataclass(frozen=True)
class GateLine:
    """One condition that is not open: what to say, who opens it and where, and who may override it."""

    code: str
    subject: str
    sentence: str
    is_pending: bool
    override: str
    who: str
    remedy: Remedy


@dataclass(frozen=True)
class GateGroup:
    """Conditions that one act opens, such as all health questions."""

    title: str
    lines: tuple[GateLine, ...]
    who: str
    remedy: Remedy
    sessions: tuple[int, ...]

    @property
    def code(self) -> str:
        return self.lines[0].code

    @property
    def is_pending(self) -> bool:
        return all(line.is_pending for line in self.lines)


def names_of(course: Course, sessions: Iterable[Session], as_it_stands: facts.CourseFacts) -> dict[str, str]:
    """Return words for what gates and rules speak about: questions, areas, steps, holds, people and rooms."""
    names = {session.step_key: session.step.name for session in sessions}
    names |= dict(course.version.risk_rules.values_list("question__code", "question__text"))
    names |= {area.code: area.name for area in course.areas.all()}
    names |= {hold.code: hold.reason for hold in as_it_stands.holds}
    return names


def gate_line(answer: facts.GateAnswer, names: Mapping[str, str]) -> GateLine:
    """Return a gate's answer in words."""
    sentence = wording.sentence(answer.code, subject=answer.subject, opens_on=answer.opens_on, names=names)
    if answer.code == "course_on_hold" and answer.subject in names:
        sentence = _("On hold: %(reason)s") % {"reason": names[answer.subject]}
    return GateLine(
        code=answer.code,
        subject=answer.subject,
        sentence=sentence,
        is_pending=answer.state is facts.GateState.PENDING,
        override=str(Role(answer.override).label) if answer.override else "",
        who=wording.remedy(answer.code),
        remedy=REMEDIES.get(answer.code, NO_REMEDY),
    )


def gate_lines(
    session: facts.SessionFacts, on: date, course: facts.CourseFacts, today: date, names: Mapping[str, str]
) -> list[GateLine]:
    return [gate_line(answer, names) for answer in gate_answers(session, on, course, today)]


def grouped(found: Iterable[tuple[GateLine, int]], *, with_order: bool = False) -> list[GateGroup]:
    """Return conditions once each, with the sessions' positions; together, what one person opens with one act.

    That a session waits for the one before it is the order of things, and nothing to do until it is its turn.
    """
    groups: dict[tuple[str, str], dict[tuple[str, str], GateLine]] = {}
    sessions: dict[tuple[str, str], set[int]] = {}
    for line, position in found:
        if line.code == "outcome_awaited" and not with_order:
            continue
        key = (line.remedy.act, line.who) if line.remedy.act else (line.code, line.subject)
        lines = groups.setdefault(key, {})
        known = lines.get((line.code, line.subject))
        if known is None or known.is_pending:
            lines[line.code, line.subject] = line
        sessions.setdefault(key, set()).add(position)
    return [
        GateGroup(
            _title_of(first.remedy, list(lines.values())),
            tuple(lines.values()),
            first.who,
            first.remedy,
            tuple(sorted(sessions[key])),
        )
        for key, lines in groups.items()
        for first in [next(iter(lines.values()))]
    ]


def _title_of(remedy: Remedy, lines: list[GateLine]) -> str:
    if len(lines) == 1:
        return lines[0].sentence
    if remedy == _ASK:
        questions = {line.subject for line in lines}
        if all(line.is_pending for line in lines):
            return _("%(count)d health questions fall due again before the visit.") % {"count": len(questions)}
        return _("%(count)d health questions are to be asked.") % {"count": len(questions)}
    if remedy == _ASSESS:
        return _("A clinician has to assess the patient.")
    return _("%(count)d conditions are not open.") % {"count": len(lines)}


def shut_at_check_in(session: Session, on: date) -> list[GateGroup]:
    """Return what keeps a visit from beginning on that date, but questions to ask and holds: they have their place."""
    names, elsewhere = roster.subjects(), (*ASK_AGAIN, "course_on_hold")
    answers = visits.gates_at_check_in(session.course, session, on)
    lines = (gate_line(answer, names) for answer in answers if answer.code not in elsewhere)
    return grouped(((line, session.position) for line in lines), with_order=True)


def missing_in_words(visit: Any, answers: Iterable[facts.GateAnswer], names: Mapping[str, str]) -> list[str]:
    """Return in short sentences what would keep a visit from beginning; its course comes with `standing` holds."""
    known = {**names, **{hold.code: hold.reason for hold in visit.session.course.standing}}
    groups = grouped((gate_line(answer, known), visit.session.position) for answer in answers)
    return [group.title for group in groups]
