"""A time falls free, and the waiting list is asked one after the other; hours change, and visits are no longer covered.

Told to the running service: its beat and workers, HTTP, and a mail server. Each kind of tick is left to beat once, in
the first story; where that is shown, the bell is rung as beat does, so that nobody waits for what is not told.
"""

from __future__ import annotations

import uuid
from typing import Any

from tests.processes import eventually
from tests.service import BEAT_SECONDS, MAIL_SECONDS

from .telling import NUMBERS, Told, says_nothing_clinical, service, told, words_of

__all__ = ["service", "told"]

OFFER_SECONDS = BEAT_SECONDS + MAIL_SECONDS
MINUTE_SECONDS = 60 + MAIL_SECONDS  # beat asks each minute what is to be examined


def booked_in(days: int, clinic: Any, service: Any) -> Told:
    """A patient whose first visit is so many days ahead, and who could by now come at any time."""
    one = Told(service, clinic)
    one.begin()
    one.clear()
    booked = one.book(one.plan_after(days), str(uuid.uuid4()))
    assert booked.status == 201, booked
    assert one.reception.post(f"courses/{one.course}/wishes/", {}).status == 200
    return one


def work(one: Told, kind: str) -> list[dict[str, Any]]:
    listings = one.reception.get("worklist/").body["results"]
    rows: list[dict[str, Any]] = next((found["rows"] for found in listings if found["kind"] == kind), [])
    return rows


def test_a_cancelled_visit_is_offered_declined_offered_to_the_next_and_accepted(service):
    clinic = service.furnish("a_clinic", name=f"Story {next(NUMBERS)}")
    ana, ben, cleo = (booked_in(days, clinic, service) for days in (5, 15, 20))
    for one in (ben, cleo):
        waits = one.reception.post(f"sessions/{one.session(1)['uid']}/wait/", {"notice_hours": 12})
        assert waits.status == 201, waits
    mails = {one.address: len(service.post.mails_to(one.address)) for one in (ben, cleo)}
    service.ring()
    eventually(
        lambda: all(service.post.mails_to(one.address) for one in (ana, ben, cleo)), MAIL_SECONDS, "all is confirmed"
    )
    mails = {one.address: len(service.post.mails_to(one.address)) for one in (ben, cleo)}

    # Ana cannot come. Nobody waits for a search: the answer is there at once, and the offer some seconds later.
    visit = ana.session(1)["appointment"]
    cancelled = ana.reception.post(
        f"appointments/{visit['uid']}/cancel/", {"reason": "patient_busy", "asked_by": "patient"}
    )
    assert cancelled.status == 200, cancelled

    # By beat alone. Cleo, who has the later visit, gains more: she gets a mail, and the desk a line to call her.
    mail = service.post.next_mail_to(cleo.address, after=mails[cleo.address], seconds=OFFER_SECONDS)
    assert visit["at"] in words_of(mail)
    assert "keeping it for you until" in words_of(mail)
    assert says_nothing_clinical(mail)
    (line,) = [row for row in work(cleo, "offers") if row["course"] == cleo.course]
    assert (line["type"], line["patient"]["uid"], line["on"]) == ("offer", cleo.patient, visit["on"])
    offer = cleo.reception.get(f"offers/{line['uid']}/").body
    assert (offer["on"], offer["at"], offer["ended_as"]) == (visit["on"], visit["at"], "")

    # While it is kept for her it is nobody else's: not even Ana's, who can come after all.
    times = ana.reception.get(f"sessions/{ana.session(1)['uid']}/free-times/?from={visit['on']}&until={visit['on']}")
    leads = [(one["slot"]["at"], one["lead"]["uid"]) for one in times.body["results"]]
    assert (visit["at"], visit["lead"]["uid"]) not in leads

    # She does not want it. It goes to Ben, who does; his visit moves, under the same identity.
    declined = cleo.reception.post(f"offers/{offer['uid']}/decline/")
    assert (declined.status, declined.body["ended_as"]) == (200, "declined")
    is_offered(ben, service)
    service.ring()
    mail = service.post.next_mail_to(ben.address, after=mails[ben.address], seconds=OFFER_SECONDS)
    assert visit["at"] in words_of(mail)
    (line,) = [row for row in work(ben, "offers") if row["course"] == ben.course]
    before = ben.session(1)["appointment"]
    accepted = ben.reception.post(f"offers/{line['uid']}/accept/")
    assert accepted.status == 200, accepted
    after = accepted.body["appointment"]
    assert (after["uid"], after["revision"]) == (before["uid"], before["revision"] + 1)
    assert (after["on"], after["at"], after["lead"]) == (visit["on"], visit["at"], visit["lead"])
    assert ben.session(1)["waiting"] is None

    # A second click finds the offer over. Ben is told by mail, as of any move.
    again = ben.reception.post(f"offers/{line['uid']}/accept/")
    assert (again.status, again.body["code"], again.codes) == (409, "offer_over", ["offer_accepted"])
    service.let_the_grace_pass()
    service.ring()
    changed = service.post.next_mail_to(ben.address, after=mails[ben.address] + 1, seconds=OFFER_SECONDS)
    assert str(changed["Subject"]).startswith("New time")

    # What Ben had is free now, and Cleo, who still waits, is asked again: not for Ana's time, but for Ben's.
    is_offered(cleo, service)
    (line,) = work(cleo, "offers")
    offer = cleo.reception.get(f"offers/{line['uid']}/").body
    assert (offer["on"], offer["at"]) == (before["on"], before["at"])
    assert cleo.session(1)["waiting"]["offer"]["uid"] == offer["uid"]

    # Nobody answers. Two hours later (in the morning, where it was evening) the time is free, and she still waits.
    service.change(
        "UPDATE scheduling_reservation SET created_at = created_at - (expires_at - now()), expires_at = now()"
        " WHERE released_at IS NULL"
    )
    service.change("UPDATE scheduling_freedtime SET look_at = now() WHERE closed_at IS NULL")
    service.ring("offer_freed_times")
    eventually(lambda: not work(cleo, "offers"), OFFER_SECONDS, "the offer is over")
    over = f"offers/{offer['uid']}/"
    eventually(
        lambda: cleo.reception.get(over).body["ended_as"] == "expired", OFFER_SECONDS, "it is noted as not answered"
    )
    assert cleo.session(1)["waiting"]["offer"] is None

    # Meanwhile beat has had the new site looked at, as it does each minute where a night is not looked at yet.
    looked_at = (
        "SELECT 1 FROM scheduling_examination e JOIN clinic_site s ON s.id = e.site_id"
        " WHERE s.uid = %s AND e.reason = 'nightly' AND e.finished_at IS NOT NULL"
    )
    eventually(lambda: service.rows(looked_at, clinic.site), MINUTE_SECONDS, "beat has the site looked at")


