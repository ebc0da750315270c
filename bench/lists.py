"""Lists of fifty against bare psycopg and json of the same rows, in process, with all middleware."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from django.db import connection
from django.test import Client
from django.urls import reverse

from .measure import Figure, Goal, Run, in_turn, statements
from .people import VISITS_A_DAY, Desk

DAY = """
    SELECT a.uid, a.on, a.at_time, a.zone, a.minutes, a.state, lower(a.during), upper(a.during), p.uid, p.given_name,
           p.family_name, p.born_on, r.uid, r.name, s.uid, s.position, t.key, t.name, t.kind, pr.name, c.uid
    FROM scheduling_appointment a
    JOIN patients_patient p ON p.id = a.patient_id
    JOIN scheduling_resource r ON r.id = a.lead_id
    JOIN scheduling_session s ON s.id = a.session_id
    JOIN scheduling_step t ON t.id = s.step_id
    JOIN scheduling_course c ON c.id = s.course_id
    JOIN scheduling_protocolversion v ON v.id = c.version_id
    JOIN scheduling_protocol pr ON pr.id = v.protocol_id
    WHERE a.site_id = %s AND a.on = %s AND a.state <> 'cancelled'
    ORDER BY lower(a.during), a.id
"""
PATIENTS = """
    SELECT uid, given_name, family_name, born_on, email, mail_state, language, registered_at
    FROM patients_patient ORDER BY search_name, id LIMIT %s
"""


def figures(desk: Desk, busy_on: date, quiet_on: date) -> Iterator[Figure]:
    """`busy_on` has fifty visits, `quiet_on` one."""
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(desk.receptionist)
    day, patients = f"/api/v1/sites/{desk.site.uid}/day/", reverse("admin:patients_patient_changelist")

    def get(path: str, **query: str) -> Callable[[None], Any]:
        def ask(_: None) -> Any:
            answer = client.get(path, query)
            assert answer.status_code == 200, answer.content[:300]
            return answer

        return ask

    busy, quiet = get(day, on=busy_on.isoformat()), get(day, on=quiet_on.isoformat())
    assert [len(ask(None).json()["visits"]) for ask in (busy, quiet)] == [VISITS_A_DAY, 1]
    yield _figure(
        f"API, a site's day of {VISITS_A_DAY} visits (bare: psycopg and json)",
        busy,
        lambda _: _bare(DAY, desk.site.pk, busy_on),
        quiet,
        goal=Goal(1 / 0.45, name="(G13)"),
    )
    page = reverse("admin:scheduling_appointment_day")
    yield _figure(
        f"admin, a site's day of {VISITS_A_DAY} visits (bare: psycopg and json)",
        get(page, on=busy_on.isoformat()),
        lambda _: _bare(DAY, desk.site.pk, busy_on),
        get(page, on=quiet_on.isoformat()),
    )
    yield _figure(
        "admin, list of patients (bare: psycopg and json)",
        get(patients),
        lambda _: _bare(PATIENTS, VISITS_A_DAY),
        get(patients, q="Sørensen 7"),
    )


def _figure(
    name: str,
    ours: Callable[[None], Any],
    reference: Callable[[None], Any],
    short: Callable[[None], Any],
    goal: Goal | None = None,
) -> Figure:
    bare, taken = in_turn(Run(reference), Run(ours))
    asked = f"{statements(Run(short))} for 1 row, {statements(Run(ours))} for {VISITS_A_DAY}"
    return Figure(name, 1000 * taken, 1000 * bare, goal=goal, statements=asked)


def _bare(statement: str, *parameters: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return json.dumps(cursor.fetchall(), default=str)
