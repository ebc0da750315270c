"""What may be typed into a field, whichever edge it comes through."""

from __future__ import annotations

import unicodedata

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

from . import localtime


def validate_one_line(value: str) -> None:
    """Refuse control characters and line ends: names go into mail headers and calendar files."""
    if any(unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs"} for c in value):
        raise ValidationError(
            _("Write this on one line, without line breaks or control characters."), code="not_one_line"
        )


def validate_one_address(value: str) -> None:
    """Refuse anything but exactly one e-mail address (a header would deliver `a@x, b@y` to both)."""
    if any(c in value for c in ",;\r\n"):
        raise ValidationError(_("Give one e-mail address only."), code="more_than_one_address")
    validate_email(value)


def validate_zone(value: str) -> None:
    """Refuse what is not an IANA zone."""
    try:
        localtime.zone(value)
    except localtime.ZoneUnknown as error:
        raise ValidationError(error.problems[0].message, code=error.code) from error