def is_offered(one: Told, service: Any) -> None:
    service.ring("offer_freed_times")
    eventually(lambda: any(row["course"] == one.course for row in work(one, "offers")), OFFER_SECONDS, "it is offered")


def test_visits_of_somebody_whose_hours_have_changed_are_on_the_worklist_with_a_proposal(service, told):
    told.begin()
    told.clear()
    booked = told.book(told.plan_after(10), str(uuid.uuid4())).body["appointments"]

    # A manager takes away the hours of whoever leads these visits, on their weekdays. The other practitioner stays.
    gone = service.furnish("nobody_on_the_days_of", course=told.course)
    assert gone.visits == [visit["on"] for visit in booked]

    # Within a minute, or at the latest the next morning, the desk sees which visits cannot stay, and where to.
    service.ring("examine")
    eventually(lambda: len(work(told, "uncovered")) == 3, MINUTE_SECONDS, "the visits are found")
    rows = work(told, "uncovered")
    assert [(row["type"], row["uid"], row["on"]) for row in rows] == [
        ("appointment", visit["uid"], visit["on"]) for visit in booked
    ]
    (proposal,) = [row for row in work(told, "proposals") if row["course"] == told.course]
    shown = told.reception.get(f"proposals/{proposal['uid']}/").body
    assert shown["reason"] in ("hours", "nightly")  # the first night of a new site is examined at once
    assert [{why["code"] for why in move["why"]} for move in shown["moves"]] == [{"off_duty"}] * 3

    applied = told.reception.post(f"proposals/{proposal['uid']}/apply/")
    assert applied.status == 200, applied
    assert work(told, "uncovered") == []


def test_what_happened_in_no_act_is_found_in_the_night(service, told):
    """Somebody shut the site by hand, past every act. The next morning it is on the worklist."""
    told.begin()
    told.clear()
    booked = told.book(told.plan_after(10), str(uuid.uuid4())).body["appointments"]
    service.change(
        "INSERT INTO scheduling_closure (uid, site_id, first_on, last_on, name, source, recorded_at)"
        " SELECT gen_random_uuid(), id, %s, %s, 'Flooded', 'clinic', now() FROM clinic_site WHERE uid = %s",
        booked[1]["on"],
        booked[1]["on"],
        told.clinic.site,
    )
    assert work(told, "uncovered") == []

    service.let_days_pass(1, told.clinic.zone)
    service.ring("examine")

    eventually(lambda: len(work(told, "uncovered")) == 1, MINUTE_SECONDS, "the visit is found")
    assert work(told, "uncovered")[0]["uid"] == booked[1]["uid"]
