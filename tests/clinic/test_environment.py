"""Nonsense in the environment is refused at start-up, in words that name the variable and what to write."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clinic.environment import Environment, MailServer, VariableRefused

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", MailServer()),
        ("smtp://mail.example.org", MailServer("mail.example.org", 25)),
        ("smtp://127.0.0.1:2525", MailServer("127.0.0.1", 2525)),
        (
            "smtp+tls://front%40desk:p%3Aw@mail.example.org",
            MailServer("mail.example.org", 587, "front@desk", "p:w", "starttls"),
        ),
        ("smtps://a:b@[::1]:465/", MailServer("::1", 465, "a", "b", "tls")),
    ],
)
def test_a_mail_server_is_read_from_its_address(url, expected):
    assert Environment({"EMAIL_URL": url}).mail_server("EMAIL_URL") == expected


@pytest.mark.parametrize("url", ["mail.example.org", "http://mail", "smtp://", "smtp://mail:port", "smtp://mail/path"])
def test_an_address_of_no_mail_server_is_refused_without_repeating_it(url):
    with pytest.raises(VariableRefused, match=r"^EMAIL_URL .* write ") as refusal:
        Environment({"EMAIL_URL": url}).mail_server("EMAIL_URL")

    assert "port" not in str(refusal.value).replace("587", "")


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("Yes", True), ("off", False), ("", True), (" 0 ", False)]
)
def test_a_flag_is_read_from_the_words_people_write(value, expected):
    assert Environment({"DEMO": value}).flag("DEMO", default=True) is expected


@pytest.mark.parametrize("value", ["0", "65536", "-1", "80 80", "٨", "8e3", "9" * 5000])
def test_a_number_outside_its_limits_is_refused(value):
    with pytest.raises(VariableRefused, match=r"^PORT cannot be used: write a whole number from 1 to 65535$"):
        Environment({"PORT": value}).whole("PORT", 8000, least=1, most=65535)


def test_a_line_break_is_refused_anywhere():
    with pytest.raises(VariableRefused, match=r"^ADMIN_EMAIL holds a line break"):
        Environment({"ADMIN_EMAIL": "a@example.org\nBcc: b@example.org"}).text("ADMIN_EMAIL")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PORT": "hush"}, "PORT cannot be used: write a whole number from 1 to 65535"),
        ({"DEMO": "hush"}, "DEMO is neither yes nor no: write 1 for yes or 0 for no"),
        ({"LOG_LEVEL": "hush"}, "LOG_LEVEL cannot be used: write one of DEBUG, INFO, WARNING, ERROR"),
        ({"DATA_DIR": "~hush"}, "DATA_DIR names a home directory that does not exist: write a whole path"),
        ({"PUBLIC_URL": "https://"}, "PUBLIC_URL does not name a server: write https://cadence.example.org"),
        ({"DATABASE_URL": "mysql://x:hush@h/d"}, "DATABASE_URL is not an address that can be used: write one that"),
        ({"DATABASE_URL": "postgresql://h", "SECRET_KEY": "k" * 50}, "DATABASE_URL names no database: write"),
        (
            {"DATABASE_URL": "postgresql://x:hush@h/d?no=such", "SECRET_KEY": "k" * 50},
            "DATABASE_URL cannot be read: write",
        ),
        (
            {"DATABASE_URL": "postgresql://x:hush@h/d"},
            "SECRET_KEY is missing: with DATABASE_URL set, write at least 50",
        ),
        ({"SECRET_KEY": "hush"}, "SECRET_KEY is too short: write at least 50 random characters"),
        ({"REDIS_URL": "amqp://hush@h"}, "REDIS_URL is not an address that can be used: write one that begins with"),
        ({"REDIS_URL": "redis://hush:port"}, "REDIS_URL does not name a server: write redis://"),
        ({"EMAIL_URL": "smtp://[hush"}, "EMAIL_URL does not name a mail server: write smtp+tls://"),
        ({"EMAIL_URL": "smtp://u:hush@"}, "EMAIL_URL does not name a mail server: write smtp+tls://"),
        (
            {"DB_LOCK_TIMEOUT_SECONDS": "hush"},
            "DB_LOCK_TIMEOUT_SECONDS cannot be used: write a whole number of seconds from 0",
        ),
    ],
)
def test_the_settings_refuse_nonsense_by_name(variables, said, tmp_path):
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}

    loaded = subprocess.run(
        [sys.executable, "-c", "import clinic.settings"],
        cwd=PROJECT,
        env=kept | {"DATA_DIR": str(tmp_path)} | variables,
        capture_output=True,
        text=True,
        check=False,
    )

    assert loaded.returncode == 1
    assert f"VariableRefused: {said}" in loaded.stderr
    assert "hush" not in loaded.stderr


def test_every_variable_that_the_settings_read_is_in_the_example_file():
    settings = (PROJECT / "clinic" / "settings.py").read_text()
    example = (PROJECT / ".env.example").read_text()
    read = set(names_read(settings))
    listed = {line.split("=", 1)[0] for line in example.splitlines() if "=" in line and line[0].isupper()}

    assert read == listed


def names_read(source: str) -> list[str]:
    """Return the names given to the typed helper (and to the one helper in settings that wraps it)."""
    return re.findall(r'(?:env\.\w+|_milliseconds)\(\s*"([A-Z_]+)"', source)
