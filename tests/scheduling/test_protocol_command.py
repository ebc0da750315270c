"""`manage.py protocol`, as an operator types it."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from clinic.models import Role
from patients.models import Question
from scheduling import protocols
from scheduling.models import ProtocolVersion
from tests import build

pytestmark = pytest.mark.django_db

WORDS = "questions:\n  metal_implant: {text: Do you have a metal implant?}\n"
MAGNETS = """\
protocol: magnets
name: Magnets
questions: [{question: metal_implant, severity: absolute, valid_days: 7}]
steps:
  - key: session
    name: Session
    kind: treatment
    lead_role: nurse
    phases: [{name: Session, minutes: 20, needs: {nurse: vaccination}}]
    gates: [answers]
"""


def run(*words: object) -> str:
    out = StringIO()
    call_command("protocol", *map(str, words), stdout=out)
    return out.getvalue()


@pytest.fixture
def files(tmp_path):
    """A vocabulary of the clinic's own, and a protocol that uses its word."""
    words, magnets = tmp_path / "words.yaml", tmp_path / "magnets.yaml"
    words.write_text(WORDS)
    magnets.write_text(MAGNETS)
    return magnets, words


def test_the_shipped_protocols_are_validated_without_storing_anything():
    said = run("validate", *protocols.shipped_keys())

    assert said == "".join(f"{key}: in order\n" for key in protocols.shipped_keys())
    assert not ProtocolVersion.objects.exists()


