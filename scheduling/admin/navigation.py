"""What stands at the side of every page: what the person's roles let them see. Named in settings.UNFOLD."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _

from clinic.admin import RIGHTS, has_role


def items(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups of links that unfold's sidebar shows; a group without a link is left out."""
    groups = [
        (
            _("Front desk"),
            [
                ("scheduling.course", "checklist", _("Worklist"), "index"),
                ("scheduling.appointment", "today", _("Day list"), "scheduling_appointment_day"),
                ("patients.patient", "group", _("Patients"), "patients_patient_changelist"),
                ("scheduling.course", "event_repeat", _("Courses"), "scheduling_course_changelist"),
                ("scheduling.appointment", "calendar_month", _("Visits"), "scheduling_appointment_changelist"),
                ("scheduling.proposal", "swap_horiz", _("Proposals"), "scheduling_proposal_changelist"),
                ("scheduling.override", "gavel", _("Overrides"), "scheduling_override_changelist"),
            ],
        ),
        (
            _("Messages"),
            [
                ("scheduling.message", "outbox", _("Outbox"), "scheduling_message_changelist"),
                *(
                    [("scheduling.message", "drafts", _("Mail on this computer"), "scheduling_message_mailbox")]
                    if not settings.MAIL_HOST
                    else []
                ),
                ("scheduling.messagetext", "edit_note", _("Texts"), "scheduling_messagetext_changelist"),
            ],
        ),
        (
            _("Clinic"),
            [
                ("scheduling.resource", "badge", _("People, rooms, devices"), "scheduling_resource_changelist"),
                ("scheduling.absence", "event_busy", _("Absences"), "scheduling_absence_changelist"),
                ("scheduling.closure", "door_front", _("Closures"), "scheduling_closure_changelist"),
                (
                    "scheduling.protocolversion",
                    "clinical_notes",
                    _("Protocols"),
                    "scheduling_protocolversion_changelist",
                ),
                ("patients.question", "quiz", _("Questions"), "patients_question_changelist"),
            ],
        ),
        (
            _("Administration"),
            [
                ("clinic.user", "manage_accounts", _("People who sign in"), "clinic_user_changelist"),
                ("clinic.site", "location_on", _("Sites"), "clinic_site_changelist"),
                ("clinic.accessevent", "visibility", _("Who read what"), "clinic_accessevent_changelist"),
            ],
        ),
    ]
    shown = [{"title": title, "items": list(_links(request, links))} for title, links in groups]
    return [group for group in shown if group["items"]]


def _links(request: HttpRequest, links: list[tuple[str, str, str, str]]) -> Iterator[dict[str, Any]]:
    path = request.path
    for label, icon, title, name in links:
        if not has_role(request, RIGHTS[label].see):
            continue
        link = reverse(f"admin:{name}")
        # The list's address begins those of its rows; a page of its own below it (the day list) is not one of them.
        is_own_page = any(path == reverse(f"admin:{other}") for *_rest, other in links if other != name)
        active = path == link or (name != "index" and path.startswith(link) and not is_own_page)
        yield {"title": title, "icon": icon, "link": link, "active": active}


def stylesheet(_request: HttpRequest) -> str:
    return static("scheduling/desk.css")


def everywhere(request: HttpRequest) -> dict[str, Any]:
    """Return what every page of the admin gets: a navigation that the keyboard can use, and a way to find patients."""
    return {
        "templates": {"navigation": "scheduling/parts/navigation.html"},
        "themes": [
            ("light", "light_mode", _("Light")),
            ("dark", "dark_mode", _("Dark")),
            ("auto", "contrast", _("Auto")),
        ],
        "finds_patients": has_role(request, RIGHTS["patients.patient"].see),
    }


def icon(_request: HttpRequest) -> str:
    return static("scheduling/mark.svg")
