"""All that facts of courses are made of, in one statement: each course with its sessions, visits and records.

Rows come as JSON, so that what hangs together is read together; `courses` makes facts of them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from .asking import LIVE_STATES, ask, minutes_of

Json = Any

# OFFSET 0 keeps rows that belong to others from being joined the other way round, from every row there is.
SESSIONS = f"""
    SELECT json_agg(json_build_object(
        'id', s.id, 'uid', s.uid, 'position', s.position, 'step_key', s.step_key, 'version', t.version_id,
        'state', s.state, 'performed_on', s.performed_on, 'counts', s.counts, 'counts_reason', s.counts_reason,
        'late_action', s.late_action, 'result', o.result, 'is_cleared', o.cleared_at IS NOT NULL,
        'areas', CASE WHEN s.performed_on IS NULL
            THEN ARRAY(SELECT a.code FROM scheduling_session_planned_areas p JOIN patients_area a ON a.id = p.area_id
                       WHERE p.session_id = s.id)
            ELSE ARRAY(SELECT a.code FROM scheduling_session_treated_areas p JOIN patients_area a ON a.id = p.area_id
                       WHERE p.session_id = s.id) END,
        'booked', (
            SELECT json_build_object(
                'on', v."on", 'zone', v.zone, 'minutes', v.minutes, 'lead', r.uid,
                'is_confirmed', v.confirmed_at IS NOT NULL, 'begins', {minutes_of("lower(v.during)")},
                'uses', (
                    SELECT json_agg(json_build_array(
                        taken.phase, taken.role, used.uid, taken.place,
                        {minutes_of("lower(taken.during)")}, {minutes_of("upper(taken.during)")}
                        ) ORDER BY taken.phase, taken.id)
                    FROM scheduling_occupancy taken JOIN scheduling_resource used ON used.id = taken.resource_id
                    WHERE taken.appointment_id = v.id AND taken.released_at IS NULL))
            FROM scheduling_appointment v JOIN scheduling_resource r ON r.id = v.lead_id
            WHERE v.session_id = s.id AND v.state IN {LIVE_STATES})
        ) ORDER BY s.position)
    FROM scheduling_session s
    JOIN scheduling_step t ON t.id = s.step_id
    LEFT JOIN scheduling_outcome o ON o.session_id = s.id
    WHERE s.course_id = c.id
"""  # noqa: S608
PEOPLE = """
    SELECT json_build_array(
        patient.uid, patient.deceased_on, patient.merged_into_id IS NOT NULL, patient.born_on, lead.uid, wished.uid)
    FROM patients_patient patient
    LEFT JOIN scheduling_resource lead ON lead.id = c.lead_id
    LEFT JOIN scheduling_resource wished ON wished.id = c.wish_practitioner_id
    WHERE patient.id = c.patient_id
"""
ANSWERS = """
    SELECT json_agg(json_build_array(newest.code, newest.value, newest.given_on, newest.reviewed_at IS NOT NULL))
    FROM (SELECT DISTINCT ON (a.question_id) q.code, a.value, a.given_on, a.reviewed_at
          FROM patients_answer a JOIN patients_question q ON q.id = a.question_id
          WHERE a.patient_id = c.patient_id AND a.error_at IS NULL
          ORDER BY a.question_id, a.given_on DESC, a.recorded_at DESC, a.id DESC) newest
"""
ASSESSMENT = """
    SELECT json_build_array(a.assessed_on, a.is_suitable, a.reflux, a.reflux_clear_on, a.expires_on)
    FROM scheduling_assessment a
    WHERE a.patient_id = c.patient_id AND a.protocol_id = version.protocol_id AND a.error_at IS NULL
    ORDER BY a.assessed_on DESC, a.id DESC LIMIT 1
"""
CONSENTS = """
    SELECT json_agg(json_build_array(
        newest.session_id, newest.informed_on, newest.signed_on, newest.withdrawn_on, newest.expires_on,
        newest.given_by_guardian_id IS NOT NULL))
    FROM (SELECT DISTINCT ON (session_id) * FROM scheduling_consent
          WHERE course_id = c.id ORDER BY session_id, informed_on DESC, id DESC) newest
"""
GUARDIANS = """
    SELECT json_agg(json_build_array(from_on, until_on) ORDER BY id)
    FROM patients_guardian WHERE patient_id = c.patient_id
