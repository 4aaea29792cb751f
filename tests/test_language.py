"""Plain technical English: the words that comments, docstrings and messages of a folder may not use.

A person or a program is named (the operator, the runtime, the caller), and a program reads, reports, prints, passes;
it does not tell or speak. The glossary of CONTRIBUTING.md has the terms.
"""

import ast
import io
import re
import tokenize

import pytest

from tests.test_lint import ROOT, demand_silence, source_files

WORDS = (
    *("nobody", "somebody", "anybody", "everybody", "whoever", "whom"),
    *("tell", "tells", "told", "speak", "speaks", "spoke", "heard"),
    *("all the same", "half a character", "find back", "as well as that goes", "by now somebody"),
)
FORBIDDEN = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)
CODE = re.compile(r"`[^`]*`|\b\w+\(|\b\w+[._]\w+\b")  # `tell`, tell(, a.tell, _tell: names in the code
CLEAN = ("genie_cli", "genie_core")
NOT_YET = (
    "genie_core/tasks/agent",
    "genie_core/tasks/policy",
    "genie_core/tasks/repair",
    "genie_core/tasks/sync",
)


def prose(text):
    """The lines of a module's comments, docstrings and messages, with their numbers."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            for offset, line in enumerate(node.value.splitlines()):
                yield node.lineno + offset, line


def riddles(text):
    """Line number and word of each forbidden one."""
    for number, line in prose(text):
        for found in FORBIDDEN.finditer(CODE.sub(" ", line)):
            yield number, found[0]


@pytest.mark.parametrize("folder", CLEAN)
def test_the_words_are_plain(folder):
    files = [
        path
        for path in source_files()
        if path.is_relative_to(ROOT / folder)
        and not any(path.is_relative_to(ROOT / other) for other in NOT_YET)
    ]
    assert files
    found = [
        f"{path.relative_to(ROOT)}:{number}: {word!r}: name the person or the program, and what it does"
        for path in files
        for number, word in riddles(path.read_text())
    ]
    demand_silence("\n".join(found))


DOCUMENTS = [*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_documents_are_plain(path):
    """What commands print is not looked at: it is a quotation."""
    text = re.sub(r"```.*?```", lambda block: "\n" * block[0].count("\n"), path.read_text(), flags=re.DOTALL)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {word[0]!r}"
        for number, line in enumerate(text.splitlines(), 1)
        for word in FORBIDDEN.finditer(CODE.sub(" ", line))
    ]
    demand_silence("\n".join(found))


@pytest.mark.parametrize(
    "line, found",
    [
        ("# Whoever reads this", ["Whoever"]),
        ("x = 'nobody answers'", ["nobody"]),
        ("tell = print  # the choice is `told`, by tell(x)", []),
        ('"""The\nlines are told."""', ["told"]),
    ],
)
def test_that_rule_finds_what_it_forbids(line, found):
    assert [word for _, word in riddles(line)] == found
