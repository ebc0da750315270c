"""Every refusal has one shape: RFC 9457 with a code and every violation."""

from __future__ import annotations

import json
import uuid

import pytest
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.urls import handler400, handler403, handler404, handler500
from clinic.urls import urlpatterns as clinic_urls
from scheduling.api.strict import Strict

from .conftest import ApiClinic, Door, refusal

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]  # what Django reads of this module


class Broken(Strict):
    permission_classes = []

    def get(self, request: Request) -> Response:
        raise RuntimeError("Maria Sørensen, born 1980-05-17")


# This module doubles as a URL configuration with one broken view.
urlpatterns = [path("api/v1/broken/", Broken.as_view()), *clinic_urls]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"nonsense",
        b'{"words": NaN}',
        b'{"words": "a", "words": "b"}',
        b'{"words": "\xff"}',
        b'{"words": "\\ud800"}',
        b"[" * 100_000,
        b'{"words": ' + b"9" * 5000 + b"}",
    ],
    ids=["cut", "empty", "word", "nan", "key twice", "no utf-8", "half a character", "too deep", "too long a number"],
)
def test_a_malformed_body_is_refused_as_malformed_json(clinic: ApiClinic, body: bytes):
    door = clinic.reception

    answer = door.client.post(
        "/api/v1/patients/search/", body, "application/json", headers={"Authorization": f"Token {door.token}"}
    )

    if body == b"":  # nothing was sent: that is an empty input, not a malformed one
        assert refusal(answer) == (400, "invalid_input", [("required", "words")])
    else:
        assert refusal(answer) == (400, "malformed_json", [("malformed_json", "")])


def test_every_field_that_is_out_of_shape_is_named(clinic: ApiClinic):
    answer = clinic.reception.post(
        "courses/",
        {
            "patient": "12",
            "protocol": 7,
            "areas": [1, "left_thigh"],
            "wishes": {"weekdays": [0, 7, "1"], "strict": "yes", "from_time": "9:00", "avoid_dates": ["2027-1-5"]},
            "surprise": True,
        },
    )

    assert refusal(answer) == (
        400,
        "invalid_input",
        [
            ("unknown_field", "surprise"),
            ("invalid", "patient"),
            ("invalid", "protocol"),
            ("required", "site"),
            ("invalid", "areas.0"),
            ("max_value", "wishes.weekdays.1"),
            ("invalid", "wishes.weekdays.2"),
            ("invalid", "wishes.from_time"),
            ("invalid", "wishes.avoid_dates.0"),
            ("invalid", "wishes.strict"),
        ],
    )


@pytest.mark.parametrize("body", [[], "text", 7, None, [{"words": "maria"}]])
def test_a_body_that_is_no_object_is_refused(clinic: ApiClinic, body: object):
    answer = clinic.reception.client.post(
        "/api/v1/patients/search/",
        json.dumps(body),
        "application/json",
        headers={"Authorization": f"Token {clinic.reception.token}"},
    )

    assert refusal(answer)[:2] == (400, "invalid_input")


@pytest.mark.parametrize(
    ("on", "code"),
    [
        ("2027-1-5", "invalid"),
        ("20270105", "invalid"),
        ("2027-W01-2", "invalid"),
        ("2027-02-29", "invalid"),
        ("05/01/2027", "invalid"),
        ("9999-12-31", "out_of_range"),
        ("0001-01-01", "out_of_range"),
        ("٢٠٢٧-٠١-٠٥", "invalid"),
    ],
)
def test_a_date_is_written_in_one_way_only(clinic: ApiClinic, on: str, code: str):
    answer = clinic.reception.get(f"sites/{clinic.site.uid}/day/", on=on)

    assert refusal(answer) == (400, "invalid_input", [(code, "on")])


def test_an_unknown_query_parameter_and_one_given_twice_are_refused(clinic: ApiClinic):
    door = clinic.reception

    assert refusal(door.get("my-day/", day="2027-01-05"))[2] == [("unknown_field", "day")]
    assert refusal(door.get("my-day/", on=["2027-01-05", "2027-01-06"]))[2] == [("given_twice", "on")]


def test_other_media_types_methods_and_addresses_are_refused_in_the_same_shape(clinic: ApiClinic):
    door = clinic.reception
    headers = {"Authorization": f"Token {door.token}"}
    form = door.client.post("/api/v1/patients/search/", {"words": "maria"}, headers=headers)

    assert refusal(form) == (415, "unsupported_media_type", [("unsupported_media_type", "")])
    assert refusal(door.client.put("/api/v1/me/", headers=headers)) == (
        405,
        "method_not_allowed",
        [("method_not_allowed", "")],
    )
    assert refusal(door.client.options("/api/v1/me/", headers=headers))[:2] == (405, "method_not_allowed")
    assert refusal(door.get("me/", {"Accept": "text/html"}))[:2] == (406, "not_acceptable")
    assert refusal(door.get("nowhere/"))[:2] == (404, "not_found")
    assert refusal(door.get("me"))[:2] == (404, "not_found")
    assert refusal(door.get("courses/17/"))[:2] == (404, "not_found")
    assert refusal(door.get(f"courses/{uuid.uuid4()}/")) == (404, "not_found", [("not_found", "")])


def test_a_body_over_a_megabyte_is_refused_before_it_is_read_as_json(clinic: ApiClinic):
    answer = clinic.reception.post("patients/search/", {"words": "a" * 1_100_000})

    assert refusal(answer) == (413, "too_large", [("too_large", "")])


def test_an_error_nobody_foresaw_is_a_500_that_tells_nothing(db: None, settings, nobody: Door):
    settings.ROOT_URLCONF = __name__

    answer = nobody.get("broken/")

    assert refusal(answer) == (500, "server_error", [("server_error", "")])
    assert b"Maria" not in answer.content
    assert b"Traceback" not in answer.content


def test_what_django_refuses_by_itself_has_the_same_shape_below_the_api_and_is_a_page_elsewhere(
    db: None, settings, nobody: Door
):
    settings.ROOT_URLCONF = __name__
    stranger = {"Host": "elsewhere.example"}

    assert refusal(nobody.get("me/", stranger)) == (400, "bad_request", [("bad_request", "")])
    assert nobody.client.get("/nowhere/")["Content-Type"] == "text/html; charset=utf-8"
    assert nobody.client.get("/nowhere/").status_code == 404


@pytest.mark.parametrize("text", ["Ma\x00ria", "x" * 201, "", "   "])
def test_what_cannot_be_searched_for_is_refused(clinic: ApiClinic, text: str):
    assert refusal(clinic.reception.post("patients/search/", {"words": text}))[:2] == (400, "invalid_input")
