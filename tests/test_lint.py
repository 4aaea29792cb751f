"""The linters are test cases: ruff, the formatter, mypy, shellcheck, and the sizes that keep modules readable."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests import language

ROOT = Path(__file__).parent.parent
TOOLS = Path(sys.executable).parent
CHECKS = {
    "ruff check": ["ruff", "check", "--quiet", "--output-format=concise", "."],
    "ruff format": ["ruff", "format", "--quiet", "--check", "--output-format=concise", "."],
    "mypy": ["mypy", "--no-error-summary"],  # half a minute
    "shellcheck": ["shellcheck", ".ci/setup", ".ci/run"],
}
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60


def tool_output(name, *arguments):
    """The complaints of a tool of the virtual environment; "" for none."""
    done = subprocess.run([TOOLS / name, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr or f"exit code {done.returncode}") if done.returncode else ""


def demand_silence(complaints):
    """Fail with a tool's own words, without a traceback of ours."""
    if complaints:
        pytest.fail(complaints, pytrace=False)


@pytest.mark.timeout(1800)  # mypy takes half a minute of a processor, and a busy machine has little of it
@pytest.mark.parametrize(
    "check", [pytest.param(name, marks=[pytest.mark.first] if name == "mypy" else []) for name in CHECKS]
)
def test_linter(check):
    demand_silence(tool_output(*CHECKS[check]))


def source_files():
    return sorted([*ROOT.glob("genie_core/**/*.py"), *ROOT.glob("genie_cli/**/*.py")])


def long_parts(path):
    """The module where it is too long, and its functions that are."""
    text = path.read_text()
    if (lines := text.count("\n")) > MAX_MODULE_LINES:
        yield f"{path.relative_to(ROOT)}: {lines} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines} lines"


def test_modules_and_functions_stay_small():
    demand_silence("\n".join(part for path in source_files() for part in long_parts(path)))


# What splits or decodes JSON without regard to how plugins compare keys, and where a plugin's configuration is text:
# PluginConf.text, and the `entry` and `stdin` of a step (genie_core/gojson.py).
DECODERS = {"decode", "loads", "members", "elements", "pairs"}
PLUGIN_TEXTS = {"text", "entry", "stdin"}
NO_PLUGIN = {"request"}  # the runtime's call: Genie's own configuration


def exact_lookups(tree):
    """The lines on which an attribute that is a plugin's configuration is decoded with keys compared exactly."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for part in node.args if name in DECODERS else ():
            if (
                isinstance(part, ast.Attribute)
                and part.attr in PLUGIN_TEXTS
                and not (isinstance(part.value, ast.Name) and part.value.id in NO_PLUGIN)
            ):
                yield node.lineno


def test_a_plugins_configuration_is_read_through_gojson():
    found = [
        f"{path.relative_to(ROOT)}:{line}: use gojson.view or gojson.Members: plugins find a key in every spelling"
        for path in source_files()
        for line in exact_lookups(ast.parse(path.read_text()))
    ]
    demand_silence("\n".join(found))


@pytest.mark.parametrize(
    "line",
    ["decode(plugin.text)", "members(a.b.text)", "json.loads(self.entry)", "jsontext.decode(step.stdin)"],
)
def test_that_rule_finds_what_it_forbids(line):
    assert list(exact_lookups(ast.parse(f"x = {line}['type']"))) == [1]
    assert list(exact_lookups(ast.parse("view(plugin.text); decode(request.text); decode(text)"))) == []


def documents():
    return [*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def test_texts_are_plain():
    """tests/language.py has the words."""
    found = [(path, language.in_code(path.read_text())) for path in source_files()]
    found += [(path, language.in_test(path.read_text())) for path in sorted(ROOT.glob("tests/**/*.py"))]
    found += [(path, language.in_document(path.read_text())) for path in documents()]
    demand_silence(
        "\n".join(
            f"{path.relative_to(ROOT)}:{number}: {word!r}: name the person or the program, and what it does"
            for path, words in found
            for number, word in words
        )
    )


@pytest.mark.parametrize(
    "line, found",
    [
        ("# Whoever reads this", ["Whoever"]),
        ("x = 'nobody answers'", ["nobody"]),
        ("tell_pod = print  # the choice is `told`, by tell(x)", ["tell"]),
        ('"""The\nlines are told."""', ["told"]),
    ],
)
def test_that_rule_finds_the_words(line, found):
    assert [word for _, word in language.in_code(line)] == found


def test_that_rule_reads_the_names_of_tests():
    text = 'def test_nobody_waits():\n    """It is told."""\n    assert message == \'nobody answers\'\n'
    assert language.in_test(text) == [(1, "nobody"), (2, "told")]