"""
HOLDS = """
    SELECT json_agg(json_build_array(code, reason, lifted_by_role) ORDER BY id)
    FROM scheduling_hold WHERE course_id = c.id AND lifted_at IS NULL
"""
EVENTS = "SELECT json_object_agg(key, happened_on) FROM scheduling_namedevent WHERE course_id = c.id"
OVERRIDES = """
    SELECT json_agg(json_build_array(o.rule, s.uid, o.expires_on, o.subject) ORDER BY o.id)
    FROM scheduling_override o LEFT JOIN scheduling_session s ON s.id = o.session_id
    WHERE o.course_id = c.id AND o.revoked_at IS NULL
"""
# What its step's gates `apart` take comes along: it keeps away from us, so we do from it.
ELSEWHERE = f"""
    SELECT json_agg(json_build_array(
        protocol.key, treatment."on", treatment.is_performed, treatment.areas,
        ARRAY(SELECT g.parameters FROM scheduling_stepgate g
              WHERE g.step_id = treatment.step_id AND g.name = 'apart' ORDER BY g.id)
        ) ORDER BY treatment."on", treatment.id)
    FROM (
        SELECT s.id, s.course_id, s.step_id, s.performed_on AS "on", true AS is_performed,
               ARRAY(SELECT a.code FROM scheduling_session_treated_areas p JOIN patients_area a ON a.id = p.area_id
                     WHERE p.session_id = s.id) AS areas
        FROM scheduling_course other
        CROSS JOIN LATERAL (SELECT * FROM scheduling_session WHERE course_id = other.id OFFSET 0) s
        WHERE other.patient_id = c.patient_id AND other.id <> c.id AND s.performed_on IS NOT NULL
      UNION ALL
        SELECT s.id, s.course_id, s.step_id, v."on", false,
               ARRAY(SELECT a.code FROM scheduling_session_planned_areas p JOIN patients_area a ON a.id = p.area_id
                     WHERE p.session_id = s.id)
        FROM scheduling_appointment v
        CROSS JOIN LATERAL (SELECT * FROM scheduling_session WHERE id = v.session_id OFFSET 0) s
        WHERE v.patient_id = c.patient_id AND v.state IN {LIVE_STATES} AND s.course_id <> c.id
    ) treatment
    JOIN scheduling_step step ON step.id = treatment.step_id AND step.kind = 'treatment'
    JOIN scheduling_course other ON other.id = treatment.course_id
    JOIN scheduling_protocolversion version ON version.id = other.version_id
    JOIN scheduling_protocol protocol ON protocol.id = version.protocol_id
"""  # noqa: S608
EVERYTHING = f"""
    SELECT c.id, ({PEOPLE}), ({SESSIONS}), ({ANSWERS}), ({ASSESSMENT}), ({CONSENTS}), ({GUARDIANS}),
           ({HOLDS}), ({EVENTS}), ({OVERRIDES}), ({ELSEWHERE})
    FROM scheduling_course c JOIN scheduling_protocolversion version ON version.id = c.version_id
    WHERE c.id = ANY (%(courses)s::bigint[])
"""  # noqa: S608  (put together from statements of our own)
HISTORY = f"SELECT ({SESSIONS}), ({EVENTS}) FROM scheduling_course c WHERE c.id = %(course)s::bigint"  # noqa: S608


class CourseRows(NamedTuple):
    """What is stored of a course; where there is nothing, None."""

    people: Json  # the patient, the lead and the wished practitioner
    sessions: list[Json] | None
    answers: list[Json] | None
    assessment: Json | None
    consents: list[Json] | None
    guardians: list[Json] | None
    holds: list[Json] | None
    events: dict[str, str] | None
    overrides: list[Json] | None
    elsewhere: list[Json] | None


def rows_of(courses: Collection[int]) -> dict[int, CourseRows]:
    """Return what is stored of courses, by primary key."""
    return {pk: CourseRows(*found) for pk, *found in ask(EVERYTHING, {"courses": list(courses)})} if courses else {}


def history_of(course: int) -> tuple[list[Json] | None, dict[str, str] | None]:
    """Return the sessions of a course and its events."""
    ((sessions, events),) = ask(HISTORY, {"course": course})
    return sessions, events
