"""Output for people and for programs (ux: streams, colour)."""

import io
import json
import re
from typing import ClassVar

import pytest
import yaml

from genie_cli import terminal
from genie_cli.output import OutputFormat
from genie_cli.render import Block, Cell, Fields, Heading, Table, Text, Verbatim, emit, show
from genie_cli.terminal import Terminal, symbol
from genie_core.errors import GenieError

ESCAPE = re.compile("\x1b")
ROWS = [("eth0", Cell("up", "good"), "10.0.0.2/24"), ("net1", Cell("down", "bad"), "a-long-name " * 12)]
BLOCKS: list[Block] = [
    Heading("First"),
    Fields([("name", "value"), ("other", Cell("text", "warn"))]),
    Heading("Second"),
    Text("words " * 40),
    Table(("NAME", "STATE", "ADDRESS"), ROWS),
    Verbatim("{\n  'a': 1\n}"),
]


class Report:
    kind: ClassVar[str] = "TestReport"

    def as_json(self):
        return {"camelCase": 1, "text": "ä"}


@pytest.fixture
def spoken():
    """Set the output's form, as the common flags do."""
    tokens = []
    yield lambda **settings: tokens.append(terminal.current.set(Terminal(**settings)))
    for token in reversed(tokens):
        terminal.current.reset(token)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "COLUMNS", "TERM", "CI"):
        monkeypatch.delenv(name, raising=False)


def shown(blocks=BLOCKS, stream=None):
    stream = stream or io.StringIO()
    show(blocks, stream)
    return stream.getvalue()


class TTY(io.StringIO):
    def isatty(self):
        return True

    def fileno(self):
        raise OSError("no descriptor")


@pytest.mark.parametrize(
    "output,load", [(OutputFormat.JSON, json.loads), (OutputFormat.YAML, yaml.safe_load)]
)
def test_documents(capsys, output, load):
    emit(Report(), output)
    text = capsys.readouterr().out
    expected = {"apiVersion": "genie/v1alpha1", "kind": "TestReport", "camelCase": 1, "text": "ä"}
    assert load(text) == expected
    assert list(load(text)) == list(expected)
    assert "ä" in text


def test_names_are_lines(capsys):
    emit(Report(), OutputFormat.NAME, names=lambda report: ["a", "b"])
    assert capsys.readouterr().out == "a\nb\n"


def test_a_form_that_is_not_offered_is_wrong_usage():
    with pytest.raises(GenieError, match="-o name is not offered") as caught:
        emit(Report(), OutputFormat.NAME, lambda report, wide: [])
    assert caught.value.exit_code == 2


def test_wide_asks_for_more(capsys):
    for output in (OutputFormat.TABLE, OutputFormat.WIDE):
        emit(Report(), output, lambda report, wide: [Text(f"wide={wide}")])
    assert capsys.readouterr().out == "wide=False\nwide=True\n"


def test_quiet_prints_nothing(capsys, spoken):
    spoken(quiet=True)
    emit(Report(), OutputFormat.JSON)
    emit(Report(), OutputFormat.TABLE, lambda report, wide: BLOCKS)
    assert capsys.readouterr().out == ""


def test_a_pipe_gets_no_colour_and_a_row_per_line():
    text = shown()
    assert not ESCAPE.search(text)
    assert any("net1" in line and line.count("a-long-name") == 12 for line in text.splitlines())
    assert not any(line.endswith(" ") for line in text.splitlines())


def test_rows_stand_below_each_other_where_words_would_be_broken(monkeypatch):
    """A table of eight columns at 40 had names in pieces of three letters."""
    columns = ("", "NODE", "STATE", "VERSION", "FINDINGS", "REASON")
    rows: list[tuple[str | Cell, ...]] = [
        (Cell("x", "bad"), "worker-1.example.com", "bad", "1.0.0", "GN0402", "no pod of Genie is on it"),
        ("", "worker-2.example.com", "ok", "1.0.0", "", ""),
    ]
    monkeypatch.setenv("COLUMNS", "40")
    assert shown([Table(columns, rows)]).splitlines() == [
        "            x",
        "  NODE      worker-1.example.com",
        "  STATE     bad",
        "  VERSION   1.0.0",
        "  FINDINGS  GN0402",
        "  REASON    no pod of Genie is on it",
        "",
        "  NODE      worker-2.example.com",
        "  STATE     ok",
        "  VERSION   1.0.0",
    ]
    monkeypatch.setenv("COLUMNS", "60")
    assert "NODE" in shown([Table(columns, rows)]).splitlines()[0]


