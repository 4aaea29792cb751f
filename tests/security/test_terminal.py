"""Other people's texts on an operator's terminal: names, annotations, plugins' words and saved facts control nothing.

Escape sequences could hide a line, forge one, or write into a window's title what a shell takes for typed; marks
that turn the direction of writing could show another name than the one that is there.
"""

import io
import json

import pytest
import yaml

from genie_cli import boundary, completing, terminal
from genie_cli.flags import Candidate
from genie_cli.output import OutputFormat, to_json, to_yaml
from genie_cli.progress import Progress
from genie_cli.render import Block, Cell, Fields, Heading, Table, Text, Verbatim, note, show
from genie_core.errors import WrongUsage
from genie_core.survey.yamlio import MOST_ALIASED, dump, load_documents
from tests import warm

HOSTILE = [
    "\x1b[2J\x1b[H",  # clear the screen
    "\x1b]0;title\x07",
    "\x9b31m",  # the same as ESC [ to some terminals
    "\x1bP$q\x1b\\",
    "a\rERROR: no",
    "a\x08\x08b",
    "\x00\x7f\x85",
    "user\u202etxt.exe",
    "\u2066x\u2069",
    "a\u2028b\u2029c",
    "zero\u200bwidth\ufeff",
    "tag\U000e0041",
    "\udcff",  # a byte of a file's name that is no text
]
MARKUP = "[red]x[/red] [link=http://evil]y[/link] :smile: [/]"


def is_harmless(text):
    """Whether a terminal only shows it."""
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_every_kind_of_block(hostile):
    blocks: list[Block] = [
        Heading(hostile),
        Text(f"{hostile} text", "bad"),
        Verbatim(f"one\n{hostile}"),
        Table(("A", hostile), [(hostile, Cell(hostile, "good")), ("b", hostile)]),
        Fields([(hostile, hostile), ("b", Cell(hostile))]),
    ]
    stream = io.StringIO()
    show(blocks, stream)
    assert is_harmless(stream.getvalue())
    assert stream.getvalue().count("b") >= 2


def test_a_cell_is_one_row_and_a_heading_one_line():
    stream = io.StringIO()
    show(
        [Heading("a\nERROR: forged"), Table(("N",), [("a\nforged row",)]), Fields([("a", "b\nforged: x")])],
        stream,
    )
    assert not [
        line for line in stream.getvalue().splitlines() if line.strip().startswith(("forged", "ERROR"))
    ]


def test_markup_is_text():
    stream = io.StringIO()
    show([Heading(MARKUP), Text(MARKUP), Table((MARKUP,), [(MARKUP,)]), Fields([(MARKUP, MARKUP)])], stream)
    assert stream.getvalue().count("[red]x[/red]") == 6
    assert stream.getvalue().count(":smile:") == 6


def test_colours_are_genies_own():
    """With colour on, the only sequences are those that the tones make."""
    token = terminal.current.set(terminal.Terminal(color="always"))
    try:
        stream = io.StringIO()
        show([Text("\x1b[31mforged", "bad")], stream)
    finally:
        terminal.current.reset(token)
    assert "\\x1b[31mforged" in stream.getvalue()


@pytest.mark.parametrize("hostile", HOSTILE)
def test_documents_for_machines(hostile):
    """A terminal shows them, and a parser reads what was there."""
    document = {"kind": "X", "name": hostile, "é": ["✓", {hostile: 1}]}
    assert is_harmless(to_json(document))
    assert json.loads(to_json(document)) == document
    if hostile == "\udcff":
        return  # YAML has no such character
    for written in (to_yaml(document), dump(document)):
        assert is_harmless(written)
        assert yaml.safe_load(written) == document


def test_other_languages_stay_readable():
    assert "é ✓ 名" in to_json("é ✓ 名")
    assert "é ✓ 名" in to_yaml({"a": "é ✓ 名"})


