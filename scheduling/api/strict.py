"""What all views of the API have in common."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import SessionAuthentication
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from clinic.api import IsStaff, StrictJSONParser, TokenAuthentication


class Strict(APIView):
    """For staff; bodies of bounded size; answers that nobody keeps."""

    # The token first: its challenge makes a call without any a 401.
    authentication_classes = [TokenAuthentication, SessionAuthentication]
    parser_classes = [StrictJSONParser]
    permission_classes = [IsStaff]
    metadata_class = None  # OPTIONS tells nothing: the schema does

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # DRF reads a JSON body as a stream, to which Django's limit does not apply; reading it here, it does.
        _body = request._request.body  # noqa: SLF001

    def handle_exception(self, exc: Exception) -> Response:
        """Answer a refusal as JSON, whatever else the view would answer with."""
        answer: Response = super().handle_exception(exc)
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        return answer

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer["Cache-Control"] = "no-store"
        return answer
