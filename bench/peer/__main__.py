"""`python -m bench.peer`: fill django-appointment with a clinic and answer about its free times, in lines of JSON.

Asked {"clinic"}, with a clinic of `bench.instances` that works one stretch a day, it answers {"django", "psycopg"}.
Asked {"how", "days", "staff", "treatment", "count"} it answers {"seconds", "times", "statements"}: by its
service layer ("service"), or by its view ("view"). Times are [date, minute, practitioner]; statements are counted if
asked for, since that takes time.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import sys
import time
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

import django

AJAX = {"host": "127.0.0.1", "x-requested-with": "XMLHttpRequest"}


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # the peer's own log goes to what it finds here
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.peer.settings"
    logging.disable(logging.WARNING)
    django.setup()
    peer = Peer()
    for line in sys.stdin:
        asked = json.loads(line)
        answer = peer.fill(asked["clinic"]) if "clinic" in asked else peer.answer(**asked)
        print(json.dumps(answer), file=answers, flush=True)


class Peer:
    def fill(self, clinic: dict[str, Any]) -> dict[str, str]:
        import psycopg
        from appointment import models
        from django.contrib.auth.models import User
        from django.core.management import call_command
        from django.db import connection
        from django.test import Client

        call_command("migrate", verbosity=0)
        call_command("migrate", run_syncdb=True, verbosity=0)  # it ships no migrations, and its tables need Django's
        models.Config(slot_duration=clinic["grid"], appointment_buffer_time=0).save()
        self.services = [
            models.Service.objects.create(name=one["name"], duration=timedelta(minutes=one["minutes"]), price=0)
            for one in clinic["treatments"]
        ]
        self.staff = []
        for one in clinic["practitioners"]:
            user = User.objects.create(username=f"p{one['id']}", first_name="Person", last_name=str(one["id"]))
            member = models.StaffMember.objects.create(user=user)
            member.services_offered.set(self.services[number] for number in one["skills"])
            for weekday, [(begins, ends)] in one["hours"].items():
                models.WorkingHours.objects.create(
                    staff_member=member,
                    day_of_week=(int(weekday) + 1) % 7,  # Sunday is its first
                    start_time=_time(begins),
                    end_time=_time(ends),
                )
            self.staff.append(member)
        self.start = date.fromisoformat(clinic["start"])
        requests = models.AppointmentRequest.objects.bulk_create(
            models.AppointmentRequest(
                date=self.start + timedelta(days=day),
                start_time=_time(begins),
                end_time=_time(ends),
                service=self.services[treatment],
                staff_member=self.staff[practitioner],
                id_request=f"r{number}",
            )
            for number, (practitioner, _room, day, begins, ends, treatment) in enumerate(clinic["bookings"])
        )
        models.Appointment.objects.bulk_create(
            models.Appointment(appointment_request=one, id_request=f"a{one.id_request}", amount_to_pay=0)
            for one in requests
        )
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
        self.client = Client(headers=AJAX)
        gc.collect()
        gc.freeze()
        return {"django": django.get_version(), "psycopg": psycopg.__version__}

    def answer(self, *, how: str, days: int, staff: list[int], treatment: int, count: bool) -> dict[str, Any]:
        from django.db import connection

        asked = [(self.start + timedelta(days=day), number) for day in range(days) for number in staff]
        ask = self._by_service if how == "service" else self._by_view
        sent: list[str] = []
        with connection.execute_wrapper(partial(_note, sent)) if count else contextlib.nullcontext():
            begun = time.perf_counter()
            found = ask(asked, treatment)
            seconds = time.perf_counter() - begun
        times = [[str(at.date()), at.hour * 60 + at.minute, number] for at, number in found]
        return {"seconds": seconds, "times": times, "statements": len(sent)}

    def _by_service(self, asked: list[tuple[date, int]], treatment: int) -> list[tuple[datetime, int]]:
        """What its view asks of its services, for each day and member of staff."""
        from appointment.services import get_available_slots_for_staff

        return [
            (at, number)
            for on, number in asked
            for at in get_available_slots_for_staff(
                on, self.staff[number], on.isoweekday() % 7, service=self.services[treatment]
            )
        ]

    def _by_view(self, asked: list[tuple[date, int]], treatment: int) -> list[tuple[datetime, int]]:
        found = []
        for on, number in asked:
            given = {
                "selected_date": on.isoformat(),
                "staff_member": self.staff[number].pk,
                "service_id": self.services[treatment].pk,
            }
            shown = self.client.get("/appointment/ajax/available_slots/", given).json()
            found += [(datetime.fromisoformat(at), number) for at, _as_words in shown["available_slots"]]
        return found


def _note(sent: list[str], execute: Any, statement: str, *how: Any) -> Any:
    sent.append(statement)
    return execute(statement, *how)


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


if __name__ == "__main__":
    main()
