"""A mail server that takes mail, and a line to it."""

from __future__ import annotations

from tests.smtp_sink import sink, smtp

__all__ = ["sink", "smtp"]
