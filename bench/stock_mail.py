"""A reminder built the way Django projects build mails: templates, icalendar, EmailMultiAlternatives."""

from __future__ import annotations

from datetime import timedelta

from django.core.mail import EmailMultiAlternatives
from django.template import engines
from icalendar import Calendar, Event, vCalAddress

from clinic import localtime
from scheduling.models import Appointment, Message
from scheduling.outbox.render import TEMPLATE

WHEN = """{{ visit.on|date:"l j F Y" }}, {{ visit.at_time|time:"H:i" }} (time zone: {{ visit.zone }})"""
TEXT = f"""Dear {{{{ patient.name }}}},

we look forward to seeing you:
- {WHEN}

Please come to: {{{{ site.sender_name }}}}, {{{{ site.address }}}}

If you cannot come, please call us now, so that we can find another time for you: {{{{ site.phone }}}}
"""
P = '<p style="margin:0 0 16px;line-height:1.5">'
HTML = f"""{P}Dear {{{{ patient.name }}}},</p>
{P}we look forward to seeing you:</p>
<ul style="margin:0 0 16px;padding-left:20px;line-height:1.6"><li>{WHEN}</li></ul>
{P}Please come to: {{{{ site.sender_name }}}}, {{{{ site.address }}}}</p>
{P}If you cannot come, please call us now, so that we can find another time for you: {{{{ site.phone }}}}</p>"""
SUBJECT = """Appointment on {{ visit.on|date:"D j F" }}, {{ visit.at_time|time:"H:i" }}"""
FOOTER = "{{ site.sender_name }} · {{ site.address }} · {{ site.phone }}"


class Stock:
    """Templates that are compiled once, as a cached loader would."""

    def __init__(self) -> None:
        page = TEMPLATE.read_text()
        parts = {
            "language": "en",
            "subject": SUBJECT,
            "preview": SUBJECT + " · {{ site.sender_name }}",
            "padding": "&#847;&zwnj;&nbsp;" * 40,
            "sender": "{{ site.sender_name }}",
            "body": HTML,
            "footer": FOOTER,
        }
        for name, part in parts.items():
            page = page.replace(f"${{{name}}}", part)
        self.text, self.page, self.subject = (engines["django"].from_string(one) for one in (TEXT, page, SUBJECT))

    def build(self, message: Message, visit: Appointment) -> bytes:
        context = {"patient": message.patient, "site": message.site, "visit": visit}
        mail = EmailMultiAlternatives(
            self.subject.render(context),
            self.text.render(context),
            f"{message.site.sender_name} <{message.site.sender_email}>",
            [f"{message.patient.name} <{message.patient.email}>"],
            headers={"Message-ID": f"<{message.uid}@bench.example>", "Auto-Submitted": "auto-generated"},
        )
        mail.attach_alternative(self.page.render(context), "text/html")
        calendar = self._calendar(message, visit)
        mail.attach_alternative(calendar, "text/calendar; method=REQUEST")
        mail.attach("visit.ics", calendar, "application/ics")
        return mail.message().as_bytes(linesep="\r\n")  # type: ignore[call-arg]  # Django's own messages take it

    @staticmethod
    def _calendar(message: Message, visit: Appointment) -> str:
        starts = localtime.wall(visit.during.lower, visit.zone)
        event = Event()
        event.add("uid", visit.calendar_uid)
        event.add("sequence", visit.calendar_sequence)
        event.add("dtstamp", visit.booked_at)
        event.add("dtstart", starts)
        event.add("dtend", starts + timedelta(minutes=visit.minutes))
        event.add("summary", "Appointment")
        event.add("location", message.site.address)
        event.add("organizer", vCalAddress(f"mailto:{message.site.sender_email}"))
        event.add("attendee", vCalAddress(f"mailto:{message.patient.email}"))
        event.add("class", "PRIVATE")
        calendar = Calendar()
        calendar.add("prodid", "-//bench//EN")
        calendar.add("version", "2.0")
        calendar.add("method", "REQUEST")
        calendar.add_component(event)
        written: bytes = calendar.to_ical()
        return written.decode()
