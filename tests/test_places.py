"""CONTRIBUTING.md has a table of the place for each kind of change. Each place must exist, and be the only one."""

import ast
import importlib
import re

import pytest

from tests.test_lint import ROOT, source_files

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
TABLE = TEXT.partition("## Where a change goes")[2].partition("\n## ")[0]
NAMED = re.findall(r"`(\w+)` in `(genie_\w+/[\w/]+\.py)`", TABLE)
# What would be a second place: a text that only the file of the first one may have.
ELSEWHERE = {
    "a key that asks for networks": (r'"k8s\.v1\.cni\.cncf\.io/networks"|/default-network"', "dialects"),
    "a version of the Kubernetes API": (r'(?<!: )"v1(?:beta1)?", "[a-z-]+s"|"api", "v1"', "kube_resources"),
    "the version of Genie's documents": (r'"genie/v\d', "published"),
    "a path of a runtime": (r'"[^"]*(?:rancher|microk8s|/k0s)/', "layouts"),
    "the minimum version of a verb": (r'since="\d', "request"),
}


def test_the_table_has_what_a_stranger_looks_for():
    rows = [row.split("|")[1].strip() for row in TABLE.strip().splitlines() if row.startswith("| ")]
    for thing in (
        "an annotation that asks for networks",
        "an indicator of smart selection",
        "a plugin type with special needs",
        "a check",
        "a source that a check reads",
        "a flag",
        "the state file's format",
        "a CNI verb",
        "a kind of API object, or its version",
        "a form of output",
        "a runtime's layout",
    ):
        assert thing in rows


@pytest.mark.parametrize("name, file", NAMED)
def test_each_named_thing_is_there(name, file):
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    assert hasattr(module, name)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:genie_\w+|docs|tests)/[\w./-]*)`", TABLE))))
def test_each_named_path_is_there(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("what", ELSEWHERE)
def test_there_is_no_second_place(what):
    pattern, only = ELSEWHERE[what]
    found = {path.stem for path in source_files() if re.search(pattern, path.read_text())}
    assert found == {only}


# Their modules are in docs/architecture.md or in a table of theirs, or there is one for each command or type.
LISTED_ELSEWHERE = {
    "genie_core",
    "genie_core/checks",
    "genie_core/catalog",
    "genie_cli/commands",
    "genie_core/server",
}


@pytest.mark.parametrize(
    "page", [path for path in source_files() if path.name == "__init__.py"], ids=lambda path: path.parent.name
)
def test_a_folder_s_first_page_names_its_modules(page):
    folder = page.parent
    if str(folder.relative_to(ROOT)) in LISTED_ELSEWHERE:
        return
    words = re.findall(r"\w+_\*|\w+", ast.get_docstring(ast.parse(page.read_text())) or "")
    modules = {path.stem for path in folder.glob("*.py")} | {
        path.parent.name for path in folder.glob("*/__init__.py")
    }
    families = tuple(word.removesuffix("*") for word in words if word.endswith("*"))
    unnamed = modules - set(words) - {"__init__", "__main__"}
    assert [name for name in sorted(unnamed) if not (families and name.startswith(families))] == []