def test_a_column_without_heading_and_text_takes_no_room():
    """A path that nothing stops: its sentences were folded in a pipe, too."""
    row = ["1", "accepted by the policy of iptables nat/INPUT", ""]
    assert shown([Table(("#", "WHAT DECIDES", ""), [row], fold=("WHAT DECIDES",))]).splitlines() == [
        "  #  WHAT DECIDES",
        "  1  accepted by the policy of iptables nat/INPUT",
    ]
    stopped = shown([Table(("#", "WHAT DECIDES", ""), [[*row[:2], "stops"]], fold=("WHAT DECIDES",))])
    assert stopped.splitlines()[1] == "  1  accepted by the policy of iptables nat/INPUT  stops"


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_tables_fit_the_width(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert max(map(len, shown().splitlines())) <= columns


@pytest.mark.parametrize("columns", [80, 160])
def test_nothing_is_cut_off_where_names_are_as_long_as_they_may_be(monkeypatch, columns):
    """A Kubernetes name, IPv6 addresses, an interface: folded where they do not fit, in whatever column."""
    monkeypatch.setenv("COLUMNS", str(columns))
    row = ("n" * 63, "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff/128", "i" * 15, "w" * 120)
    text = shown([Table(("NAME", "ADDRESS", "INTERFACE", "WHY"), [row], fold=("WHY",))])
    assert max(map(len, text.splitlines())) <= columns
    for cell in row:
        assert sum(text.count(char) for char in set(cell)) >= len(cell)
    assert all(heading in text for heading in ("NAME", "ADDRESS", "INTERFACE", "WHY"))


def test_a_sentence_is_one_line_in_a_pipe_so_that_grep_finds_it(monkeypatch):
    sentence = "words " * 39 + "words"
    assert shown([Text(sentence, indent=2)]) == f"  {sentence}\n"
    monkeypatch.setenv("COLUMNS", "160")
    assert max(map(len, shown([Text(sentence)]).splitlines())) <= terminal.PROSE_WIDTH


@pytest.mark.parametrize(
    "color,environment,tty,colored",
    [
        ("auto", {"TERM": "xterm"}, True, True),
        ("auto", {"TERM": "xterm"}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ("auto", {"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("always", {"TERM": "dumb"}, False, True),
        ("auto", {"FORCE_COLOR": "1", "TERM": "dumb"}, False, True),
        ("never", {"TERM": "xterm", "FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour(monkeypatch, spoken, color, environment, tty, colored):
    for name, value in (environment | {"COLUMNS": "80"}).items():
        monkeypatch.setenv(name, value)
    spoken(color=color)
    assert bool(ESCAPE.search(shown(stream=TTY() if tty else io.StringIO()))) is colored


def test_colour_carries_no_meaning_of_its_own(monkeypatch, spoken):
    """Without its escapes the coloured text is the plain one."""
    plain = shown()
    spoken(color="always")
    stripped = re.sub("\x1b\\[[0-9;]*m", "", shown())
    assert [line.rstrip() for line in stripped.splitlines()] == plain.splitlines()


@pytest.mark.parametrize("columns", range(30, 60, 3))
def test_the_words_of_a_heading_stay_whole(columns, monkeypatch):
    """At 40 columns INTERFACE was parted into INTERFAC and E."""
    monkeypatch.setenv("COLUMNS", str(columns))
    row = ("eth0", "bridge", "bridge + portmap", 'default_plugin, item 1 ("bridge")')
    text = shown([Table(("INTERFACE", "NETWORK", "PLUGINS", "ASKED FOR BY"), [row])])
    assert {"INTERFACE", "NETWORK", "PLUGINS", "ASKED"} <= set(text.split())
    assert max(map(len, text.splitlines())) <= columns


def folded(text, columns, monkeypatch, capsys):
    """The lines of a table's only cell."""
    monkeypatch.setenv("COLUMNS", str(columns))
    show([Table(("WHAT",), [(text,)], indent=0)])
    return [line.strip() for line in capsys.readouterr().out.splitlines()[1:]]


def test_a_path_is_folded_after_a_slash_and_an_address_stays_whole(monkeypatch, capsys):
    lines = folded("/var/lib/cni/networks/bridge/10.200.0.9", 32, monkeypatch, capsys)
    assert lines == ["/var/lib/cni/networks/bridge/", "10.200.0.9"]


@pytest.mark.parametrize("text", ["x" * 90, "a/" * 40, "-" * 50, "a b " + "c" * 41])
@pytest.mark.parametrize("columns", [5, 7, 40])
def test_folding_loses_nothing(text, columns, monkeypatch, capsys):
    lines = folded(text, columns, monkeypatch, capsys)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert max(map(len, lines)) <= columns


@pytest.mark.parametrize("locale,mark", [("C", "+"), ("POSIX", "+"), ("C.UTF-8", "✓"), ("", "✓")])
def test_the_locale_c_gets_the_plain_form(locale, mark, monkeypatch):
    for name, value in (("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8"), ("LANG", locale)):
        monkeypatch.setenv(name, value)
    assert symbol("ok", io.TextIOWrapper(io.BytesIO(), encoding="utf-8")) == mark


@pytest.mark.parametrize("encoding,mark", [("utf-8", "✓"), ("ascii", "+"), ("latin-1", "+")])
def test_symbols_have_a_plain_form(encoding, mark):
    assert symbol("ok", io.TextIOWrapper(io.BytesIO(), encoding=encoding)) == mark
