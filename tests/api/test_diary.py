"""Days over the API: mine, and everybody's at a site."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.models import AccessEvent, Role
from scheduling.models import Appointment, Resource
from tests import build

from .conftest import ApiClinic, Door, refusal, visit_shown


def day_visit_shown(visit: Appointment, gates: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    course = visit.session.course
    return {
        **visit_shown(visit),
        "patient": {"uid": str(course.patient.uid), "name": course.patient.name, "born_on": "1980-05-17"},
        "protocol": course.version.protocol.name,
        "step": {
            "key": "treatment",
            "name": "Injection session",
            "kind": "treatment",
            "position": visit.session.position,
        },
        "areas": ["left_ankle"],
        "gates": gates,
        **changes,
    }


def site_shown(clinic: ApiClinic) -> dict[str, Any]:
    return {
        "uid": str(clinic.site.uid),
        "name": clinic.site.name,
        "zone": "Europe/London",
        "country": "GB",
        "today": "2027-01-04",
    }


def my_diary(clinic: ApiClinic, resource: Resource) -> Door:
    resource.user = build.user(Role.CLINICIAN, at=clinic.site)
    resource.save(update_fields=["user"])
    return Door(resource.user)


def test_my_day_shows_my_visits_with_what_keeps_each_from_beginning(clinic: ApiClinic):
    course = clinic.booked_course()
    first = build.visits_of(course)[0]
    door = my_diary(clinic, first.lead)
    clinic.answer_all(course, pregnancy="yes")

    answer = door.get("my-day/")

    question = course.version.risk_rules.get(question__code="pregnancy").question
    hold: dict[str, Any] = {
        "code": "course_on_hold",
        "state": "closed",
        "subject": "risk_pregnancy",
        "message": "The course is on hold.",
        "opens_on": None,
        "changes_on": [],
        "override": None,
    }
    risk = {
        **hold,
        "code": "risk_absolute",
        "subject": "pregnancy",
        "message": f"The answer to “{question.text}” rules this treatment out.",
        "override": None,
    }
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "practitioner": {"uid": str(first.lead.uid), "name": first.lead.name},
            "days": [{**site_shown(clinic), "on": "2027-01-04"}],
            "visits": [day_visit_shown(first, [risk, hold])],
        },
    )
    assert AccessEvent.objects.values_list("action", "subject", "patient_uids").get() == (
        "list",
        "scheduling.appointment",
        [str(course.patient.uid)],
    )


def test_my_day_includes_visits_in_which_i_take_part_without_leading_and_none_of_others(clinic: ApiClinic):
    course = clinic.booked_course()
    first = build.visits_of(course)[0]
    walkers = {use.resource for use in first.occupancies.filter(role="supervisor")}
    (taking_part,) = walkers
    (free,) = set(clinic.staff["supervisor"]) - walkers

    assert [one["uid"] for one in my_diary(clinic, taking_part).get("my-day/").json()["visits"]] == [str(first.uid)]
    assert my_diary(clinic, free).get("my-day/").json()["visits"] == []


def test_my_day_of_another_date_and_a_day_without_cancelled_visits(clinic: ApiClinic):
    course = clinic.booked_course()
    first, second, _third = build.visits_of(course)
    door = my_diary(clinic, second.lead)
    clinic.reception.post(f"appointments/{first.uid}/cancel/", {"reason": "patient_ill", "asked_by": "patient"})

    later = door.get("my-day/", on=second.on.isoformat()).json()

    assert [(one["uid"], one["on"]) for one in later["visits"]] == [(str(second.uid), "2027-02-01")]
    assert later["days"] == [{**site_shown(clinic), "on": "2027-02-01"}]
    assert clinic.reception.get(f"sites/{clinic.site.uid}/day/").json()["visits"] == []


def test_today_is_the_date_at_each_site(clinic: ApiClinic):
    """Late in the evening in London it is tomorrow in Auckland."""
    auckland = build.site("Karangahape Road", zone="Pacific/Auckland")
    door = my_diary(clinic, clinic.staff["injector"][0])
    assert door.user is not None
    door.user.roles.create(site=auckland, role=Role.CLINICIAN)
    clinic.now = clinic.now.replace(hour=20)

    days = door.get("my-day/").json()["days"]

    assert [(one["name"], one["on"]) for one in days] == sorted(
        [(clinic.site.name, "2027-01-04"), ("Karangahape Road", "2027-01-05")]
    )


def test_somebody_without_a_diary_is_told_so(clinic: ApiClinic):
    assert refusal(clinic.reception.get("my-day/")) == (409, "not_a_practitioner", [("not_a_practitioner", "")])


def test_a_sites_day_shows_everybodys_visits_and_mine_are_the_only_sites(clinic: ApiClinic):
    course = clinic.booked_course()
    first = build.visits_of(course)[0]
    build.site()
    door = clinic.reception

    answer = door.get(f"sites/{clinic.site.uid}/day/", on="2027-01-04")

    assert answer.json() == {
        "site": site_shown(clinic),
        "on": "2027-01-04",
        "visits": [day_visit_shown(first, [])],
    }
    assert door.get("sites/").json() == {"results": [site_shown(clinic)], "next": None}


def test_a_day_takes_the_same_number_of_queries_for_one_visit_and_for_many(clinic: ApiClinic):
    for _ in range(6):
        clinic.booked_course()
    busiest = "2027-01-04"
    many = Appointment.objects.filter(on=busiest).count()
    door = clinic.reception
    path = f"sites/{clinic.site.uid}/day/"

    with CaptureQueriesContext(
        connection,
    ) as for_many:
        shown = door.get(path, on=busiest).json()["visits"]
    keep = Appointment.objects.filter(on=busiest).order_by("pk")[0]
    for visit in Appointment.objects.live().filter(on=busiest).exclude(pk=keep.pk):
        door.post(f"appointments/{visit.uid}/cancel/", {"reason": "patient_ill", "asked_by": "patient"})
    with CaptureQueriesContext(connection) as for_one:
        assert len(door.get(path, on=busiest).json()["visits"]) == 1

    assert len(shown) == many > 3
    assert len(for_many) == len(for_one)
