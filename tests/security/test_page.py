"""docs/security.md: each test that it names is there, and each of this folder is named."""

import ast
import re
from pathlib import Path

import pytest

from tests.test_lint import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
HERE = Path(__file__).parent
# What only shows that a rule is not too strict, or how another test works.
UNNAMED = {
    "test_a_way_through_a_sticky_directory_is_right",
    "test_a_marked_version_is_answered",
    "test_aliases_as_people_use_them",
    "test_an_ipam_plugin_that_is_not_there_is_for_its_caller_to_miss",
    "test_colours_are_genies_own",
    "test_commands_of_plain_words_are_shown",
    "test_devices_as_they_are_called_go_through",
    "test_isolation_leaves_the_pods_own_and_the_global_namespaces",
    "test_other_languages_stay_readable",
    "test_the_page_lists_the_guarded_keys",
    "test_it_is_found_at_any_depth_without_exhausting_the_stack",
}


def functions_in(path):
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED}))
def test_every_test_that_is_named_exists(file):
    assert {name for other, name in NAMED if other == file} <= functions_in(ROOT / file)


def test_every_attack_of_this_folder_is_named():
    here = {name for path in HERE.glob("test_*.py") if path != Path(__file__) for name in functions_in(path)}
    assert {name for name in here if name.startswith("test_")} - UNNAMED == {
        name for file, name in NAMED if file.startswith("tests/security/")
    }


ACTORS = ("Pod author", "Author of definitions", "Administrator of a namespace", "Local user without root", "Node",
          "API server, and the network in between", "A person who gives a file to an operator")  # fmt: skip


def test_every_actor_has_his_table_and_every_row_its_tests():
    sections = dict(re.findall(r"^### ([^\n]*)\n(.*?)(?=^##)", PAGE, re.DOTALL | re.MULTILINE))
    assert tuple(sections) == ACTORS
    for section in (*sections.values(), PAGE.split("## Secrets")[1]):
        rows = [line for line in section.splitlines() if re.match(r"\| (?!.*\| tests \|$)", line)]
        assert rows
        assert [row for row in rows if "::test_" not in row] == []
