"""The front desk's shared habits: who may see what, how a refusal is shown, and that no page writes a row.

Pages read, and call acts; acts ask for rights themselves. What is here decides only what a person is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pghistory.models
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList as StockChangeList
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.db import models, transaction
from django.forms.models import BaseInlineFormSet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from . import accounts, audit
from .errors import Refusal
from .models import AccessEvent, Role, Site, SiteRole, User
from .rights import CLINICAL, FRONT_DESK, MANAGING, PRESCRIBING

if TYPE_CHECKING:
    StockModelAdmin = admin.ModelAdmin[Any]
    StockTabularInline = admin.TabularInline[Any, Any]
    StockForm = forms.ModelForm[Any]
else:
    from unfold.admin import ModelAdmin as StockModelAdmin
    from unfold.admin import TabularInline as StockTabularInline
    from unfold.views import ChangeList as StockChangeList

    StockForm = forms.ModelForm

NATIVE: Mapping[type[models.Field[Any, Any]], Mapping[str, Any]] = {
    # The browser's own fields: known to the keyboard and to screen readers, and without a script.
    models.DateField: {"widget": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")},
    models.TimeField: {"widget": forms.TimeInput(attrs={"type": "time"}, format="%H:%M")},
}


# --- rights -----------------------------------------------------------------------------------------------------------

OPERATING = (Role.OPERATOR,)
RUNNING = MANAGING + OPERATING
NOBODY: tuple[Role, ...] = ()
EVERYBODY = FRONT_DESK + OPERATING


@dataclass(frozen=True)
class Right:
    """Which roles, at any site, may see a kind of record, add one and change one. Nobody deletes."""

    see: tuple[Role, ...] = NOBODY
    add: tuple[Role, ...] = NOBODY
    change: tuple[Role, ...] = NOBODY


# One line for each kind of record; what is not listed is shown to nobody. Superusers see everything. Rows are further
# limited to a person's sites by `visible_to`, and each act asks for the right at the site of its object.
RIGHTS: Mapping[str, Right] = {
    "clinic.user": Right(see=RUNNING, add=RUNNING, change=RUNNING),
    "clinic.site": Right(see=EVERYBODY, add=RUNNING, change=RUNNING),
    "clinic.accessevent": Right(see=RUNNING),
    "patients.patient": Right(see=FRONT_DESK, add=FRONT_DESK, change=FRONT_DESK),
    "patients.question": Right(see=FRONT_DESK),
    "patients.area": Right(see=FRONT_DESK),
    "patients.complication": Right(see=FRONT_DESK),
    "scheduling.course": Right(see=FRONT_DESK, add=FRONT_DESK, change=FRONT_DESK),
    "scheduling.appointment": Right(see=FRONT_DESK, change=FRONT_DESK),
    "scheduling.override": Right(see=FRONT_DESK),
    "scheduling.proposal": Right(see=FRONT_DESK, change=FRONT_DESK),
    "scheduling.message": Right(see=EVERYBODY),
    "scheduling.messagetext": Right(see=FRONT_DESK, add=MANAGING, change=MANAGING),
    "scheduling.resource": Right(see=FRONT_DESK, add=MANAGING, change=MANAGING),
    "scheduling.absence": Right(see=FRONT_DESK, add=FRONT_DESK, change=FRONT_DESK),
    "scheduling.closure": Right(see=FRONT_DESK, add=MANAGING, change=MANAGING),
    "scheduling.protocolversion": Right(see=FRONT_DESK, change=PRESCRIBING),
}

# Buttons that only some roles are shown; the acts behind them ask again.
CLINICAL_ACTS = CLINICAL
MANAGING_ACTS = MANAGING


def roles_of(request: HttpRequest) -> frozenset[str]:
    """Return the roles that the person has at any site, read once for each request; all of them for a superuser."""
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return frozenset()
    known: frozenset[str] | None = request.META.get("cadence.roles")
    if known is None:
        known = frozenset(Role.values if user.is_superuser else user.roles.values_list("role", flat=True))
        request.META["cadence.roles"] = known
    return known


def has_role(request: HttpRequest, roles: Iterable[str]) -> bool:
    return not roles_of(request).isdisjoint(roles)


def person(request: HttpRequest) -> User:
    """Return who is signed in; every page of the admin asks for that first."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


# --- refusals ---------------------------------------------------------------------------------------------------------


