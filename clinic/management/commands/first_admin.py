"""`manage.py first_admin`: make sure that somebody can sign in to an empty clinic."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.utils import timezone

from clinic import accounts
from clinic.models import User


class Command(BaseCommand):
    help = "Make an administrator (ADMIN_EMAIL) when there is none, and show the password once."

    def handle(self, *_: Any, **__: Any) -> None:
        if User.objects.filter(is_superuser=True, is_active=True).exists():
            return
        email = settings.ADMIN_EMAIL
        try:
            validate_email(email)
        except ValidationError:
            raise CommandError("ADMIN_EMAIL is not an e-mail address: write one, such as admin@example.org") from None
        password = secrets.token_urlsafe(12)
        accounts.create_user(
            email=email,
            name="Administrator",
            password=password,
            roles={},
            is_superuser=True,
            by=None,
            now=timezone.now(),
        )
        self.stdout.write(f"An administrator was made: {email} with the password {password} (shown only now)")
