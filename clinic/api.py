"""One shape for every refusal of the REST API (RFC 9457), and its door: only people who work here come in.

Whatever says no (an act, Django REST framework, Django itself), the answer is `application/problem+json` with a stable
`code`, a sentence that says what to do next, and every violation. An error nobody foresaw stays a 500, and tells
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views import defaults
from knox.auth import TokenAuthentication as KnoxTokenAuthentication
from rest_framework import exceptions
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from .errors import Problem, Refusal
from .models import Role, User

if TYPE_CHECKING:  # DRF imports this module while it makes its views
    from rest_framework.views import APIView

PROBLEM_JSON = "application/problem+json"


# --- refusals ---------------------------------------------------------------------------------------------------------


class NotFound(Refusal):
    """It does not exist, or not for this person."""

    code = "not_found"
    title = "There is nothing here."
    status = 404


class InvalidInput(Refusal):
    """The request is not in the documented shape."""

    code = "invalid_input"
    title = "The request is not in the documented shape."
    status = 400


class NotSignedIn(Refusal):
    code = "not_signed_in"
    title = "Sign in first."
    status = 401


class WrongCredentials(Refusal):
    """One answer for an unknown address, a wrong password and a closed account."""

    code = "wrong_credentials"
    title = "E-mail address and password do not match."
    status = 401


class TooManyAttempts(Refusal):
    code = "too_many_attempts"
    title = "Too many failed attempts to sign in."
    status = 429

    @property
    def wait(self) -> float:
        """Seconds until the next attempt is looked at."""
        return float(settings.AXES_COOLOFF_TIME.total_seconds())


class TooLarge(Refusal):
    code = "too_large"
    title = "The request is too large."
    status = 413


class MalformedJson(exceptions.ParseError):
    """The body is no JSON."""

    default_code = "malformed_json"


def problem(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer every refusal in one shape; return None for what nobody foresaw, which stays a 500."""
    refusal = _as_problem(error)
    if refusal is None:
        return None
    # What DRF asks to be said besides: how to sign in, which methods there are, how long to wait.
    headers = {}
    if refusal["status"] == 401:
        headers["WWW-Authenticate"] = context["view"].get_authenticate_header(context["request"]) or "Token"
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = f"{wait:.0f}"
    return Response(refusal, status=refusal["status"], headers=headers, content_type=PROBLEM_JSON)


def _as_problem(error: Exception) -> dict[str, Any] | None:  # noqa: PLR0911  one line for each way to say no
    match error:
        case Refusal():
            return error.as_problem()
        case exceptions.ValidationError():
            return InvalidInput(*flattened(error.detail)).as_problem()
        case exceptions.NotAuthenticated():
            return NotSignedIn(
                Problem("not_signed_in", _("Sign in, and send the token in the header “Authorization: Token …”."))
            ).as_problem()
        case exceptions.AuthenticationFailed():
            return NotSignedIn(
                Problem("token_not_valid", _("The token is not valid, or not any more. Sign in again."))
            ).as_problem()
        case Http404() | exceptions.NotFound():
            return NotFound(Problem("not_found", _("It does not exist, or you may not see it."))).as_problem()
        case PermissionDenied() | exceptions.PermissionDenied():
            return as_problem(403, "not_allowed", _("You may not do this."), str(getattr(error, "detail", "")))
        case RequestDataTooBig():
            return TooLarge(Problem("too_large", _("Send less than one megabyte."))).as_problem()
        case SuspiciousOperation():
            return as_problem(400, "bad_request", _("The request cannot be read."))
        case exceptions.APIException():
            code, title = _BY_STATUS.get(error.status_code, (error.default_code, str(error.default_detail)))
            return as_problem(error.status_code, code, str(title), str(error.detail))
    return None


_BY_STATUS = {
    405: ("method_not_allowed", gettext_lazy("This address does not take that method.")),
    406: ("not_acceptable", gettext_lazy("Answers are JSON and nothing else.")),
    415: ("unsupported_media_type", gettext_lazy("Send JSON, with the content type application/json.")),
    429: ("too_many_requests", gettext_lazy("Too many requests.")),
}


def as_problem(status: int, code: str, title: str, detail: str = "") -> dict[str, Any]:
    """Return problem details for a refusal that has one reason."""
    return {
        "type": f"urn:cadence:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail or title,
        "violations": [Problem(code, detail or title).as_dict()],
    }


