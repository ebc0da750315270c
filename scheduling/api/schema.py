"""The OpenAPI document and its page: how one signs in, and which refusals each operation may answer with."""

from __future__ import annotations

from typing import Any, Literal

from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

from clinic.api import PROBLEM_JSON, NotFound

from .inputs import Input
from .outputs import ProblemOutput
from .strict import Strict

REFUSALS = {
    "400": "The request is not in the documented shape, or can never be right as it stands.",
    "401": "Not signed in, or not any more.",
    "403": "The role that this needs is missing.",
    "404": "It does not exist, or you may not see it.",
    "406": "Only JSON is to be had.",
    "409": "It depends on the state of the world: taken, gate closed, illegal transition, overtaken.",
    "413": "The body is larger than a megabyte.",
    "415": "The body is not JSON.",
    "422": "The Idempotency-Key stands for another request.",
    "429": "Too many failed attempts to sign in.",
}
MAY_BE_REPEATED = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="A value of your own, such as a random UUID: the same request under the same key acts once.",
)


class TokenScheme(KnoxTokenScheme):  # type: ignore[no-untyped-call]  # partly typed
    """Our token authentication is knox's, with one guard more."""

    target_class = "clinic.api.TokenAuthentication"


class OperationSchema(AutoSchema):
    """An operation with every refusal it may answer with, and components named without our Input and Output."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        problem = self.resolve_serializer(ProblemOutput, "response").ref
        for status in self._refusals():
            operation["responses"][status] = {
                "description": REFUSALS[status],
                "content": {PROBLEM_JSON: {"schema": problem}},
            }
        return operation

    def _refusals(self) -> list[str]:
        found = ["400", "401", "406"]
        if self.get_auth():
            found += ["403", "404", "409"]
            found += ["422"] if self._acts() else []
        else:
            found += ["429"]
        return sorted([*found, *(["413", "415"] if self._acts() else [])])

    def _acts(self) -> bool:
        return self.method in {"POST", "PATCH"}

    def get_override_parameters(self) -> list[Any]:
        """Every act may be repeated under a key; where it must, the operation says so itself."""
        said = list(super().get_override_parameters())
        if (
            not self._acts()
            or not self.get_auth()
            or any(getattr(one, "name", "") == MAY_BE_REPEATED.name for one in said)
        ):
            return said
        return [*said, MAY_BE_REPEATED]

    def get_operation_id(self) -> str:
        """Return what a generated client calls the operation: the kind of object and what is done with it."""
        kind = self.path.removeprefix("/api/v1/").split("/")[0].replace("-", "_")
        action = getattr(self.view, "action", None) or kind
        return kind if action == kind else f"{kind}_{action}"

    def _map_basic_serializer(self, serializer: Any, direction: str) -> dict[str, Any]:
        """Say that inputs take no other keys; a shape without words of its own says nothing."""
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if isinstance(serializer, Input):
            schema["additionalProperties"] = False
        if "__doc__" not in type(serializer).__dict__ or type(serializer).__doc__ is None:
            schema.pop("description", None)
        return schema

    def _is_list_view(self, serializer: Any = None) -> bool:
        """Our pages say themselves what they are."""
        return False

    def get_serializer_name(self, serializer: Any, direction: Literal["request", "response"]) -> str:
        name: str = super().get_serializer_name(serializer, direction)
        return name.removesuffix("Output").removesuffix("Input")


class SchemaView(Strict, SpectacularAPIView):
    """The OpenAPI 3.1 document, for whoever works here."""


class DocsView(Strict, SpectacularSwaggerSplitView):
    """The document as a page; its script is a file of its own, as our content security policy asks."""

    url_name = "api:schema"


class NothingHereView(Strict):
    """Any other address below the API, whatever the method."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise NotFound.of([])

    def get(self, request: Request) -> Response:
        raise AssertionError("`initial` has said that there is nothing")
