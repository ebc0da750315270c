"""Ways for a mail to leave, against a real SMTP server that misbehaves, and into a directory."""

from __future__ import annotations

import socket
import uuid
from datetime import UTC, datetime

import pytest

from scheduling.transport import (
    Envelope,
    FileTransport,
    LostAfterDot,
    NotTaken,
    PermanentRefusal,
    SmtpTransport,
    TemporaryRefusal,
    Unreachable,
)
from tests import smtp_sink

CONTENT = b"Subject: Appointment\r\n\r\n.a line that begins with a dot\r\n..two\r\nend\r\n"


def envelope(recipient: str = "zoe@example.org", content: bytes = CONTENT) -> Envelope:
    return Envelope(uuid.uuid4(), "desk@harbour.example", recipient, content, datetime(2027, 1, 8, 9, 0, tzinfo=UTC))


def nothing() -> None:
    """What a caller without a database does before the dot."""


def refused(transport, wanted: Envelope, before_dot=nothing) -> str:
    """Return the kind of refusal and the server's reply."""
    with pytest.raises(NotTaken) as refusal:
        transport.send(wanted, before_dot)
    return f"{type(refusal.value).__name__}: {refusal.value.reply}"


def test_a_batch_goes_over_one_connection_byte_for_byte(sink, smtp):
    replies = [smtp.send(envelope(), nothing) for _ in range(3)]

    assert replies == ["250 OK"] * 3
    assert [(taken.sender, taken.recipients, taken.content) for taken in sink.taken] == [
        ("desk@harbour.example", ("zoe@example.org",), CONTENT)
    ] * 3
    assert sink.connections == 1


def test_the_caller_is_asked_before_the_final_dot(sink, smtp):
    seen: list[int] = []
    smtp.send(envelope(), lambda: seen.append(len(sink.taken)))

    assert (seen, len(sink.taken)) == ([0], 1)


def test_a_mail_whose_caller_objects_before_the_dot_never_leaves_and_the_next_one_does(sink, smtp):
    class Objection(Exception):
        """The caller's own."""

    def object_() -> None:
        raise Objection

    with pytest.raises(Objection):
        smtp.send(envelope(), object_)
    smtp.send(envelope("max@example.org"), nothing)

    assert [taken.recipients for taken in sink.taken] == [("max@example.org",)]


def test_refusals_tell_whether_it_is_worth_another_try_and_spare_the_connection(sink, smtp):
    sink.at_rcpt.extend(["450 4.2.1 busy", "550 5.1.1 no such user"])
    sink.at_data.extend(["451 4.3.0 later", "554 5.7.1 spam"])

    assert [refused(smtp, envelope()) for _ in range(4)] == [
        "TemporaryRefusal: 450 4.2.1 busy",
        "PermanentRefusal: 550 5.1.1 no such user",
        "TemporaryRefusal: 451 4.3.0 later",
        "PermanentRefusal: 554 5.7.1 spam",
    ]
    smtp.send(envelope(), nothing)
    assert (len(sink.taken), sink.connections) == (1, 1)


def test_a_line_that_breaks_after_the_dot_leaves_it_open_whether_the_mail_was_taken(sink, smtp):
    sink.after_data.extend(["drop", "take_and_drop"])

    for _ in range(2):
        with pytest.raises(LostAfterDot):
            smtp.send(envelope(), nothing)
    smtp.send(envelope(), nothing)

    assert (len(sink.taken), sink.connections) == (2, 3)


def test_a_connection_that_went_stale_between_two_mails_is_made_anew(sink, smtp):
    smtp.send(envelope(), nothing)
    smtp._connection.sock.shutdown(socket.SHUT_RDWR)
    smtp.send(envelope(), nothing)

    assert (len(sink.taken), sink.connections) == (2, 2)


def test_nobody_at_home_says_nothing_about_the_mail():
    transport = SmtpTransport("127.0.0.1", smtp_sink.closed_port())

    with pytest.raises(Unreachable):
        transport.send(envelope(), nothing)


def test_encryption_that_the_server_does_not_offer_is_not_done_without(sink):
    transport = SmtpTransport("127.0.0.1", sink.port, security="starttls")

    with pytest.raises(Unreachable):
        transport.send(envelope(), nothing)
    assert sink.taken == []


@pytest.mark.parametrize(
    "address", ["", "zoe", "zoé@example.org", "a b@example.org", "zoe@example.org\r\nRCPT TO:<x@y>"]
)
def test_an_address_that_cannot_be_written_is_refused_for_good(sink, smtp, address):
    with pytest.raises(PermanentRefusal):
        smtp.send(envelope(address), nothing)
    assert sink.taken == []


def test_a_domain_with_an_umlaut_is_written_in_ascii(sink, smtp):
    smtp.send(envelope("zoe@müller.example"), nothing)

    assert [taken.recipients for taken in sink.taken] == [("zoe@xn--mller-kva.example",)]


def test_a_file_is_named_by_its_time_and_a_repeat_replaces_it(tmp_path):
    transport = FileTransport(tmp_path / "mail")
    wanted = envelope()
    for _ in range(2):
        transport.send(wanted, nothing)

    (file,) = (tmp_path / "mail").iterdir()
    assert (file.name, file.read_bytes()) == (f"20270108T090000.000000Z-{wanted.uid}.eml", CONTENT)


def test_a_file_appears_only_when_the_caller_agrees(tmp_path):
    def object_() -> None:
        raise TemporaryRefusal("not now")

    with pytest.raises(TemporaryRefusal):
        FileTransport(tmp_path).send(envelope(), object_)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_like_a_server_that_is_away(tmp_path):
    (tmp_path / "mail").write_text("a file is in the way")

    with pytest.raises(Unreachable):
        FileTransport(tmp_path / "mail").send(envelope(), nothing)
