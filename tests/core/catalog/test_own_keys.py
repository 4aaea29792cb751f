"""Genie's own keys: the settings, the catalogue and docs/configuration.md say the same of each."""

import json
import re
from pathlib import Path

import pytest

from genie_core.catalog import PLUGINS
from genie_core.catalog.schema import check_object
from genie_core.settings import Settings

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"
FIELDS = {field.name: field for field in PLUGINS["genie"].fields if field.doc != "ignored"}
ROWS = {
    name: (kind, default)
    for name, kind, default in re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", PAGE.read_text(), re.MULTILINE)
}


class Asked(dict):
    """A configuration that notes which keys are asked for."""

    def __init__(self):
        super().__init__()
        self.keys_asked = set()

    def get(self, key, default=None):
        self.keys_asked.add(key)
        return super().get(key, default)


def test_the_catalogue_has_the_keys_that_are_read():
    config = Asked()
    Settings(config)
    assert config.keys_asked == set(FIELDS)


def test_the_page_has_a_row_for_each():
    assert set(ROWS) == set(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_the_page_says_what_each_takes_and_its_default(name):
    kind, default = ROWS[name]
    assert kind == FIELDS[name].kind
    if default.startswith("`") and FIELDS[name].default is not None:
        assert json.loads(default.strip("`")) == FIELDS[name].default
    else:
        assert FIELDS[name].default is None


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.default is not None])
def test_the_defaults_are_those_of_the_settings(name):
    attribute = name.removesuffix("_seconds")
    assert getattr(Settings({}), attribute) == FIELDS[name].default


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if field.default is not None])
def test_a_default_may_be_written_out(name):
    config = {name: FIELDS[name].default}
    Settings(config)
    assert list(check_object(PLUGINS["genie"].fields, config)) == []


@pytest.mark.parametrize(
    "key, value, words",
    [
        ("max_parallel_adds", "4", "must be a number"),
        ("api_timeout_seconds", 1000, "out of range"),
        ("namespace_isolation", "yes", "must be true or false"),
        ("default_networks", "a,b", "must be an array"),
        ("metrics_file", "genie.prom", "must be an absolute path"),
    ],
)
def test_what_the_settings_refuse_the_catalogue_refuses_too(key, value, words):
    (problem,) = check_object(PLUGINS["genie"].fields, {key: value})
    assert words in problem.text
    with pytest.raises(Exception, match=key):
        Settings({key: value})
