"""Protocol files as rows: how versions come to be, are approved and retired, and read back as they were."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clinic.errors import NotAllowed
from clinic.models import Role
from patients.models import Area, Question
from scheduling import booking, protocols, roster
from scheduling.models import (
    Capability,
    ConsentText,
    MessageText,
    Protocol,
    ProtocolApproval,
    ProtocolVersion,
    RiskRule,
    Spacing,
    VersionState,
)
from scheduling.planner import facts
from scheduling.planner.amounts import Amount, DayOfYear
from scheduling.protocols import document
from tests import build
from tests.refusals import codes

from .protocol_files import BANDS, NOW, SMALL, TWO_STEPS, WORDS, changed


@pytest.fixture
def prescriber(db):
    return build.user(Role.PRESCRIBER, at=build.site())


@pytest.fixture
def manager(db):
    return build.user(Role.MANAGER, at=build.site())


@pytest.mark.django_db
@pytest.mark.parametrize("key", protocols.shipped_keys())
def test_a_stored_version_is_exported_as_the_same_document(key):
    version = protocols.load(protocols.shipped(key), by=None, now=NOW)

    assert protocols.parse(protocols.export(version)) == protocols.parse(protocols.shipped(key))
    assert (version.number, version.state, version.created_at, version.created_by) == (1, VersionState.DRAFT, NOW, None)


@pytest.mark.django_db
def test_everything_the_language_can_say_survives_being_stored():
    gates = """\
    gates:
      - area
      - consent
      - yearly_limit: {at_most: 5}
      - review_due: {every: 10}
      - season: {from: 05-01, until: 09-30}
      - season: {from: 12-24, until: 01-06}
      - apart: {protocol: laser_hair_removal, at_least: 6 months - 4 days}
      - apart: {protocol: hepatitis_b, at_least: 2 weeks, areas: [groin, chin]}
"""
    text = (
        changed("    gates: []\n", BANDS.format("8 days", "14 days", "14 days") + gates)
        + """\
product: "acid: 10 %"
jurisdiction: GB-SCT
sources: ["one # two", "three"]
effective_from: 2027-01-01
effective_to: 2028-12-31
areas: [face]
minimum_age: 16
adult_age: 21
consent:
  at: visit
  scope: session
  cooling_off:
    - {amount: 1 day}
    - {amount: 7 days, jurisdiction: AU, under_age: 18}
  valid_for: 6 months - 4 days
  texts: {en: "Yes.\\n\\n  I do.", de: Ja}
follow_ups:
  - {key: call, name: Call, after_step: peel, kind: call, after: 2 days}
  - {key: last, name: Ask, after_step: peel, kind: message, after: 1 week, give_or_take_days: 1,
     only_after_last_session: yes}
messages:
  - {kind: finished, days_after: 1}
  - {kind: recall, sent: no}
