"""Reads follow-ups, when messages go, and their words."""

from __future__ import annotations

from collections.abc import Collection

from django.utils.translation import gettext as _

from scheduling.models import FollowUp as FollowUpRow
from scheduling.models import MessageKind
from scheduling.outbox import placeholders
from scheduling.protocols.document import FollowUp, MessageRule, MessageWords, Step
from scheduling.protocols.reading import Value

from .parts import DAYS_AT_MOST, PLACEHOLDER, read_languages

BEFORE_THE_VISIT = frozenset({MessageKind.PREPARATION, MessageKind.REMINDER})
AFTER_THE_SESSION = frozenset({MessageKind.FINISHED})


def read_follow_up(value: Value, steps: tuple[Step, ...]) -> FollowUp | None:
    top = value.fields(
        "key", "name", "after_step", "kind", "after", "give_or_take_days", "only_after_last_session",
        required=["key", "name", "after_step", "kind", "after"],
    )  # fmt: skip
    if top is None:
        return None
    return FollowUp(
        top["key"].key(),
        top["name"].words(120),
        top["after_step"].choice([step.key for step in steps], "step_unknown") or "",
        top["kind"].choice(FollowUpRow.Kind.values) or "",
        top["after"].amount() or PLACEHOLDER,
        top["give_or_take_days"].number(0, DAYS_AT_MOST, default=0),
        top["only_after_last_session"].flag(default=False),
    )


def read_message_rule(value: Value) -> MessageRule | None:
    top = value.fields("kind", "days_before", "days_after", "only_if_booked_days_ahead", "sent", required=["kind"])
    if top is None:
        return None
    kind = top["kind"].choice(MessageKind.values, "message_kind_unknown") or ""
    if kind == MessageKind.CHECK:
        message = _("This one is a follow-up. Write it under “follow_ups:”, with the step and the time after it.")
        top["kind"].refuse("message_is_a_follow_up", message)
    before, after = (top[name].optional_number(1, DAYS_AT_MOST) for name in ("days_before", "days_after"))
    if kind in BEFORE_THE_VISIT and not top["days_before"].is_there:
        top["days_before"].refuse("missing", _("Add “days_before:”, how many days before the visit it goes."))
    if kind and kind not in BEFORE_THE_VISIT and top["days_before"].is_there:
        top["days_before"].refuse("days_mean_nothing", _("This message does not go before a visit. Remove the line."))
    if kind and kind not in AFTER_THE_SESSION and top["days_after"].is_there:
        top["days_after"].refuse("days_mean_nothing", _("This message does not go after a session. Remove the line."))
    if kind and kind not in BEFORE_THE_VISIT and top["only_if_booked_days_ahead"].is_there:
        message = _("This message does not go before a visit. Remove the line.")
        top["only_if_booked_days_ahead"].refuse("days_mean_nothing", message)
    ahead = top["only_if_booked_days_ahead"].optional_number(1, DAYS_AT_MOST)
    return MessageRule(kind, before or -(after or 0), ahead, top["sent"].flag(default=True))


def read_texts(value: Value) -> tuple[MessageWords, ...]:
    found = []
    for kind, group in ((value.entries() if value.is_there else {}) or {}).items():
        group.part(kind).choice(MessageKind.values, "message_kind_unknown")
        for language, words in read_languages(group).items():
            top = words.fields("subject", "body", required=["subject", "body"])
            if top is not None:
                _placeholders_known(top["subject"], placeholders.SUBJECT)
                _placeholders_known(top["body"], placeholders.PLACEHOLDERS)
                found.append(MessageWords(kind, language, top["subject"].words(150), top["body"].text(100_000)))
    return tuple(sorted(found, key=lambda text: (text.kind, text.language)))


def _placeholders_known(value: Value, known: Collection[str]) -> None:
    there_are = ", ".join(f"${{{name}}}" for name in placeholders.PLACEHOLDERS if name in known)
    for name in placeholders.named_in(value.peek_text()):
        if name not in known:
            message = _("“${%(name)s}” cannot be filled in here. There are: %(there_are)s.")
            value.refuse("placeholder_unknown", message % {"name": name, "there_are": there_are})
