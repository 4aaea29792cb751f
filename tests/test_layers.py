"""The layers of docs/architecture.md, as contracts that a tool checks (`[tool.importlinter]` in pyproject.toml)."""

import re
import subprocess
import sys
import tomllib

import grimp
import pytest

from tests.test_lint import ROOT, demand_silence, tool_output

CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}
# 175 to 1000 ms each: importing a module of ours must not import these.
HEAVY = ("kubernetes", "pyroute2")


@pytest.mark.parametrize("contract", CONTRACTS)
def test_contract(contract):
    demand_silence(tool_output("lint-imports", "--no-logo", "--no-cache", "--contract", contract))


@pytest.mark.parametrize("library", HEAVY)
def test_heavy_libraries_are_imported_inside_functions_only(library):
    ban = f"lint.flake8-tidy-imports.banned-module-level-imports = ['{library}']"
    options = ["--isolated", "--quiet", "--select=TID253", "--output-format=concise", "--config", ban]
    demand_silence(tool_output("ruff", "check", *options, "genie_core", "genie_cli"))


def test_the_picture_of_the_layers_is_drawn_from_the_contracts():
    drawn = subprocess.run(
        [sys.executable, "docs/draw.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert drawn.stdout == (ROOT / "docs" / "architecture.svg").read_text(), "run make generated"


def circles():
    """Groups of modules that import each other, in whatever way: at the top, inside functions, for types."""
    graph = grimp.build_graph("genie_core", "genie_cli", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    reach = {module: reached_from(module, imports) for module in imports}
    groups = {frozenset(other for other in reach[one] if one in reach[other]) for one in imports}
    return {tuple(sorted(group)) for group in groups if group}


def reached_from(module, imports):
    """What a module imports, directly or not; itself where it is in a circle."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        new = imports[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def test_no_modules_import_each_other():
    assert circles() == set()


def test_the_pages_of_the_codes_are_made_from_the_checks(tmp_path):
    subprocess.run([sys.executable, "docs/write_codes.py", str(tmp_path)], cwd=ROOT, check=True)
    kept = {path.name: path.read_text() for path in (ROOT / "docs" / "codes").glob("*.md")}
    made = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert made == kept, "run make generated"


def test_every_code_has_an_example_of_what_is_printed():
    """From a fault or from a test: `tests/examples.py` says how one is kept."""
    pages = [
        path for path in (ROOT / "docs" / "codes").glob("GN*.md") if "## Example" not in path.read_text()
    ]
    assert [path.stem for path in pages] == []


def test_no_example_counts_one_in_the_plural():
    texts = (ROOT / "docs" / "codes" / "examples.json").read_text()
    nouns = "pods|leases|containers|networks|packets|entries|addresses|attachments|interfaces|results|files|deletes"
    assert re.findall(rf"(?<!of )\b1 (?:{nouns})\b", texts) == []
