"""The words of messages: what may be stored, which are chosen, and what mails look like in the end."""

from __future__ import annotations

from datetime import date, time
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from typing import Any

import pytest
import yaml
from icalendar import Calendar

from clinic.errors import NotAllowed
from clinic.models import User
from scheduling import outbox, protocols
from scheduling.models import Message, MessageKind, MessageText
from scheduling.outbox import mime, placeholders, render, texts

from .mail_clinic import NOW, MailClinic, content_of, words_of

pytestmark = pytest.mark.django_db

BODY = "Dear ${name},\n\nwe look forward to:\n${visits}\n"


def refusals(**changes: str) -> list[tuple[str, str]]:
    details: dict[str, Any] = {"kind": "reminder", "language": "en", "subject": "On ${when}", "body": BODY} | changes
    with pytest.raises(outbox.TextRefused) as refusal:
        outbox.save_text(**details, by=None, now=NOW)
    return [(problem.code, problem.where) for problem in refusal.value.problems]


def test_a_text_is_stored_with_its_placeholders_and_replaced_by_the_next():
    first = outbox.save_text(kind="reminder", language="en", subject="On ${when}", body=BODY, by=None, now=NOW)
    again = outbox.save_text(kind="reminder", language="en", subject="Soon", body=BODY, by=None, now=NOW)

    assert (first.pk, again.subject, first.placeholders, again.placeholders) == (
        again.pk, "Soon", ["when", "name", "visits"], ["name", "visits"],
    )  # fmt: skip


def test_what_could_not_be_sent_is_not_stored():
    assert refusals(subject="a\r\nBcc: x@example.org") == [("subject_not_one_line", "subject")]
    assert refusals(subject="For ${name}") == [("placeholder_unknown", "subject")]  # a name is for no subject
    assert refusals(body="${patient.email} ${}") == [("placeholder_unknown", "body")] * 2
    assert refusals(kind="advert", language="EN_gb", subject="", body=" ") == [
        ("message_kind_unknown", "kind"),
        ("language_unknown", "language"),
        ("message_text_empty", "body"),
    ]
    assert MessageText.objects.count() == 0


def test_only_a_manager_changes_texts():
    somebody = User.objects.create_user("desk@harbour.example", name="Desk")
    with pytest.raises(NotAllowed):
        outbox.save_text(kind="reminder", language="en", subject="Soon", body=BODY, by=somebody, now=NOW)


def test_template_code_stays_the_letters_it_is():
    body = "{% load x %} {{ settings }} {name.__class__} $name %(name)s"
    values = {"name": "<b>Zoë</b>"}

    assert placeholders.as_text(body, values, {}) == body + "\n"
    assert placeholders.as_text("${name}", {"name": "${visits}"}, {}) == "${visits}\n"
    assert "&lt;b&gt;Zoë&lt;/b&gt; &lt;i&gt;" in placeholders.as_html("${name} <i>", values, {})


def test_a_paragraph_that_names_an_empty_list_is_left_out():
    body = "One.\n\nWe ask you:\n${questions}\n\nTwo."

    assert placeholders.as_text(body, {}, {"questions": []}) == "One.\n\nTwo.\n"
    assert placeholders.as_text(body, {}, {"questions": ["A?", "B?"]}) == "One.\n\nWe ask you:\n- A?\n- B?\n\nTwo.\n"


def test_every_shipped_text_may_be_stored_and_every_kind_has_one_in_each_language():
    assert outbox.load_texts(now=NOW) == 2 * len(MessageKind)
    assert set(MessageText.objects.values_list("kind", "language")) == {
        (kind, language) for kind in MessageKind.values for language in ("en", "de")
    }


def test_loading_texts_again_leaves_what_a_manager_wrote():
    outbox.load_texts(now=NOW)
    outbox.save_text(kind="reminder", language="en", subject="Ours", body=BODY, by=None, now=NOW)

    assert outbox.load_texts(now=NOW) == 0
    assert MessageText.objects.get(kind="reminder", language="en").subject == "Ours"
    outbox.load_texts(now=NOW, overwrite=True)
    assert MessageText.objects.get(kind="reminder", language="en").subject == "Appointment on ${when}"


def test_the_patients_language_comes_first_then_the_sites_then_english_and_the_protocols_own_words_before_others():
    clinic = MailClinic()
    for language, protocol in (("en", None), ("de", None), ("de", clinic.protocol), ("fr", None)):
        subject = f"{language} {'own' if protocol else 'for all'}"
        outbox.save_text(
            kind="reminder", language=language, protocol=protocol, subject=subject, body=BODY, by=None, now=NOW
        )
    library = texts.Library()

    def chosen(*languages: str) -> str:
        return library.wording("reminder", clinic.protocol.pk, languages).subject

    assert [chosen("de", "en"), chosen("de-at", "en"), chosen("pl", "fr"), chosen("pl", "pl"), chosen("fr", "de")] == [
        "de own", "de own", "fr for all", "en for all", "fr for all",
    ]  # fmt: skip