def test_every_problem_is_shown_with_file_line_path_remedy_and_code(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(MAGNETS.replace("minutes: 20", "minutes: 0"))
    said = StringIO()

    with pytest.raises(CommandError, match=r"^2 to mend$"):
        call_command("protocol", "validate", str(bad), stderr=said)

    assert said.getvalue() == (
        f"{bad}:3: questions[0].question: “metal_implant” is not known here. "
        f"{said.getvalue().splitlines()[0].partition('here. ')[2]}\n"
        f"{bad}:9: steps[0].phases[0].minutes: 0 is not possible here. Write a number from 1 to 720."
        " [number_out_of_range]\n"
    )


def test_what_is_in_doubt_is_shown_and_refuses_nothing(files):
    files[0].write_text(MAGNETS + "texts: {aftercare: {en: {subject: After the magnets, body: Rest.}}}\n")
    said, doubted = StringIO(), StringIO()

    call_command("protocol", "import", *map(str, files), stdout=said, stderr=doubted)

    assert doubted.getvalue() == (
        f"{files[0]}:11: texts.aftercare.en.subject: In doubt: “magnets” tells whoever sees the inbox what is"
        " treated. Say it in the body. [subject_names_treatment]\n"
    )
    assert ProtocolVersion.objects.get().state == "draft"


def test_words_and_protocols_are_imported_together_whatever_their_order(files):
    prescriber = build.user(Role.PRESCRIBER, at=build.site())

    said = run("import", *files, "--approve-by", prescriber.email.upper())

    assert said.splitlines()[2:] == [f"{files[1]}: words stored", f"{files[0]}: Magnets · v1, approved"]
    assert Question.objects.get().code == "metal_implant"


def test_nothing_is_imported_when_one_of_the_files_is_wrong(files, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: [")

    with pytest.raises(CommandError, match=r"^1 to mend; nothing was stored$"):
        call_command("protocol", "import", *map(str, files), str(bad), stdout=StringIO(), stderr=StringIO())

    assert not ProtocolVersion.objects.exists()
    assert not Question.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "hepatitis_b", "--approve-by", "nobody@example.org"], "Nobody signs in as nobody@example.org."),
        (["validate", "/nowhere.yaml"], "/nowhere.yaml: No such file or directory"),
        (["export", "nothing"], "There is no such protocol or version. See: manage.py protocol list"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(arguments, message):
    with pytest.raises(CommandError) as refused:
        call_command("protocol", *arguments)

    assert str(refused.value) == message


def test_a_file_that_is_no_text_is_refused(tmp_path):
    file = tmp_path / "latin.yaml"
    file.write_bytes(b"name: \xe4\n")

    with pytest.raises(CommandError, match=r"latin.yaml is no text in UTF-8"):
        call_command("protocol", "validate", str(file))


def test_an_approval_by_somebody_without_the_right_stores_no_version(files):
    receptionist = build.user(Role.RECEPTION, at=build.site())
    said = StringIO()

    with pytest.raises(CommandError, match=r"magnets.yaml was not stored"):
        call_command(
            "protocol", "import", *map(str, files), "--approve-by", receptionist.email, stdout=StringIO(), stderr=said
        )

    assert "[approval_needs_prescriber]" in said.getvalue()
    assert not ProtocolVersion.objects.exists()


def test_versions_are_listed_and_exported(files):
    run("import", *files)
    files[0].write_text(MAGNETS.replace("minutes: 20", "minutes: 25") + "effective_from: 2027-06-01\n")
    run("import", files[0])

    assert run("list").startswith(
        "magnets                  v2   draft     2027-06-01               Magnets\n"
        "magnets                  v1   draft                              Magnets\n"
    )
    assert "minutes: 25" in run("export", "magnets")
    assert run("export", "magnets", "--version", "1").startswith("# Magnets: version 1, draft.\nprotocol: magnets\n")
    assert "minutes: 20" in run("export", "magnets", "--version", "1")


def test_files_that_are_imported_together_may_name_each_other(tmp_path):
    names = ("magnets", "needles")
    for name, other in (names, reversed(names)):
        apart = f"gates: [answers, {{apart: {{protocol: {other}, at_least: 2 weeks}}}}]"
        text = MAGNETS.replace("protocol: magnets", f"protocol: {name}").replace("metal_implant", "pregnancy")
        (tmp_path / f"{name}.yaml").write_text(text.replace("gates: [answers]", apart))

    run("import", *(tmp_path / f"{name}.yaml" for name in names))
    magnets = tmp_path / "magnets.yaml"
    magnets.write_text(magnets.read_text().replace("needles", "noodles"))
    with pytest.raises(CommandError):
        call_command("protocol", "validate", str(magnets), stderr=StringIO())

    assert list(ProtocolVersion.objects.order_by("id").values_list("protocol__key", flat=True)) == list(names)


def test_the_difference_between_versions_and_files_is_told_in_words(files, tmp_path):
    run("import", *files)
    changed = tmp_path / "changed.yaml"
    text = MAGNETS.replace("minutes: 20", "minutes: 25").replace("valid_days: 7", "valid_days: 14")
    changed.write_text(
        text.replace("name: Magnets", "name: Strong magnets").replace(
            "gates: [answers]",
            "spacings: [{from: previous, minimum: 1 week}]\n    at_most: 3\n    gates: [answers, outcome]",
        )
        + "messages: [{kind: reminder, days_before: 2}]\n"
    )

    assert run("diff", "magnets:1", changed) == (
        "name: Magnets becomes Strong magnets\n"
        "question metal_implant, valid_days: 7 becomes 14\n"
        "step session, phase Session, minutes: 20 becomes 25\n"
        "step session, gate outcome: new\n"
        "step session, at_most: new, 3\n"
        "step session, spacing from previous: new, minimum 1 week\n"
        "message reminder, 2: new\n"
    )
    assert run("diff", files[0], "magnets:1") == "They say the same.\n"


def test_a_version_is_retired_by_a_prescriber_who_says_why(files):
    prescriber = build.user(Role.PRESCRIBER, at=build.site())
    run("import", *files, "--approve-by", prescriber.email)
    said = StringIO()

    with pytest.raises(CommandError, match="was not retired"):
        call_command(
            "protocol", "retire", "magnets", "--version", "1", "--by", prescriber.email, "--reason", " ", stderr=said
        )
    told = run("retire", "magnets", "--version", 1, "--by", prescriber.email, "--reason", "Too strong")

    assert "[retirement_needs_reason]" in said.getvalue()
    assert told == "Magnets · v1 is retired. Courses that run by it go on.\n"
    assert list(ProtocolVersion.objects.values_list("state", "retire_reason")) == [("retired", "Too strong")]


def test_the_schema_is_printed():
    assert run("schema") == protocols.schema_text()


def test_the_words_that_a_file_may_use_are_shown_those_of_the_clinic_too(files):
    run("import", *files)

    said = run("words").splitlines()

    assert "  metal_implant                Do you have a metal implant?" in said
    assert "  face: nose                   Nose" in said
    assert "  magnets" in said
    assert said[0] == "Questions"


def test_what_is_shipped_is_listed_whether_it_is_loaded_or_not(files):
    run("import", "physiotherapy")

    lines = run("list").splitlines()

    assert [line.split()[:2] for line in lines if "physio" in line] == [["physiotherapy", "v1"]]
    assert "tattoo_removal                shipped                            Tattoo removal by laser" in lines
    assert {line.split()[0] for line in lines} == set(protocols.shipped_keys())
