"""Every document that a command prints has a schema, which is shipped, and conforms to it."""

import io
import json
import re

import pytest
import yaml
from jsonschema import Draft202012Validator

from genie_cli import schemas
from genie_cli.app import main
from genie_cli.table import COMMANDS
from tests.test_lint import ROOT

KIND = re.compile(r'^    kind: ClassVar\[str\] = "(\w+)"', re.MULTILINE)


def printed_kinds():
    sources = [*ROOT.glob("genie_core/**/*.py"), *ROOT.glob("genie_cli/**/*.py")]
    return {kind for path in sources for kind in KIND.findall(path.read_text())}


def test_every_kind_has_a_schema_and_every_schema_a_kind():
    assert printed_kinds() == set(schemas.kinds())


@pytest.mark.parametrize("kind", schemas.kinds())
def test_a_schema_is_one(kind):
    document = json.loads(schemas.text(kind))
    Draft202012Validator.check_schema(document)
    assert document["properties"]["kind"] == {"const": kind}
    assert document["properties"]["apiVersion"] == {"const": "genie/v1alpha1"}
    assert document["title"]


def check(text, kind):
    document = json.loads(text)
    assert document["kind"] == kind
    Draft202012Validator(json.loads(schemas.text(kind))).validate(document)
    return document


PLACES = ["--bin-dir", "{0}/bin", "--conf-dir", "{0}/conf"]


@pytest.mark.parametrize(
    "line, kind, code",
    [
        ("version", "VersionReport", 0),
        ("explain GN0402", "Explanation", 0),
        ("explain", "Explanation", 0),
        ("schema", "SchemaList", 0),
        ("explain result", "ConfigurationKey", 0),
        ("explain kubernetes", "ConfigurationKey", 0),
        ("explain nonsense", "Error", 3),
        ("dry-run --nonsense", "Error", 2),
        ("gc", "Error", 2),
        ("install {places} --state-dir {0}/state", "InstallReport", 0),
        ("uninstall {places} --dry-run", "UninstallReport", 0),
        (
            "discover --no-probes --no-api --conf-dir {0} --bin-dir {0} --state-dir {0} --fail-on never",
            "NodeReport",
            0,
        ),
    ],
)
def test_a_command_keeps_its_schema(line, kind, code, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())  # not a terminal
    words = [
        word.format(tmp_path) for part in line.split() for word in (PLACES if part == "{places}" else [part])
    ]
    assert main([*words, "-o", "json"]) == code
    captured = capsys.readouterr()
    document = check(captured.out, kind)
    assert main([*words, "-o", "yaml"]) in (code, 0)
    again = yaml.safe_load(capsys.readouterr().out)
    assert (again["kind"], again.keys()) == (kind, document.keys())


@pytest.mark.parametrize("words", [words for words, entry in COMMANDS.items() if entry.module])
def test_output_is_offered_by_every_command_that_answers(words, capsys):
    """Without: those that print a text for a program, or explain, and the two that go on."""
    main([*words.split(), "--help"])
    assert ("--output" in capsys.readouterr().out) is (words not in ("help", "completion", "agent", "serve"))


def test_the_command(capsys):
    assert main(["schema"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert listed == schemas.kinds()
    assert main(["schema", "-o", "name"]) == 0
    assert capsys.readouterr().out.split() == schemas.kinds()
    assert main(["schema", "gcreport", "-o", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == json.loads(schemas.text("GCReport"))
    assert main(["schema", "gcreport"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"]["kind"] == {"const": "GCReport"}
    assert main(["schema", "GCRepor"]) == 3
    assert "GCReport" in capsys.readouterr().err