def test_without_stored_texts_the_shipped_ones_are_sent():
    assert texts.Library().wording("recall", None, ("de", "en")).subject == "Zeit für Ihren nächsten Termin"


def test_dates_are_written_as_people_of_the_language_write_them():
    on = date(2027, 3, 9)

    assert {
        language: (
            render.day_in_short(language, on),
            render.day_in_full(language, on),
            render.clock(language, time(9, 5)),
        )
        for language in ("en", "de", "fr")
    } == {
        "en": ("Tue 9 March", "Tuesday 9 March 2027", "09:05"),
        "de": ("Di 9. März", "Dienstag, 9. März 2027", "09:05"),
        "fr": ("mar 9 mars", "mardi 9 mars 2027", "09:05"),
    }


# --- whole mails ------------------------------------------------------------------------------------------------------


def sent_mail(clinic: MailClinic, kind: str, tmp_path):
    """Deliver everything that is due into a directory, and return the mail of a kind with its parts."""
    from scheduling.transport import FileTransport

    outbox.deliver_due(NOW, transport=FileTransport(tmp_path))
    content = content_of(Message.objects.get(kind=kind, state="sent"))
    mail = message_from_bytes(content, policy=policy.default)
    return mail, [part.get_content_type() for part in mail.walk()]


def test_a_confirmation_of_one_visit_is_text_html_and_calendar(tmp_path):
    clinic = MailClinic()
    patient = clinic.patient(email="zoe@example.org")
    (visit,) = clinic.booked("2027-03-09", patient=patient)
    outbox.confirm([visit], now=NOW)
    mail, types = sent_mail(clinic, "confirmation", tmp_path)
    message = Message.objects.get(kind="confirmation")

    assert {name: mail[name] for name in set(mail.keys()) - {"Content-Type"}} == {
        "From": "Harbour Clinic <desk@harbour.example>",
        "To": "Zoë Müller <zoe@example.org>",
        "Subject": "Appointment on Tue 9 March, 10:30",
        "Date": "Mon, 04 Jan 2027 10:00:00 +0000",
        "Message-ID": f"<{message.uid}@harbour.example>",
        "Content-Language": "en",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "X-Entity-Ref-ID": str(message.uid),
        "MIME-Version": "1.0",
    }
    assert types == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "text/calendar", "application/ics",
    ]  # fmt: skip
    assert words_of(mail) == (
        "Dear Zoë Müller,\n\n"
        "this is to confirm what we have booked for you:\n"
        "- Tuesday 9 March 2027, 10:30 (time zone: Europe/London)\n\n"
        "Each visit is attached as a calendar file. Please come to: Harbour Clinic, 1 Harbour Street, London\n\n"
        "If you cannot come, please call us as early as you can: +44 20 7946 0000\n"
    )
    calendar, attached = (part for part in mail.walk() if part.get_content_subtype() in {"calendar", "ics"})
    assert calendar.get_param("method") == "REQUEST"
    assert calendar.get_content().replace("\r\n", "\n") == attached.get_content().decode().replace("\r\n", "\n")
    (event,) = Calendar.from_ical(attached.get_content()).walk("VEVENT")
    assert (event["UID"], event["SEQUENCE"], event["ORGANIZER"]) == (
        visit.calendar_uid, 0, "mailto:desk@harbour.example",
    )  # fmt: skip


def test_a_series_is_one_mail_with_a_calendar_file_for_each_visit(tmp_path):
    clinic = MailClinic()
    visits = clinic.booked("2027-02-15", "2027-03-15", "2027-04-15")
    outbox.confirm(visits, now=NOW)
    mail, types = sent_mail(clinic, "confirmation", tmp_path)

    assert mail["Subject"] == "Appointment on Mon 15 February, 10:30 and 2 more"
    assert types == ["multipart/mixed", "multipart/alternative", "text/plain", "text/html", *["text/calendar"] * 3]
    files = list(mail.iter_attachments())
    assert [(file.get_filename(), file.get_param("method")) for file in files] == [
        ("2027-02-15.ics", "REQUEST"), ("2027-03-15.ics", "REQUEST"), ("2027-04-15.ics", "REQUEST"),
    ]  # fmt: skip
    assert [str(event["UID"]) for file in files for event in Calendar.from_ical(file.get_content()).walk("VEVENT")] == [
        visit.calendar_uid for visit in visits
    ]


