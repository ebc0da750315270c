"""What every endpoint does alike: ask for the right, page lists, act once, note who read what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, ClassVar, TypeVar, cast
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from clinic import audit, idempotency
from clinic.acts import act
from clinic.api import InvalidInput, IsStaff, roles_of
from clinic.errors import NotAllowed, Problem, RuleBroken
from clinic.models import User

from .inputs import LimitInput, PageInput, UidPageInput
from .outputs import Output, page_of
from .rights import RIGHTS
from .schema import OperationSchema
from .strict import Strict

Row = TypeVar("Row", bound=Model)


class KeyMissing(RuleBroken):
    """Booking needs a key under which it may be repeated (draft-ietf-httpapi-idempotency-key-header)."""

    code = "idempotency_key_missing"


@dataclass(frozen=True, slots=True)
class Shows:
    """Of whom and what the answer to an act tells."""

    subject: str
    uid: UUID
    patient: UUID


class HasRight(BasePermission):
    """The roles that `rights.RIGHTS` gives to the action: at some site to come in, at the object's site to go on.

    A view that names no right for an action lets nobody in.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        endpoint = cast("Endpoint", view)
        if endpoint.action in {None, "metadata"}:  # no such method, or OPTIONS: answered with 405
            return True
        return _allowed(endpoint, roles_of(request).anywhere())

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        endpoint = cast("Endpoint", view)
        if not endpoint.site_path:
            return True
        return _allowed(endpoint, roles_of(request).at(attrgetter(endpoint.site_path)(obj)))


def _allowed(endpoint: Endpoint, roles: Iterable[str]) -> bool:
    may = RIGHTS.get(endpoint.rights.get(endpoint.action or "", ""), ())
    if not set(may) & set(roles):
        needed = ", ".join(str(role.label) for role in may)
        raise NotAllowed(
            Problem("role_missing", _("This needs one of these roles: %(roles)s. Ask a manager.") % {"roles": needed})
        )
    return True


class Endpoint(Strict, GenericViewSet[Any]):
    """A set of actions on one kind of object, each with its right."""

    permission_classes = [IsStaff, HasRight]
    rights: ClassVar[Mapping[str, str]] = {}
    site_path: ClassVar[str] = ""  # from an object to the id of its site; empty: the object belongs to no site
    lookup_field = "uid"
    lookup_value_converter = "uuid"
    pagination_class = None
    schema = OperationSchema()

    @property
    def user(self) -> User:
        return cast("User", self.request.user)

    def do(
        self, answer: Callable[[], Any], *, shows: Shows | None = None, status: int = 200, key_needed: bool = False
    ) -> Response:
        """Act, answer and note what the answer shows, in one transaction.

        Under an Idempotency-Key a repeated request acts once, and is answered as the first was.
        """
        key = self.request.headers.get("Idempotency-Key")
        if key is None and key_needed:
            raise KeyMissing(
                Problem(
                    "idempotency_key_missing",
                    _("Send a header Idempotency-Key, such as a random UUID: a repeat books nothing twice."),
                    "Idempotency-Key",
                )
            )
        said, body, is_replay = act(self._carry_out)(answer, key, shows, status)
        return Response(body, status=said, headers={"Idempotency-Replayed": "true"} if is_replay else None)

    def _carry_out(
        self, answer: Callable[[], Any], key: str | None, shows: Shows | None, status: int
    ) -> tuple[int, Any, bool]:
        if shows is not None:
            self.was_read("view", shows.subject, [shows.patient], shows.uid)
        if key is None:
            return status, answer(), False
        request = self.request
        body = request._request.body  # noqa: SLF001  the bytes as they came
        return idempotency.once(self.user, key, str(request.method), request.path, body, lambda: (status, answer()))

    def was_read(self, action: str, subject: str, patients: Iterable[UUID], uid: UUID | None = None) -> None:
        """Note in the trail that this request shows these patients."""
        audit.record_read(self.request, action=action, subject=subject, door="api", subject_uid=uid, patients=patients)

    def page(
        self,
        rows: QuerySet[Row],
        shape: type[Output],
        *,
        key: str = "uid",
        show: Callable[[Row], object] | None = None,
        query: type[LimitInput] | None = None,
    ) -> tuple[list[Row], Response]:
        """Return the rows of a page, newest first, and its answer: `next` is where the page after it begins.

        `query` is the shape of the whole query, where it says more than which page.
        """
        asked = (query or (UidPageInput if key == "uid" else PageInput)).checked_query(self.request)
        limit = asked["limit"]
        rows = rows.order_by("-pk")
        if after := asked.get("after"):
            last = rows.filter(**{key: after}).first()
            if last is None:
                raise InvalidInput(Problem("page_unknown", _("This page is gone: start again."), "after"))
            rows = rows.filter(pk__lt=last.pk)
        found = list(rows[: limit + 1])
        shown = found[:limit]
        following = None
        if len(found) > limit:
            said = self.request.query_params.dict() | {"limit": limit, "after": getattr(shown[-1], key)}
            following = f"{self.request.path}?{urlencode(said)}"
        results = [show(row) for row in shown] if show else shown
        return shown, Response(page_of(shape)({"results": results, "next": following}).data)


def named(rows: QuerySet[Row], where: str, **by: Any) -> Row:
    """Return the row that the input names, or raise InvalidInput: it does not exist, or not for this person."""
    row = rows.filter(**by).first()
    if row is None:
        raise InvalidInput(Problem("unknown", _("There is no such entry. Take one from its list."), where))
    return row


def all_named(rows: QuerySet[Row], where: str, codes: Sequence[str]) -> list[Row]:
    """Return rows of a vocabulary by their codes, in the order given; raise InvalidInput with all that are unknown."""
    found = {str(getattr(row, "code", "")): row for row in rows.filter(code__in=codes)}
    if unknown := [code for code in codes if code not in found]:
        raise InvalidInput(
            *(
                Problem("unknown", _("There is no “%(code)s”. Take one from its list.") % {"code": code}, where)
                for code in unknown
            )
        )
    return [found[code] for code in dict.fromkeys(codes)]