def tell(request: HttpRequest, refusal: Refusal) -> None:
    """Show every problem of a refusal on the next page."""
    for text in [problem.message for problem in refusal.problems] or [str(refusal.title)]:
        messages.error(request, text)


def carried_out(request: HttpRequest, act: Callable[[], object]) -> bool:
    """Run an act; when it refuses, tell why and return False. Nothing was written then."""
    try:
        act()
    except Refusal as refusal:
        tell(request, refusal)
        return False
    return True


def put_into(form: forms.BaseForm, refusal: Refusal) -> None:
    """Show every problem of a refusal in a form: beside the field it names, else above the form."""
    for problem in refusal.problems:
        field = problem.where if problem.where in form.fields else None
        form.add_error(field, ValidationError(problem.message, code=problem.code))
    if not refusal.problems:
        form.add_error(None, ValidationError(str(refusal.title), code=refusal.code))


class RefusableForm(StockForm):
    """A form that can be shown again with what an act said against it."""

    refusal: Refusal | None = None

    def _update_errors(self, errors: ValidationError) -> None:
        """Leave what concerns the row as a whole (its constraints) to the act, which says what to do about it."""
        if hasattr(errors, "error_dict"):
            errors.error_dict.pop(NON_FIELD_ERRORS, None)
        super()._update_errors(errors)  # type: ignore[misc]  # Django's own hook, unknown to its stubs

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]  # Django's own hook, unknown to its stubs
        if self.refusal:
            put_into(self, self.refusal)


# --- pages ------------------------------------------------------------------------------------------------------------


class ChangeList(StockChangeList):
    """A list whose links name rows by their uid."""

    def url_for_result(self, result: models.Model) -> str:
        return page_of(result)


def page_of(row: models.Model) -> str:
    """Return the address of a row's page: by its uid, so there is nothing to count or guess."""
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=(getattr(row, "uid", row.pk),))


class _Sent(Exception):
    """A form and its inlines that are in order, on their way out of Django's transaction."""

    def __init__(self, form: Any, formsets: Any, change: bool) -> None:
        super().__init__()
        self.form, self.formsets, self.change = form, formsets, change


