"""The OpenAPI document is valid, complete, and what every other test here checks its answers against."""

from __future__ import annotations

import json
import re

from django.core.management import call_command

from .conftest import ApiClinic, document, routes


def test_the_document_is_valid_and_nothing_in_it_is_guessed(tmp_path):
    """`--fail-on-warn`: an enum without a name, a view without a shape or a colliding operation would fail here."""
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml"))

    assert (tmp_path / "schema.yml").read_text().startswith("openapi: 3.1.1\n")


def test_every_route_is_in_the_document_and_nothing_else():
    undocumented = {"schema", "docs", "nothing"}
    expected = {
        "/api/v1/" + str(pattern.pattern).replace("<uuid:uid>", "{uid}")
        for _path, pattern in routes()
        if pattern.name not in undocumented
    }

    assert set(document()["paths"]) == expected


def test_every_operation_says_how_it_refuses_and_has_a_name_of_its_own():
    operations = [
        (path, method, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
    ]
    names = [operation["operationId"] for _path, _method, operation in operations]

    assert len(set(names)) == len(names)
    for path, method, operation in operations:
        refusals = {status for status in operation["responses"] if status >= "400"}
        if path == "/api/v1/sign-in/":
            assert refusals == {"400", "401", "406", "413", "415", "429"}
            continue
        expected = {"400", "401", "403", "404", "406", "409"}
        assert refusals == expected | ({"413", "415", "422"} if method != "get" else set()), (path, method)
        for status in refusals:
            content = operation["responses"][status]["content"]
            assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_inputs_take_no_other_keys_and_no_answer_holds_a_number_of_a_row():
    schemas = document()["components"]["schemas"]

    for name, schema in schemas.items():
        if name.endswith("Request"):
            assert schema["additionalProperties"] is False, name
        assert not {"id", "pk"} & set(schema.get("properties", {})), name


def test_staff_read_the_document_and_its_page_under_the_content_security_policy(clinic: ApiClinic):
    door = clinic.doctor

    schema = door.client.get(
        "/api/v1/schema/",
        headers={"Authorization": f"Token {door.token}", "Accept": "application/vnd.oai.openapi+json"},
    )
    door.client.force_login(clinic.clinician, backend="django.contrib.auth.backends.ModelBackend")
    page = door.client.get("/api/v1/docs/", headers={"Accept": "text/html"})
    script = door.client.get("/api/v1/docs/?script=")

    assert json.loads(schema.content)["openapi"] == "3.1.1"
    assert page.status_code == 200
    # Not a line of script in the page itself: each comes from a file of ours.
    assert re.findall(r"<script(?! src=)[^>]*>", page.content.decode()) == []
    assert re.findall(r'(?:src|href)="(https?:|//)', page.content.decode()) == []
    assert "script-src 'self'" in page["Content-Security-Policy"]
    assert script["Content-Type"] == "application/javascript"
    assert "/api/v1/schema/" in script.content.decode()
