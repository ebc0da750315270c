"""Check-in over the API: what keeps a visit from beginning, at every door."""

from __future__ import annotations

from tests import build

from .conftest import ApiClinic, gate, refusal


def test_a_visit_too_soon_after_the_last_session_does_not_begin_at_any_door(clinic: ApiClinic):
    course = clinic.booked_course()
    first, second, third = build.sessions_of(course)
    clinic.perform(first)
    clinic.wait(days=53)
    clinic.perform(second)
    (visit,) = build.visits_of(course)
    clinic.wait(days=3)
    clinic.answer_all(course)
    address = f"sessions/{third.uid}/check-in/"

    form, done = clinic.reception.get(address).json(), clinic.reception.post(address, {"answers": []}).json()
    arrived = clinic.reception.post(f"appointments/{visit.uid}/arrive/")
    (of_the_day,) = clinic.reception.get(f"sites/{clinic.site.uid}/day/").json()["visits"]
    work = {one["kind"]: one["rows"] for one in clinic.reception.get("worklist/").json()["results"]}

    too_soon = "This is sooner than the session may ever take place. Possible from Fri 5 March 2027."
    early = "This is earlier than the protocol allows. Possible from Fri 26 March 2027."
    ask = "Only a prescriber may override this."
    expected = [
        gate("before_floor", message=too_soon) | {"opens_on": "2027-03-05"},
        gate("before_minimum", message=f"{early} {ask}") | {"opens_on": "2027-03-26", "override": "prescriber"},
    ]
    assert (form["gates"], of_the_day["gates"]) == (expected, expected)
    assert [row["uid"] for row in work["not_ready"]] == [str(visit.uid)]
    assert (done["admitted"], done["appointment"]["state"]) == (False, "booked")
    assert [one["code"] for one in done["problems"]] == ["before_floor", "before_minimum"]
    broken = [("before_floor", str(third.uid)), ("before_minimum", str(third.uid))]
    assert refusal(arrived) == (409, "gate_not_open", broken)