class ClinicAdmin(StockModelAdmin):
    """A page that reads, and writes through acts alone.

    A subclass that lets people write overrides `carry_out` and calls one act there. A refusal comes back as errors on
    the form; the page is then as the person left it.
    """

    form = RefusableForm
    actions = None
    list_per_page = 30
    show_full_result_count = False
    list_filter_sheet = True
    compressed_fields = True
    formfield_overrides = NATIVE
    change_form_template = "admin/desk/change_form.html"
    change_list_template = "admin/desk/change_list.html"
    object_history_template = "admin/desk/history.html"
    add_label: Any = gettext_lazy("Add")
    shown_patient = ""  # where a row keeps the patient's uid ("uid", "patient.uid"): then reading it is recorded

    # rights

    @property
    def right(self) -> Right:
        return RIGHTS.get(self.opts.label_lower, Right())

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return has_role(request, self.right.see)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return has_role(request, self.right.add)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return has_role(request, self.right.change)

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    # rows

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows = super().get_queryset(request)
        visible_to = getattr(rows, "visible_to", None)
        return visible_to(request.user) if visible_to else rows

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row of that uid (or key, where rows have none); what may not be seen does not exist."""
        if not hasattr(self.model, "uid"):
            return super().get_object(request, object_id, from_field)
        try:
            uid = UUID(object_id)
        except ValueError:
            raise Http404 from None
        return self.get_queryset(request).filter(uid=uid).first()

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        raise Http404

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ChangeList

    # reads are recorded

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        response = super().changelist_view(request, {"add_label": self.add_label, **(extra_context or {})})
        if self.shown_patient and isinstance(response, TemplateResponse) and "cl" in (response.context_data or {}):
            rows = response.context_data["cl"].result_list  # type: ignore[index]
            self.record_read(request, "search" if "q" in request.GET else "list", rows)
        return response

    def record_read(
        self, request: HttpRequest, action: str, rows: Iterable[models.Model], *, subject_uid: UUID | None = None
    ) -> None:
        """Note which patients the answer to this request shows."""
        patients = [uid for uid in (_value(row, self.shown_patient) for row in rows) if uid is not None]
        if patients:
            audit.record_read(
                request,
                action=action,
                subject=self.opts.label,
                subject_uid=subject_uid,
                patients=patients,
                door="admin",
            )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        history = f"admin:{self.opts.app_label}_{self.opts.model_name}_history"
        context = {"history_name": history, "original_key": object_id, **(extra_context or {})}
        response = super().change_view(request, object_id, form_url, context)
        if (
            self.shown_patient
            and isinstance(response, TemplateResponse)
            and "original" in (response.context_data or {})
        ):
            row = response.context_data["original"]  # type: ignore[index]
            self.record_read(request, "view", [row], subject_uid=row.uid)
        return response

    # writes are acts

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Let Django read the form; then, its transaction left behind, call the act.

        An act owns its transaction: only then can it be tried again after a deadlock, and lock in the house's order.
        """
        view = super().changeform_view
        try:
            return view(request, object_id, form_url, extra_context)
        except _Sent as sent:
            try:
                self.carry_out(request, sent.form, sent.formsets, sent.change)
            except Refusal as refusal:
                # Ask the same form again: with what was typed, and with what the act said.
                request.META["cadence.refusal"] = refusal
                return view(request, object_id, form_url, extra_context)
            answer = self.response_change if sent.change else self.response_add
            return answer(request, sent.form.instance)

    def get_form(self, request: HttpRequest, obj: Any | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.refusal = request.META.get("cadence.refusal")  # type: ignore[attr-defined]  # RefusableForm
        return form

    def carry_out(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Call the act of this page; set `form.instance` to what it made. Runs outside any transaction."""
        raise PermissionDenied

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write nothing: `carry_out` does."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        raise _Sent(form, formsets, change)

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        raise PermissionDenied

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        raise PermissionDenied

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Show one button to save with: what follows is the row's own page."""
        more = {"show_save_and_continue": False, "show_save_and_add_another": False, "add_label": self.add_label}
        return super().render_change_form(request, {**context, **more}, *args, **kwargs)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> list[Any]:
        return []  # for a log that we do not keep

    # history is the database's, not Django's log (which would keep names)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return None

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show what changed: when, by whom, from what to what."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": _("History"),
            "opts": self.opts,
            "object": row,
            "original": row,
            "page": page_of(row),
            "changes": _changes_of(row),
            **(extra_context or {}),
        }
        return TemplateResponse(request, str(self.object_history_template), context)

    # after saving: the row's own page

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        self.message_user(request, self.saved_message(obj, change=False), messages.SUCCESS)
        if "_addanother" in request.POST:
            return HttpResponseRedirect(request.path)
        return HttpResponseRedirect(page_of(obj))

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        self.message_user(request, self.saved_message(obj, change=True), messages.SUCCESS)
        return HttpResponseRedirect(page_of(obj))

    def saved_message(self, obj: models.Model, *, change: bool) -> str:
        return _("Saved.")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return without_popups(super().formfield_for_dbfield(db_field, request, **kwargs))


def without_popups(field: Any) -> Any:
    """Take the icons that open windows from beside a choice, and what wraps them."""
    if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
        field.widget = field.widget.widget
    return field


class ReadOnlyAdmin(ClinicAdmin):
    """A page that only shows."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class ClinicInline(StockTabularInline):
    """Rows below a form; whoever may change the form may change them, and its act writes them."""

    form = RefusableForm
    extra = 0
    show_change_link = False
    hide_title = True
    formfield_overrides = NATIVE

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return without_popups(super().formfield_for_dbfield(db_field, request, **kwargs))

    def get_formset(self, request: HttpRequest, obj: models.Model | None = None, **kwargs: Any) -> Any:
        """Name each field for those who do not see the heading of its column."""
        formset = super().get_formset(request, obj, **kwargs)
        for name, field in formset.form.base_fields.items():
            field.widget.attrs.setdefault("aria-label", str(field.label or name))
        return formset

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return True

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return True

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return True


def kept_rows(formset: BaseInlineFormSet[Any, Any, Any]) -> list[dict[str, Any]]:
    """Return what the rows of an inline say, without the empty ones and those ticked for removal."""
    return [
        form.cleaned_data
        for form in formset.forms
        if form.cleaned_data
        and not form.cleaned_data.get("DELETE")
        and (form.instance.pk is not None or form.has_changed())
    ]


def _value(row: models.Model, path: str) -> Any:
    value: Any = row
    for name in path.split("."):
        value = getattr(value, name, None)
    return value


@dataclass(frozen=True)
class Change:
    """One line of a row's history."""

    at: Any
    label: str
    by: str
    fields: list[tuple[str, Any, Any]]


LABELS = {
    "insert": gettext_lazy("added"),
    "update": gettext_lazy("changed"),
    "delete": gettext_lazy("removed"),
}


def _changes_of(row: models.Model, *, most: int = 200) -> list[Change]:
    """Return the newest changes first, as the database's own triggers saw them."""
    events = list(pghistory.models.Events.objects.tracks(row).order_by("-pgh_created_at", "-pgh_id")[:most])  # type: ignore[no-untyped-call]
    authors = {event.pgh_context["user"] for event in events if event.pgh_context and event.pgh_context.get("user")}
    names = {user.pk: str(user) for user in User.objects.filter(pk__in=authors)}
    verbose = {field.attname: str(field.verbose_name) for field in row._meta.concrete_fields}
    return [
        Change(
            at=event.pgh_created_at,
            label=str(LABELS.get(event.pgh_label, event.pgh_label)),
            by=names.get((event.pgh_context or {}).get("user") or 0, ""),
            fields=[(verbose.get(name, name), old, new) for name, (old, new) in (event.pgh_diff or {}).items()],
        )
        for event in events
    ]


# --- the clinic's own tables ------------------------------------------------------------------------------------------


class UserForm(RefusableForm):
    password = forms.CharField(
        label=gettext_lazy("New password"),
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=gettext_lazy("At least 12 characters; the person changes it later. Empty: as it was."),
    )


class SiteRoleInline(ClinicInline):
    model = SiteRole
    fields = ("site", "role")
    extra = 1


@admin.register(User)
class UserAdmin(ClinicAdmin):
    """People who work here, and what they may do at each site."""

    form = UserForm
    list_display = ("name", "email", "roles_held", "is_active")
    list_filter = ("is_active", "roles__role", "roles__site")
    search_fields = ("name", "email")
    inlines = (SiteRoleInline,)
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[User]:
        return super().get_queryset(request).prefetch_related("roles__site")

    @admin.display(description=gettext_lazy("roles"))
    def roles_held(self, user: User) -> str:
        return ", ".join(f"{role.get_role_display()} · {role.site}" for role in user.roles.all()) or "–"

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return ("name", "email", "is_active", "password") if obj else ("name", "email", "password")

    @transaction.atomic
    def carry_out(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        by, now, said, user = person(request), timezone.now(), form.cleaned_data, form.instance
        roles: dict[Site, list[Role]] = {row.site: [] for row in user.roles.select_related("site")} if change else {}
        for row in (row for formset in formsets for row in kept_rows(formset)):
            roles.setdefault(row["site"], []).append(Role(row["role"]))
        if not change:
            created = accounts.create_user(
                email=said["email"], name=said["name"], password=said["password"] or None, roles=roles, by=by, now=now
            )
            form.instance = created
            return
        changes = {name: said[name] for name in ("name", "email") if name in form.changed_data}
        if changes:
            accounts.correct_user(user, changes, by=by, now=now)
        accounts.set_roles(user, roles, by=by, now=now)
        if said["password"]:
            accounts.set_password(user, said["password"], by=by, now=now)
        if "is_active" in form.changed_data:
            (accounts.reactivate if said["is_active"] else accounts.deactivate)(user, by=by, now=now)


class SiteAdmin(ClinicAdmin):
    """Where patients are treated. `scheduling.admin.setup` registers it: what is booked there has a say."""

    list_display = ("name", "zone", "country", "language", "is_active")
    search_fields = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "zone", ("country", "subdivision"), "address", "phone", "is_active")}),
        (
            gettext_lazy("Messages"),
            {
                "fields": (
                    "sender_name",
                    "sender_email",
                    "language",
                    "mail_time",
                    ("quiet_from_time", "quiet_until_time"),
                )
            },
        ),
        (gettext_lazy("Booking"), {"fields": ("grid_minutes", "booking_horizon_days", "shortest_visit_minutes")}),
    )


@admin.register(AccessEvent)
class AccessEventAdmin(ReadOnlyAdmin):
    """Who read what."""

    list_display = ("at", "user", "action", "subject", "how_many", "door", "came_from")
    list_filter = ("action", "subject", "door")
    list_select_related = ("user",)
    ordering = ("-at",)
    fields = ("at", "user", "action", "subject", "subject_uid", "patient_uids", "came_from", "door")

    @admin.display(description=gettext_lazy("patients"))
    def how_many(self, event: AccessEvent) -> int:
        return len(event.patient_uids)