@pytest.mark.parametrize("hostile", HOSTILE)
def test_errors_notes_and_progress(hostile, capsys, monkeypatch):
    failure = boundary.Failure(code=7, exit_code=1, message=hostile, details=f"a\n{hostile}", hint=hostile)
    for output in (OutputFormat.TABLE, OutputFormat.JSON, OutputFormat.YAML):
        boundary.print_failure(failure, output)
    note(hostile)
    monkeypatch.setattr("genie_cli.progress.PATIENCE", 0)
    with Progress() as progress:
        progress._timer.join()
        progress(hostile)
    printed = capsys.readouterr()
    assert is_harmless(printed.out)
    assert is_harmless(printed.err)
    assert printed.err.endswith(f"{terminal.visible(hostile)}\n" * 2)  # the note, and the step


# --- whole commands ------------------------------------------------------------------------------------------------


def genie(*words):
    done = warm.run(*words)
    return done.stdout + done.stderr


def test_discover_on_a_hostile_directory(tmp_path):
    for number, hostile in enumerate(HOSTILE):
        name = hostile.replace("/", "").replace("\x00", "")
        (tmp_path / f"{number:02}-{name}.conf").write_text(
            f'{{"name": {json.dumps(hostile)}, "type": "x\\u001b"'
        )
    for form in ("wide", "json", "yaml"):
        printed = genie("discover", "--conf-dir", str(tmp_path), "--no-probes", "--no-api", "-o", form)
        assert is_harmless(printed)
        assert "12-" in printed


def test_hostile_saved_facts(tmp_path):
    """A file from another person: shown or refused; it cannot control the terminal, and its commands are quoted."""
    facts = {
        "node_name": HOSTILE[0],
        "namespace": HOSTILE[1],
        "pod_name": HOSTILE[7],
        "netns_path": "/run/netns/$(reboot)\x1b[2J",
        "pod": {"links": [{"index": 2, "name": HOSTILE[2], "mtu": 1}], "sysctls": {HOSTILE[3]: HOSTILE[4]}},
        "node": {
            "links": [{"index": 1, "name": HOSTILE[5]}],
            "firewall": {"iptables": {"ip": HOSTILE[6] * 9}},
        },
        "resolv_conf": f"nameserver {HOSTILE[0]}\noptions {HOSTILE[7]}\n",
        "missing": {HOSTILE[0]: HOSTILE[1], "probes": HOSTILE[2]},
    }
    file = tmp_path / "facts.json"
    file.write_text(json.dumps({"apiVersion": "genie/v1alpha1", "kind": "Snapshot", "facts": facts}))
    for form in ("wide", "json", "yaml", "junit"):
        printed = genie("debug", "pod", "--from", str(file), "-o", form)
        assert is_harmless(printed)
        assert "unexpected" not in printed
        assert "user" in printed


ADDRESS = "10.0.0.1/24"


def test_completions_are_only_taken(monkeypatch):
    """What is completed stands on the command line, and the next key may be Enter."""
    plain = ["ns/web-0", "bridge@eth1", "a,b", "eth0.100", "GN1001", ADDRESS]
    found = [
        Candidate(value) for value in (*plain, "$(reboot)", "`reboot`", "x;reboot", "x|y", "a b", *HOSTILE)
    ]
    shown = [candidate.value for candidate in completing._matching(found, "")]
    assert shown[: len(plain)] == plain
    assert not [value for value in shown if not value.isprintable() or set(value) & set("$`;|&<>(){} \\'\"")]


# --- documents that are no documents -------------------------------------------------------------------------------

LAUGHS = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)
MERGES = "a0: &a0 {k: v}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{','.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12)
)


@pytest.mark.parametrize(
    "text", [LAUGHS, MERGES, "&a [*a]", "a: &a {b: *a}", "!!python/object/apply:os.system [x]"]
)
def test_manifests_that_are_bombs(text):
    with pytest.raises(WrongUsage, match=r"^pod\.yaml"):
        load_documents(text, "pod.yaml")


def test_aliases_as_people_use_them():
    assert load_documents("a: &x {b: [1, 2]}\nc: *x\n---\n<<: {d: 1}\n", "m") == [
        {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}},
        {"d": 1},
    ]
    assert MOST_ALIASED > 100_000