def flattened(detail: Any, where: str = "") -> Iterable[Problem]:
    """Return DRF's nested messages as one list; `where` is the path of the field, such as `slots.0.on`."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            at = where if name == "non_field_errors" else f"{where}.{name}" if where else str(name)
            yield from flattened(inner, at)
    elif isinstance(detail, list):
        for number, inner in enumerate(detail):
            yield from flattened(inner, f"{where}.{number}" if isinstance(inner, dict | list) else where)
    else:
        yield Problem(getattr(detail, "code", None) or "invalid", str(detail), where)


# --- what Django refuses before, or outside, a view of the API --------------------------------------------------------


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig):
        return _answer(request, partial(defaults.bad_request, request, exception), 413, "too_large", _("Too large."))
    return _answer(
        request, partial(defaults.bad_request, request, exception), 400, "bad_request", _("The request cannot be read.")
    )


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(
        request, partial(defaults.permission_denied, request, exception), 403, "not_allowed", _("You may not do this.")
    )


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _answer(
        request, partial(defaults.page_not_found, request, exception), 404, "not_found", _("There is nothing here.")
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """Say that it is our fault, and nothing of what happened: that is in the log."""
    return _answer(
        request,
        partial(defaults.server_error, request),
        500,
        "server_error",
        _("Something went wrong on our side. Try again; if it stays, tell the operator when it happened."),
    )


def _answer(request: HttpRequest, page: Any, status: int, code: str, title: str) -> HttpResponse:
    if not request.path.startswith("/api/"):
        html: HttpResponse = page()
        return html
    answer = JsonResponse(as_problem(status, code, title), status=status, content_type=PROBLEM_JSON)
    answer["Cache-Control"] = "no-store"
    return answer


# --- who comes in -----------------------------------------------------------------------------------------------------


class TokenAuthentication(KnoxTokenAuthentication):  # type: ignore[misc]  # knox ships no types
    """Knox's tokens: stored hashed, expiring, ended by signing out."""

    def authenticate_credentials(self, token: bytes) -> tuple[User, Any]:
        if not token.isalnum():  # knox would fail on bytes that are no text, and PostgreSQL on a NUL
            raise exceptions.AuthenticationFailed
        signed_in: tuple[User, Any] = super().authenticate_credentials(token)
        return signed_in


def lockout_name(request: HttpRequest, credentials: Mapping[str, Any] | None) -> str:
    """Return the name under which axes counts failures: lower case, as the account is looked up whatever its case."""
    typed = (credentials or request.POST).get(settings.AXES_USERNAME_FORM_FIELD)
    return str(typed or "").strip().lower()


@dataclass(frozen=True, slots=True)
class SiteRoles:
    """Which roles a user has at which sites."""

    at_sites: Mapping[int, frozenset[str]]
    everywhere: bool = False  # a superuser

    def __bool__(self) -> bool:
        return self.everywhere or bool(self.at_sites)

    def at(self, site_id: int) -> frozenset[str]:
        return frozenset(Role.values) if self.everywhere else self.at_sites.get(site_id, frozenset())

    def anywhere(self) -> frozenset[str]:
        return frozenset(Role.values) if self.everywhere else frozenset().union(*self.at_sites.values())


def roles_of(request: Request) -> SiteRoles:
    """Return the roles of whoever asks, read once per request."""
    known: SiteRoles | None = getattr(request, "site_roles", None)
    if known is None:
        known = request.site_roles = _read_roles(request.user)  # type: ignore[attr-defined]
    return known


def _read_roles(user: Any) -> SiteRoles:
    if not isinstance(user, User) or not user.is_active:
        return SiteRoles({})
    at_sites: dict[int, frozenset[str]] = {}
    for site_id, role in user.roles.values_list("site_id", "role"):
        at_sites[site_id] = at_sites.get(site_id, frozenset()) | {role}
    return SiteRoles(at_sites, everywhere=user.is_superuser)


class IsStaff(BasePermission):
    """Nobody but people who work here: signed in, active, with a role at some site."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return bool(roles_of(request))


# --- how bodies are read --------------------------------------------------------------------------


class StrictJSONParser(BaseParser):
    """JSON that means one thing: UTF-8, no key twice, no NaN, nothing that PostgreSQL could not store."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        try:
            body = json.loads(stream.read().decode(), object_pairs_hook=_once_each, parse_constant=_no_number)
            json.dumps(body, ensure_ascii=False).encode()  # half of a surrogate pair is no text
        except (ValueError, RecursionError) as error:
            raise MalformedJson(_("The body is not valid JSON (in UTF-8, each key once).")) from error
        return body


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _no_number(name: str) -> None:
    raise ValueError(name)