"""
    )
    text = changed("target: 3 weeks", "target: 3 weeks\n        tolerance_days: 2\n        lapse: 1 year\n"
                   "        only_for_areas: [nose]\n        effective_to: 2027-06-30", text)  # fmt: skip
    text = changed("minutes: 30", "minutes: 30\n        buffer_before: 5\n        buffer_after: 10", text)

    version = protocols.load(text, by=None, now=NOW)

    written = protocols.parse(text)
    assert protocols.document_of(version) == written
    assert protocols.parse(protocols.export(version)) == written
    assert written.consent == document.Consent(
        "visit",
        (facts.CoolingOff(Amount.parse("1 day")), facts.CoolingOff(Amount.parse("7 days"), "AU", 18)),
        Amount.parse("6 months - 4 days"),
        facts.ConsentScope.SESSION,
        (("de", "Ja"), ("en", "Yes.\n\n  I do.")),
    )
    assert written.steps[0].gates[2:] == (
        facts.Gate("yearly_limit", {"at_most": 5}),
        facts.Gate("review_due", {"every": 10}),
        facts.Gate("season", {"from": DayOfYear(5, 1), "until": DayOfYear(9, 30)}),
        facts.Gate("season", {"from": DayOfYear(12, 24), "until": DayOfYear(1, 6)}),
        facts.Gate("apart", {"protocol": "laser_hair_removal", "at_least": Amount.parse("6 months - 4 days")}),
        facts.Gate(
            "apart",
            {
                "protocol": "hepatitis_b",
                "at_least": Amount.parse("2 weeks"),
                "areas": frozenset({"bikini_line", "chin"}),
            },
        ),
    )
    assert roster.protocol_facts(version).steps[0].gates == written.steps[0].gates


@pytest.mark.django_db
def test_nothing_is_stored_when_anything_is_wrong():
    with pytest.raises(protocols.ProtocolInvalid):
        protocols.load(changed("minimum: 2 weeks", "minimum: 4 weeks"), by=None, now=NOW)

    assert not Protocol.objects.exists()
    assert not Capability.objects.exists()


@pytest.mark.django_db
def test_the_same_content_is_the_same_version_and_other_content_a_new_one(prescriber):
    first = protocols.load(SMALL, by=None, now=NOW)

    again = protocols.load("# another comment\n" + changed("2 weeks", "14 days"), by=None, now=NOW)
    second = protocols.load(changed("target: 3 weeks", "target: 4 weeks"), by=None, now=NOW, approve_by=prescriber)

    assert again == first
    assert (second.number, second.state) == (2, VersionState.APPROVED)
    first.refresh_from_db()
    assert (first.number, first.state) == (1, VersionState.DRAFT)
    assert list(Spacing.objects.order_by("id").values_list("target", flat=True)) == ["3 weeks", "4 weeks"]


@pytest.mark.django_db
def test_loading_an_approved_version_again_changes_nothing(prescriber):
    first = protocols.load(SMALL, by=None, now=NOW, approve_by=prescriber)

    again = protocols.load(SMALL, by=None, now=NOW, approve_by=prescriber)

    assert (again, again.state, ProtocolApproval.objects.count()) == (first, VersionState.APPROVED, 1)


@pytest.mark.django_db
def test_another_person_approves_a_version(manager):
    both = build.user(Role.MANAGER, Role.PRESCRIBER, at=build.site())
    other = build.user(Role.PRESCRIBER, at=build.site())
    version = protocols.load(SMALL, by=both, now=NOW)

    with pytest.raises(protocols.ApprovedByItsAuthor) as own:
        protocols.approve(version, by=both, now=NOW)
    with pytest.raises(protocols.ApprovalNeedsPrescriber) as unfit:
        protocols.approve(version, by=manager, now=NOW)
    approved = protocols.approve(version, by=other, now=NOW, note="read")
    with pytest.raises(protocols.NotADraft) as late:
        protocols.approve(version, by=other, now=NOW)

    assert [refused.value.problems[0].code for refused in (own, unfit, late)] == [
        "approved_by_its_author",
        "approval_needs_prescriber",
        "not_a_draft",
    ]
    assert approved.state == VersionState.APPROVED
    assert list(ProtocolApproval.objects.values_list("version", "by", "at", "note")) == [
        (version.pk, other.pk, NOW, "read")
    ]


@pytest.mark.django_db
def test_a_draft_whose_author_would_approve_it_is_not_stored_either():
    both = build.user(Role.MANAGER, Role.PRESCRIBER, at=build.site())

    with pytest.raises(protocols.ApprovedByItsAuthor):
        protocols.load(SMALL, by=both, now=NOW, approve_by=both)

    assert not ProtocolVersion.objects.exists()


@pytest.mark.django_db
def test_a_retired_version_starts_no_course_and_those_that_run_go_on(clinic):
    running = clinic.cleared_course()

    retired = protocols.retire(clinic.version, by=clinic.prescriber, now=clinic.now, reason="A newer label\ncame out.")

    assert (retired.state, retired.retired_at, retired.retired_by, retired.retire_reason) == (
        VersionState.RETIRED,
        clinic.now,
        clinic.prescriber,
        "A newer label came out.",
    )
    with pytest.raises(booking.NotStartable) as refused:
        clinic.course()
    assert codes(refused) == ["protocol_not_usable"]
    assert len(clinic.book(running)) == 3


@pytest.mark.django_db
def test_a_version_is_retired_once_by_a_prescriber_who_says_why(prescriber, manager):
    version = protocols.load(SMALL, by=None, now=NOW, approve_by=prescriber)

    with pytest.raises(protocols.RetirementNeedsPrescriber) as unfit:
        protocols.retire(version, by=manager, now=NOW, reason="Old")
    with pytest.raises(protocols.RetirementNeedsReason) as dumb:
        protocols.retire(version, by=prescriber, now=NOW, reason=" \n")
    protocols.retire(version, by=prescriber, now=NOW, reason="Old")
    with pytest.raises(protocols.AlreadyRetired) as again:
        protocols.retire(version, by=prescriber, now=NOW, reason="Old")
    with pytest.raises(protocols.NotADraft):
        protocols.approve(version, by=prescriber, now=NOW)

    assert [refused.value.problems[0].code for refused in (unfit, dumb, again)] == [
        "retirement_needs_prescriber",
        "retirement_needs_reason",
        "already_retired",
    ]


@pytest.mark.django_db
def test_loading_what_was_retired_makes_a_new_version(prescriber):
    first = protocols.load(SMALL, by=None, now=NOW, approve_by=prescriber)
    protocols.retire(first, by=prescriber, now=NOW, reason="By mistake")

    again = protocols.load(SMALL, by=None, now=NOW)

    assert (again.number, again.state) == (2, VersionState.DRAFT)


@pytest.mark.django_db
def test_a_receptionist_loads_nothing():
    with pytest.raises(NotAllowed) as refused:
        protocols.load(SMALL, by=build.user(Role.RECEPTION, at=build.site()), now=NOW)

    assert refused.value.problems[0].code == "load_needs_manager"
    assert not Protocol.objects.exists()


@pytest.mark.django_db
def test_only_the_words_that_are_missing_are_stored():
    Question.objects.create(code="pregnancy", text="Our own words?", choices=["no", "yes", "unsure"])
    text = changed("gates: []", "gates: [area, answers]") + (
        "areas: [nose]\nquestions: [{question: pregnancy, severity: ask, valid_days: 3, refused: [yes, unsure]}]\n"
    )

    protocols.load(text, by=None, now=NOW)

    assert list(Question.objects.values_list("code", "text")) == [("pregnancy", "Our own words?")]
    assert list(Area.objects.values_list("code", "side", "region")) == [("nose", "", "face")]
    assert list(Capability.objects.order_by("code").values_list("code", "name")) == [
        ("treatment_room", "Treatment room"),
        ("vaccination", "Vaccinates"),
    ]
    assert RiskRule.objects.get().refused_answers == ["unsure", "yes"]


@pytest.mark.django_db
def test_the_whole_vocabulary_is_stored_by_code_and_may_be_stored_again():
    protocols.load_vocabulary_file()
    protocols.load_vocabulary_file()
    protocols.load_vocabulary_file("areas: {nose: {name: Nose and bridge, region: face}}")

    assert Question.objects.count() == len(WORDS.questions)
    assert Area.objects.get(code="nose").name == "Nose and bridge"
    assert Question.objects.get(code="pregnancy").text_in("de") == "Sind Sie schwanger oder könnten Sie es sein?"


def _wording(version: ProtocolVersion) -> str:
    consent = protocols.document_of(version).consent
    return dict(consent.texts)["en"] if consent else ""


CONSENT = "consent: {{at: visit, texts: {{en: {0}, de: {1}}}}}\n"


@pytest.mark.django_db
def test_the_wording_of_a_draft_is_offered_with_the_draft_alone():
    base = changed("gates: []", "gates: [consent]")
    first = protocols.load(base + CONSENT.format("I agree", "Ja"), by=None, now=NOW)
    second = protocols.load(base.replace("3 weeks", "5 weeks") + CONSENT.format("I agree", "Ja"), by=None, now=NOW)
    third = protocols.load(base + CONSENT.format("I do agree", "Ja"), by=None, now=NOW)

    wording = [[(t.language, t.number, t.body) for t in protocols.consent_texts_of(v)] for v in (first, second, third)]

    assert wording == [
        [("de", 1, "Ja"), ("en", 1, "I agree")],
        [("de", 1, "Ja"), ("en", 1, "I agree")],
        [("de", 3, "Ja"), ("en", 3, "I do agree")],
    ]
    assert ConsentText.objects.count() == 4
    assert [_wording(v) for v in (first, third)] == ["I agree", "I do agree"]


@pytest.mark.django_db
def test_message_texts_are_stored_once_and_never_replaced():
    text = SMALL + "texts: {aftercare: {en: {subject: After, body: Rest.}}}\n"
    version = protocols.load(text, by=None, now=NOW)
    MessageText.objects.update(body="Rest well.\n")

    again = protocols.load(text, by=None, now=NOW)

    assert again == version
    assert list(MessageText.objects.values_list("kind", "language", "protocol__key", "subject", "body")) == [
        ("aftercare", "en", "peel", "After", "Rest well.\n")
    ]
    assert protocols.document_of(version).texts == (document.MessageWords("aftercare", "en", "After", "Rest well."),)


@pytest.mark.django_db
def test_reading_a_version_takes_the_same_number_of_queries_for_one_step_and_for_two():
    counts = []
    for text in (SMALL, TWO_STEPS.replace("protocol: peel", "protocol: peels")):
        version = protocols.load(text, by=None, now=NOW)
        with CaptureQueriesContext(connection) as queries:
            protocols.document_of(version)
        counts.append(len(queries))

    assert counts[0] == counts[1]
