"""Every refusal, in one shape."""

from __future__ import annotations

from rest_framework import serializers

from .fields import Output, words


class ProblemItem(Output):
    code = words()
    message = words()
    where = words(help_text="path of the field, or the uid of the session")


class ProblemOutput(Output):
    """RFC 9457 problem details."""

    type = words()
    title = words()
    status = serializers.IntegerField()
    code = words()
    detail = words()
    violations = ProblemItem(many=True)
