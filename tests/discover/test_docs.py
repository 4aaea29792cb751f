"""docs/discover.md and docs/generate-config.md agree with the code."""

import re
import shlex
from pathlib import Path

import pytest

from genie_cli.commands import discover, generate_config
from genie_cli.table import root
from genie_core.catalog import PLUGINS
from genie_core.checks.registry import FILES

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {name: (DOCS / f"{name}.md").read_text() for name in ("discover", "generate-config")}


def test_every_type_is_in_the_table():
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?) \|", PAGES["generate-config"], re.MULTILINE)
    assert rows == [(plugin.type, plugin.summary) for plugin in PLUGINS.values()]


def test_every_group_of_checks_is_in_the_table():
    groups = set(re.findall(r"`(\w+)-\*`", PAGES["discover"]))
    assert groups == {check.id.split("-")[0] for check in FILES}


@pytest.mark.parametrize("page", PAGES)
def test_every_flag_that_is_named_exists(page):
    command = root().get_command(None, page)
    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    assert set(re.findall(r"(?<![\w-])(--[a-z][a-z-]+)", PAGES[page])) <= known


@pytest.mark.parametrize("module,page", [(discover, "discover"), (generate_config, "generate-config")])
def test_every_example_s_flags_exist(module, page):
    command = root().get_command(None, page)
    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    for _, example in module.EXAMPLES:
        words = shlex.split(example.partition("|")[0])
        assert {word for word in words if word.startswith("-") and word != "-"} <= known, example
