"""What differs between two protocols, in words."""

from __future__ import annotations

import pytest

from scheduling import protocols
from scheduling.protocols.document import Document
from tests.scheduling.protocol_files import BANDS, SMALL, TWO_STEPS, WORDS, changed


def parsed(text: str) -> Document:
    return protocols.parse_with(text, WORDS)


def told(before: str, after: str) -> list[str]:
    return [str(one) for one in protocols.differences(parsed(before), parsed(after))]


CONSENT = changed("gates: []", "gates: [consent]") + "consent: {at: visit, cooling_off: 1 day, texts: {en: I agree}}\n"
WAITS = "[{amount: 1 day}, {amount: 7 days, jurisdiction: AU, under_age: 18}]"
AREAS = changed("gates: []", "gates: [area]") + "areas: [left_thigh, chest]\n"
BANDED = changed("    gates: []\n", BANDS.format("8 days", "14 days", "14 days") + "    gates: []\n")
GATED = changed("gates: []", "gates: [outcome, {yearly_limit: {at_most: 5}}, {season: {from: 05-01, until: 09-30}}]")
TEXTS = SMALL + "texts: {aftercare: {en: {subject: After, body: Rest.}}}\n"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (SMALL, SMALL, []),
        (
            SMALL,
            changed("target: 3 weeks", "target: 21 days"),
            ["step peel, spacing from previous, target: 3 weeks becomes 21 days"],
        ),
        (
            SMALL,
            changed("target: 3 weeks", "overdue: 4 weeks"),
            [
                "step peel, spacing from previous, target: gone, it was 3 weeks",
                "step peel, spacing from previous, overdue: new, 4 weeks",
            ],
        ),
        (
            SMALL,
            changed("room: treatment_room", "room: laser_room"),
            [
                "step peel, phase Peel, needs, room: treatment_room becomes laser_room",
            ],
        ),
        (
            SMALL,
            TWO_STEPS,
            [
                "step second: new, name Peel, kind treatment, sessions 4, at_most 6, lead_role nurse",
            ],
        ),
        (
            TWO_STEPS,
            TWO_STEPS.replace("second", "x").replace("key: peel", "key: second").replace("key: x", "key: peel"),
            [
                "steps: peel, second becomes second, peel",
            ],
        ),
        (
            BANDED,
            BANDED.replace("repeat_step", "restart").replace("from: 14 days", "from: 15 days"),
            [
                "step peel, spacing from previous, late band from 8 days, action: repeat_step becomes restart",
                "step peel, spacing from previous, late band from 14 days: gone, it was action review",
                "step peel, spacing from previous, late band from 15 days: new, action review",
            ],
        ),
        (
            GATED,
            GATED.replace("outcome, ", "").replace("at_most: 5", "at_most: 6").replace("09-30", "08-31"),
            [
                "step peel, gate outcome: gone",
                "step peel, gate yearly_limit, at_most: 5 becomes 6",
                "step peel, gate season from 05-01, until 09-30: gone",
                "step peel, gate season from 05-01, until 08-31: new",
            ],
        ),
        (AREAS, AREAS.replace("chest", "back"), ["areas: gone, it was chest", "areas: new, back"]),
        (
            CONSENT,
            CONSENT.replace("1 day", WAITS),
            ["consent, cooling_off: 1 day becomes amount 1 day; amount 7 days, jurisdiction AU, under_age 18"],
        ),
        (CONSENT, CONSENT.replace("I agree", f"'{'I agree. ' * 20}'"), ["consent, texts, en: worded anew"]),
        (TEXTS, TEXTS.replace("Rest.", '"Rest.\\n\\nWalk."'), ["texts, aftercare, en, body: worded anew"]),
        (SMALL, SMALL + "minimum_age: 18\n", ["minimum_age: new, 18"]),
    ],
)
def test_what_differs_is_told(before, after, expected):
    assert told(before, after) == expected


def test_spacings_from_the_same_reference_are_told_apart_by_area_and_date():
    before = changed(
        "target: 3 weeks\n",
        "target: 3 weeks\n      - from: previous\n        only_for_areas: [nose]\n        minimum: 1 month\n",
    )

    assert told(before, before.replace("1 month", "2 months")) == [
        "step peel, spacing from previous, nose, minimum: 1 month becomes 2 months"
    ]


@pytest.mark.parametrize("key", protocols.shipped_keys())
def test_whatever_comes_first_nothing_is_lost(key):
    one, other = parsed(protocols.shipped(key)), parsed(SMALL)

    there, back = protocols.differences(one, other), protocols.differences(other, one)

    assert {(d.where, d.before, d.after) for d in there} == {(d.where, d.after, d.before) for d in back}
    assert protocols.differences(one, one) == []
