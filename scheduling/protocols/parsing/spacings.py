"""Reads the spacings of a step, and their late bands."""

from __future__ import annotations

from itertools import combinations, pairwise

from django.utils.translation import gettext as _

from scheduling.planner.amounts import Amount
from scheduling.planner.facts import LateAction, LateBand, Reference, StepKind
from scheduling.protocols.document import Spacing, Step
from scheduling.protocols.reading import Value
from scheduling.protocols.vocabulary import Vocabulary

from .parts import DAYS_AT_MOST, days_in_effect, read_areas, repeats

AMOUNTS = ("floor", "minimum", "target", "overdue", "lapse")


def read_spacing(value: Value, step: Step, before: list[Step], keys: list[str], words: Vocabulary) -> Spacing:
    top = value.fields(
        "from", "floor", "minimum", "target", "tolerance_days", "overdue", "lapse", "only_for_areas", "late_bands",
        "effective_from", "effective_to", required=["from"],
    )  # fmt: skip
    if top is None:
        return Spacing(Reference.PREVIOUS)
    reference, key = _reference(top["from"], step, before, keys)
    amounts = {name: top[name].amount() for name in AMOUNTS}
    effective_from, effective_to = days_in_effect(top)
    spacing = Spacing(
        reference=reference,
        reference_key=key,
        floor=amounts["floor"],
        minimum=amounts["minimum"],
        target=amounts["target"],
        tolerance_days=top["tolerance_days"].number(0, DAYS_AT_MOST, default=0),
        overdue=amounts["overdue"],
        lapse=amounts["lapse"],
        areas=read_areas(top["only_for_areas"], words),
        late_bands=_late_bands(top["late_bands"], amounts["lapse"]),
        effective_from=effective_from,
        effective_to=effective_to,
    )
    _in_order(top, amounts)
    if spacing.tolerance_days and not top["target"].is_there:
        top["tolerance_days"].refuse("tolerance_without_target", _("A tolerance is around a target: add “target:”."))
    if not any(top[name].is_there for name in (*AMOUNTS, "late_bands")):
        message = _("This says nothing. Add at least one of: %(names)s.") % {"names": ", ".join(AMOUNTS)}
        value.refuse("spacing_empty", message)
    return spacing


def _in_order(top: dict[str, Value], amounts: dict[str, Amount | None]) -> None:
    """Refuse a floor above the minimum and so on, for whatever date they are counted from."""
    there = [(name, amount) for name, amount in amounts.items() if amount is not None]
    for (one, first), (other, second) in pairwise(there):
        if not first.always_at_most(second):
            message = _(
                "“%(one)s” (%(first)s) can come after “%(other)s” (%(second)s). The order is %(order)s: lengthen"
                " “%(other)s” or shorten “%(one)s”. (“4 weeks” is never longer than “1 month”; “30 days” can be.)"
            )
            words = {"one": one, "other": other, "first": first, "second": second, "order": " ≤ ".join(AMOUNTS)}
            top[one].refuse("spacing_out_of_order", message % words)


def _reference(value: Value, step: Step, before: list[Step], keys: list[str]) -> tuple[Reference, str]:
    """Read “previous”, “step KEY”, “event KEY” or “last KIND”."""
    text = value.scalar() or "previous"
    word, _space, key = text.partition(" ")
    match word:
        case "previous" if text == "previous":
            if not before and not repeats(step):
                message = _("There is no session before the first one. %(remedy)s")
                value.refuse("reference_never_exists", message % {"remedy": _if_it_repeats()})
            return Reference.PREVIOUS, ""
        case "step" if key:
            _refuse_step(value, key, step, before, keys)
            return Reference.STEP, key
        case "event" if key:
            value.part(key).key()
            return Reference.EVENT, key
        case "last" if key:
            kind = value.part(key).choice(StepKind)
            there = any(other.kind is kind for other in before) or (repeats(step) and step.kind is kind)
            if kind and not there:
                message = _("No session of the kind “%(kind)s” can come before this step. %(remedy)s")
                value.refuse("reference_never_exists", message % {"kind": key, "remedy": _if_it_repeats()})
            return Reference.LAST_OF_KIND, key
    message = _("“%(text)s” is no reference. Write one of: previous, step KEY, event KEY, last treatment.")
    value.refuse("reference_unreadable", message % {"text": value.scalar()})
    return Reference.PREVIOUS, ""


def _if_it_repeats() -> str:
    return _("Remove this spacing; or, if the step repeats, write how often: “sessions: 2”, or “at_most: 6”.")


def _refuse_step(value: Value, key: str, step: Step, before: list[Step], keys: list[str]) -> None:
    if any(other.key == key for other in before) or (key == step.key and repeats(step)):
        return
    names = {"key": key, "earlier": ", ".join(other.key for other in before) or _("(none)")}
    if key in keys:
        message = _("The step “%(key)s” does not come before this one. Refer to an earlier step: %(earlier)s.")
        value.refuse("step_not_earlier", message % names)
    else:
        message = _("There is no step “%(key)s”. Refer to an earlier step: %(earlier)s.")
        value.refuse("step_unknown", message % names)


def _late_bands(value: Value, lapse: Amount | None) -> tuple[LateBand, ...]:
    bands: list[tuple[Value, LateBand]] = []
    for item in value.items():
        top = item.fields("from", "until", "action", "note", required=["from", "action"])
        if top is None:
            continue
        begins, ends = top["from"].amount(), top["until"].amount()
        action = top["action"].choice(LateAction) or LateAction.REVIEW
        if begins is None or (ends is None and top["until"].is_there):
            continue
        if ends is not None and not _has_days(begins, ends):
            message = _("From %(begins)s until %(ends)s, this band is empty or ends before it begins. Lengthen it.")
            item.refuse("late_band_empty", message % {"begins": begins, "ends": ends})
        if lapse is not None and lapse.always_at_most(begins):
            message = _(
                "The course has lapsed by then (%(lapse)s), so an assessment comes first, whatever is said here."
            )
            item.doubt("late_band_after_lapse", message % {"lapse": lapse})
        bands.append((item, LateBand(begins, ends, action, top["note"].words(200))))
    for (_item, one), (item, other) in combinations(bands, 2):
        if not _apart(one, other) and not _apart(other, one):
            message = _(
                "This band overlaps the one from %(begins)s until %(ends)s. “until” is the first day that no longer"
                " belongs to a band, so let one band begin where another ends."
            )
            item.refuse("late_bands_overlap", message % {"begins": one.begins, "ends": one.ends or _("ever after")})
    return tuple(band for _item, band in bands)


def _apart(one: LateBand, other: LateBand) -> bool:
    return one.ends is not None and one.ends.always_at_most(other.begins)


def _has_days(begins: Amount, ends: Amount) -> bool:
    """Whether a band never ends before it begins, and is not empty for every date."""
    return begins.always_at_most(ends) and not ends.always_at_most(begins)
