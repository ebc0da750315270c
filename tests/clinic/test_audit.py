"""Who read what: one row for a request, which nothing changes any more."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.db import Error, connection, transaction
from django.http import HttpRequest
from django.test import RequestFactory
from rest_framework.request import Request

from clinic import audit
from clinic.models import AccessEvent, User

FIRST, SECOND = UUID(int=1), UUID(int=2)


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("ann@harbour.example", "correct horse battery staple", name="Ann")


def request_of(user: User | AnonymousUser, **meta: str) -> HttpRequest:
    request = RequestFactory().get("/", **meta)
    request.user = user
    return request


def rows() -> list[dict[str, Any]]:
    names = ("user", "action", "subject", "subject_uid", "patient_uids", "came_from", "door")
    return list(AccessEvent.objects.order_by("id").values(*names))


def test_a_request_leaves_one_row_with_everyone_it_showed(user, django_assert_num_queries):
    request = request_of(user, REMOTE_ADDR="198.51.100.7")

    with django_assert_num_queries(1):
        audit.record_read(
            request, action="list", subject="patients.Patient", patients=[SECOND, FIRST, SECOND], door="admin"
        )

    assert rows() == [
        {
            "user": user.pk,
            "action": "list",
            "subject": "patients.patient",
            "subject_uid": None,
            "patient_uids": [str(FIRST), str(SECOND)],
            "came_from": "198.51.100.7",
            "door": "admin",
        }
    ]


def test_an_api_request_a_command_and_a_patients_link_leave_their_rows(user):
    wrapped = Request(request_of(user, REMOTE_ADDR="::ffff:198.51.100.7"))
    wrapped.user = user
    audit.record_read(
        wrapped, action="view", subject="scheduling.course", subject_uid=FIRST, patients=[SECOND], door="api"
    )
    audit.record_read(user, action="export", subject="patients.patient", patients=[FIRST], door="command")
    audit.record_read(
        request_of(AnonymousUser(), REMOTE_ADDR="2001:db8::1"),
        action="view",
        subject="scheduling.appointment",
        door="page",
    )

    assert [(row["user"], row["action"], row["came_from"], row["door"], row["patient_uids"]) for row in rows()] == [
        (user.pk, "view", "198.51.100.7", "api", [str(SECOND)]),
        (user.pk, "export", None, "command", [str(FIRST)]),
        (None, "view", "2001:db8::1", "page", []),
    ]


@pytest.mark.parametrize(("action", "door"), [("peek", "admin"), ("view", "window")])
def test_an_unknown_action_or_door_is_a_mistake_of_the_caller(user, action, door):
    with pytest.raises(ValueError, match="no such action or door"):
        audit.record_read(user, action=action, subject="patients.patient", door=door)


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"REMOTE_ADDR": "198.51.100.7", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}, "198.51.100.7"),
        ({"REMOTE_ADDR": ""}, None),
        ({}, None),
        ({"REMOTE_ADDR": "fe80::1%eth0"}, "fe80::1"),
        ({"REMOTE_ADDR": "'; drop table"}, None),
    ],
)
def test_a_forwarded_address_counts_for_nothing_without_a_proxy_of_ours(meta, expected):
    assert audit.client_address(meta) == expected


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}, "203.0.113.9"),
        ({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "6.6.6.6, 203.0.113.9"}, "203.0.113.9"),
        ({"REMOTE_ADDR": "10.0.0.1"}, "10.0.0.1"),
        ({"REMOTE_ADDR": "", "HTTP_X_FORWARDED_FOR": "unknown"}, None),
    ],
)
def test_behind_a_proxy_only_what_the_proxy_added_counts(settings, meta, expected):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # BEHIND_PROXY=1

    assert audit.client_address(meta) == expected


@pytest.mark.parametrize(
    "change",
    [
        lambda row: AccessEvent.objects.filter(pk=row.pk).update(action="list"),
        lambda row: row.save(),
        lambda row: row.delete(),
        lambda row: AccessEvent.objects.all().delete(),
        lambda row: AccessEvent.objects.bulk_update([row], ["action"]),
        lambda row: connection.cursor().execute("update clinic_accessevent set door = 'api'"),
        lambda row: connection.cursor().execute("delete from clinic_accessevent"),
    ],
    ids=["update", "save", "delete", "delete_all", "bulk_update", "sql_update", "sql_delete"],
)
def test_a_row_is_never_changed_or_deleted(user, change):
    row = audit.record_read(user, action="view", subject="patients.patient", door="admin")
    before = rows()
    row.action = "list"

    with pytest.raises(Error, match="append_only"), transaction.atomic():
        change(row)

    assert rows() == before


def test_a_user_who_has_read_something_cannot_be_deleted(user):
    audit.record_read(user, action="view", subject="patients.patient", door="admin")

    with pytest.raises(Error), transaction.atomic():
        user.delete()


def test_history_notes_who_wrote(user):
    from patients import records

    now = user.joined_at
    with audit.written_by(user):
        patient = records.register(records.PatientDetails("Sørensen"), by=user, now=now)
    other = records.register(records.PatientDetails("Berg"), by=user, now=now)
    third = records.register(records.PatientDetails("Dahl"), by=None, now=now)

    events: Any = apps.get_model("patients", "PatientEvent")._default_manager
    assert [events.get(pgh_obj=one).pgh_context.metadata for one in (patient, other, third)] == [
        {"user": user.pk},
        {"user": user.pk},
        {},
    ]
