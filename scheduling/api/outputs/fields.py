"""What shapes are made of: their base, and the fields that look the same everywhere."""

from __future__ import annotations

from functools import cache
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from scheduling.api.inputs import Clock

Field = serializers.Field[Any, Any, Any, Any]


class Output(serializers.Serializer[Any]):
    """An answer's shape."""


def uid_of(**kwargs: Any) -> serializers.UUIDField:
    return serializers.UUIDField(**kwargs)


def words(**kwargs: Any) -> serializers.CharField:
    return serializers.CharField(**kwargs)


def day(**kwargs: Any) -> serializers.DateField:
    return serializers.DateField(**kwargs)


def maybe_day(**kwargs: Any) -> serializers.DateField:
    return serializers.DateField(allow_null=True, **kwargs)


def clock(**kwargs: Any) -> Clock:
    return Clock(**kwargs)


def moment(**kwargs: Any) -> serializers.DateTimeField:
    """A UTC instant."""
    return serializers.DateTimeField(**kwargs)


def maybe_moment(**kwargs: Any) -> serializers.DateTimeField:
    return serializers.DateTimeField(allow_null=True, **kwargs)


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class Codes(serializers.Field[Any, Any, Any, Any]):
    """Rows of a vocabulary, by their codes."""

    def __init__(self, *, called: str = "code", **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)
        self.called = called

    def to_representation(self, value: Any) -> list[str]:
        return [getattr(row, self.called) for row in value.all()]


class Named(Output):
    uid = uid_of()
    name = words()


@cache
def page_of(shape: type[Output]) -> type[Output]:
    """Return the shape of a page of a list."""
    following = words(allow_null=True, help_text="where the page after this one begins; null: nowhere")
    return type(
        f"PageOf{shape.__name__.removesuffix('Output')}", (Output,), {"results": shape(many=True), "next": following}
    )
