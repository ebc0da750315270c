"""Messages: what was promised, sent or dropped; their words; and the mail that lies on this computer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinic import localtime
from clinic.admin import ClinicAdmin, ReadOnlyAdmin, person
from patients.admin import name_and_birth_date
from patients.models import Patient
from patients.models.people import searchable
from scheduling import outbox, wording
from scheduling.models import Message, MessageText

from .desk import needs, read, shown, sites_of
from .words import badge

TONES = {
    "pending": "busy",
    "sending": "busy",
    "sent": "good",
    "dropped": "off",
    "failed": "bad",
    "bounced": "bad",
    "parked": "warn",
}
REASONS = {
    "patient_deceased": gettext_lazy("the patient has died"),
    "patient_merged": gettext_lazy("the record was merged into another"),
    "opted_out": gettext_lazy("the patient wants no e-mail"),
    "no_address": gettext_lazy("there is no address"),
    "address_bounced": gettext_lazy("mail to this address came back"),
    "address_suppressed": gettext_lazy("the address is suppressed"),
    "visit_moved": gettext_lazy("the visit was moved meanwhile"),
    "visit_not_live": gettext_lazy("the visit does not stand any more"),
    "visit_begun": gettext_lazy("the visit has begun"),
    "booked": gettext_lazy("it is booked already"),
    "course_over": gettext_lazy("the course is over"),
    "course_on_hold": gettext_lazy("the course is on hold"),
    "course_stopped": gettext_lazy("the course was stopped"),
    "hold_lifted": gettext_lazy("the hold was lifted"),
    "superseded": gettext_lazy("a newer message says more"),
    "expired": gettext_lazy("it was too late to send"),
}
MAILS_SHOWN = 200


def why_in_words(message: Message) -> str:
    """Return why a message is in its state, as people say it."""
    reason = message.state_reason
    if reason.startswith(outbox.GATE_CLOSED):
        codes = reason.removeprefix(outbox.GATE_CLOSED).split(",")
        return " ".join(wording.sentence(code, subject="…") for code in codes)
    return str(REASONS.get(reason, reason.replace("_", " ")))


@dataclass(frozen=True)
class Mail:
    """A mail as a person reads it, parsed from the bytes that left."""

    subject: str
    sender: str
    recipient: str
    dated_at: datetime | None
    text: str
    html: str
    attachments: tuple[str, ...]


def mail_from(content: bytes) -> Mail:
    """Read the bytes of a mail. What cannot be decoded shows as such, and nothing is fetched or run."""
    parsed = BytesParser(policy=policy.default).parsebytes(content)
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    return Mail(
        subject=_header(parsed, "subject"),
        sender=_header(parsed, "from"),
        recipient=_header(parsed, "to"),
        dated_at=_dated(parsed),
        text=_words(text),
        html=_words(html),
        attachments=tuple(part.get_filename() or part.get_content_type() for part in parsed.iter_attachments()),
    )


def _header(parsed: EmailMessage, name: str) -> str:
    return str(parsed.get(name, ""))


def _dated(parsed: EmailMessage) -> datetime | None:
    try:
        return parsedate_to_datetime(str(parsed["date"]))
    except (TypeError, ValueError):
        return None


def _words(part: Any) -> str:
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):
        return ""


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    """Every message to patients of the person's sites."""

    shown_patient = "patient.uid"
    list_display = ("due", "what", "who", "where", "standing", "why")
    list_display_links = ("due",)
    list_select_related = ("patient", "site")
    list_filter = ("state", "kind", "site")
    search_fields = ("patient__search_name",)
    search_help_text = gettext_lazy("Patient’s name or number")
    date_hierarchy = "due_at"
    ordering = ("-due_at", "-id")
    fields = ("who", "what", "standing", "why", "due", "sent", "recipient", "attempts", "last_reply")
    readonly_fields = ("who", "what", "standing", "why", "due", "sent")
    change_form_outer_after_template = "scheduling/parts/mail.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("mailbox/", view(mailbox), name="scheduling_message_mailbox"),
            path("mailbox/<str:name>/", view(mailbox_mail), name="scheduling_message_mailbox_mail"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        rows: QuerySet[Message] = super().get_queryset(request).defer("content")
        user = person(request)
        return rows if user.is_superuser else rows.filter(site__in=user.roles.values("site"))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        found = Patient.objects.matching(search_term) if searchable(search_term).split() else None
        return (queryset if found is None else queryset.filter(patient__in=found)), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().change_view(request, object_id, form_url, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            message: Message = response.context_data["original"]
            response.context_data["mail"] = mail_from(bytes(message.content)) if message.content else None
        return response

    @admin.display(description=gettext_lazy("due"), ordering="due_at")
    def due(self, message: Message) -> str:
        return _on_site(message.due_at, message)

    @admin.display(description=gettext_lazy("sent"))
    def sent(self, message: Message) -> str:
        return f"{_on_site(message.sent_at, message)} ({message.site.zone})" if message.sent_at else "–"

    @admin.display(description=gettext_lazy("message"), ordering="kind")
    def what(self, message: Message) -> str:
        words = str(message.get_kind_display()).capitalize()
        return _("%(kind)s, %(days)d days before") % {"kind": words, "days": message.days} if message.days else words

    @admin.display(description=gettext_lazy("patient"), ordering="patient__search_name")
    def who(self, message: Message) -> str:
        return name_and_birth_date(message.patient)

    @admin.display(description=gettext_lazy("site"), ordering="site__name")
    def where(self, message: Message) -> str:
        return message.site.name

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def standing(self, message: Message) -> str:
        return badge(TONES[message.state], str(message.get_state_display()))

    @admin.display(description=gettext_lazy("why"), ordering="state_reason")
    def why(self, message: Message) -> str:
        return why_in_words(message)


def _on_site(at: datetime, message: Message) -> str:
    local = localtime.wall(at, message.site.zone)
    return f"{date_format(local, 'D j M Y')}, {local:%H:%M}"


@admin.register(MessageText)
class MessageTextAdmin(ClinicAdmin):
    """The words of messages, with a preview that is what a patient would read."""

    list_display = ("__str__", "protocol", "subject", "changed_at")
    list_filter = ("kind", "language", "protocol")
    list_select_related = ("protocol",)
    fields = ("kind", "language", "protocol", "subject", "body")
    change_form_outer_after_template = "scheduling/parts/mail.html"

    def get_readonly_fields(self, request: HttpRequest, obj: MessageText | None = None) -> Any:
        return ("kind", "language", "protocol") if obj else ()

    def carry_out(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        text = form.instance
        form.instance = outbox.save_text(
            kind=text.kind,
            language=text.language,
            protocol=text.protocol,
            subject=text.subject,
            body=text.body,
            by=person(request),
            now=timezone.now(),
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().change_view(request, object_id, form_url, extra_context)
        if isinstance(response, TemplateResponse) and response.context_data is not None:
            stored = MessageText.objects.get(pk=response.context_data["original"].pk)  # not what was just refused
            response.context_data["mail"] = _preview(request, stored)
            response.context_data["placeholders"] = sorted(outbox.PLACEHOLDERS)
        return response


def _preview(request: HttpRequest, text: MessageText) -> Mail | None:
    """Return the stored words as a mail to an invented patient of one of the person's sites."""
    sites = sites_of(request)
    if not sites:
        return None
    words = outbox.Wording(text.language, text.subject, text.body)
    on = localtime.local_date(timezone.now(), sites[0].zone)
    content = outbox.preview(words, kind=text.kind, site=sites[0], on=on)
    return Mail(content.subject, sites[0].sender_name, "", None, content.text, content.html, ())


# --- mail on this computer --------------------------------------------------------------------------------------------


@needs("scheduling.message")
def mailbox(request: HttpRequest) -> HttpResponse:
    """List the mails that were written to files, because no mail server is set; the newest first."""
    _refuse_with_a_server()
    files = _files()
    mails = [(file.name, _headers(file), _uid_in(file)) for file in files[:MAILS_SHOWN]]
    patients = _patients(request, [uid for _name, _mail, uid in mails])
    read(request, "scheduling.Mailbox", list(patients.values()), action="list")
    return shown(
        request,
        "scheduling/mailbox.html",
        _("Mail on this computer"),
        {
            "mails": [(name, mail, patients.get(uid)) for name, mail, uid in mails if uid in patients],
            "count": len(files),
            "directory": settings.MAIL_DIR,
        },
    )


@needs("scheduling.message")
def mailbox_mail(request: HttpRequest, name: str) -> HttpResponse:
    """Show one mail as its patient would read it."""
    _refuse_with_a_server()
    file = next((one for one in _files() if one.name == name), None)
    uid = _uid_in(file) if file else None
    patient = _patients(request, [uid]).get(uid)
    if file is None or patient is None:
        raise Http404
    read(request, "scheduling.Message", [patient], uid=uid)
    return shown(
        request,
        "scheduling/mailbox_mail.html",
        _("Mail on this computer"),
        {"mail": mail_from(file.read_bytes()), "patient": patient, "name": name},
    )


def _refuse_with_a_server() -> None:
    if settings.MAIL_HOST:
        raise Http404


def _files() -> list[Path]:
    directory = Path(settings.MAIL_DIR)
    return sorted(directory.glob("[!.]*.eml"), reverse=True) if directory.is_dir() else []


def _headers(file: Path) -> Mail:
    with file.open("rb") as opened:
        parsed = BytesParser(policy=policy.default).parse(opened, headersonly=True)
    headers = [_header(parsed, name) for name in ("subject", "from", "to")]
    return Mail(headers[0], headers[1], headers[2], _dated(parsed), "", "", ())


def _uid_in(file: Path) -> UUID | None:
    """Return the uid of the message a file was written for: its name ends in it."""
    try:
        return UUID(file.stem[-36:])
    except ValueError:
        return None


def _patients(request: HttpRequest, uids: Iterable[UUID | None]) -> dict[UUID | None, Patient]:
    """Return whose mails these are, for messages of the person's sites only."""
    user = person(request)
    rows = Message.objects.filter(uid__in=[uid for uid in uids if uid]).select_related("patient").defer("content")
    if not user.is_superuser:
        rows = rows.filter(site__in=user.roles.values("site"))
    return {message.uid: message.patient for message in rows}