def test_no_subject_preview_or_calendar_names_the_treatment_or_loads_anything_from_outside(tmp_path):
    clinic = MailClinic()
    outbox.confirm(clinic.booked("2027-02-15"), now=NOW)
    mail, _types = sent_mail(clinic, "confirmation", tmp_path)
    page = mail.get_body(("html",)).get_content()

    for told in (mail["Subject"], page, content_of(Message.objects.get(kind="confirmation")).decode("ascii")):
        assert not {word for word in ("vein", "sclero", "inject") if word in told.lower()}
    assert not {word for word in ("<img", "<script", "http:", "https:", "url(", "<link") if word in page}
    preview = page.split('overflow:hidden">', 1)[1]
    assert preview.startswith("Appointment on Mon 15 February, 10:30 · Harbour Clinic&#847;")


def test_a_german_patient_reads_german(tmp_path):
    clinic = MailClinic()
    (visit,) = clinic.booked("2027-03-09", patient=clinic.patient(language="de"))
    outbox.confirm([visit], now=NOW)
    mail, _types = sent_mail(clinic, "confirmation", tmp_path)

    assert mail["Subject"] == "Termin am Di 9. März, 10:30"
    assert "- Dienstag, 9. März 2027, 10:30 Uhr (Zeitzone: Europe/London)" in words_of(mail)


def test_hostile_names_stay_names():
    mail = mime.Mail(
        uid="u", message_id="<u@x>", dated_at=NOW, from_name='Evil" <x@y>, "', from_address="a@müller.example",
        to_name=("Ünï " * 40).strip(), to_address="p@example.org", subject="é" * 150, language="en",
        text="t\n.\n", html="<p>h</p>",
    )  # fmt: skip
    parsed = message_from_bytes(mime.as_bytes(mail), policy=policy.default)

    assert parsed["Subject"] == "é" * 150
    assert [str(address) for address in parsed["From"].addresses] == ['"Evil\\" <x@y>, \\"" <a@xn--mller-kva.example>']
    # The newer parser puts spaces between the parts of a long name, which RFC 2047 6.2 forbids; the older one does not.
    written = message_from_bytes(mime.as_bytes(mail))["To"]
    assert str(make_header(decode_header(written))) == ("Ünï " * 40).strip() + " <p@example.org>"
    assert max(len(line) for line in mime.as_bytes(mail).split(b"\r\n")) <= 120
    with pytest.raises(ValueError, match="line break in Message-ID"):
        mime.as_bytes(
            mime.Mail(**{name: getattr(mail, name) for name in mail.__slots__} | {"message_id": "<a>\r\nX: y"})
        )


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("kind", MessageKind.values)
def test_every_shipped_text_can_be_previewed(kind, language):
    clinic = MailClinic()
    content = outbox.preview(texts.shipped()[language].texts[kind], kind=kind, site=clinic.site, on=date(2027, 3, 9))

    assert "${" not in content.subject + content.text + content.html
    assert content.text.startswith(("Dear Alex Example,\n", "Guten Tag Alex Example,\n"))


# --- the signs of an emergency ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "sign"), [("en", "trouble breathing"), ("de", "Atemnot")])
def test_advice_that_speaks_of_no_emergency_gets_the_signs_of_one(language, sign):
    outbox.save_text(kind="aftercare", language=language, subject="After", body="Rest.", by=None, now=NOW)

    wording = texts.Library().wording("aftercare", None, [language])

    assert wording.body.startswith("Rest.\n\n")
    assert sign in wording.body


def test_advice_that_names_them_itself_stays_as_it_was_written():
    body = "Rest. If your calf swells, call an ambulance at once.\n"
    outbox.save_text(kind="aftercare", language="en", subject="After", body=body, by=None, now=NOW)

    assert texts.Library().wording("aftercare", None, ["en"]).body == body


def test_no_other_message_speaks_of_an_emergency():
    outbox.save_text(kind="reminder", language="en", subject="Soon", body="Come.", by=None, now=NOW)

    assert texts.Library().wording("reminder", None, ["en"]).body == "Come.\n"


@pytest.mark.parametrize("language", texts.shipped())
def test_the_default_advice_speaks_of_an_emergency(language):
    words, advice = texts.words(language), texts.shipped()[language].texts["aftercare"]

    assert any(word.strip() in advice.body.lower() for word in words["emergency"].split(","))


@pytest.mark.parametrize("key", protocols.shipped_keys())
def test_the_advice_of_every_shipped_protocol_reaches_the_patient_with_the_signs_of_an_emergency(key):
    """In the words of its file, or with ours added."""
    own = yaml.safe_load(protocols.shipped(key)).get("texts", {}).get("aftercare", {})

    for language, text in own.items():
        whole = texts.with_red_flags(texts.Wording(language, text["subject"], text["body"]), "aftercare").body.lower()
        assert any(word.strip() in whole for word in texts.words(language)["emergency"].split(",")), language
