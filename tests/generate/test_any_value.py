"""Any value in any place of a configuration is judged: a check that chokes on one would hide what all others find."""

import copy
import json

import pytest

from genie_core.catalog import PLUGINS
from genie_core.catalog.plugin import Role
from genie_core.tasks import generate
from genie_core.tasks.generate import GenerateOptions

VALUES: tuple[object, ...] = (
    "\ud800",
    "\0",
    "\x1b[31m",
    "",
    0,
    -1,
    1e308,
    2**70,
    True,
    None,
    [],
    [None],
    ["\ud800"],
    {},
    {"\ud800": 1},
)
RIGHT = {
    "integer": 1,
    "number": 1,
    "boolean": True,
    "flag": True,
    "address": "10.1.0.1",
    "cidr": "10.1.0.5/24",
    "network": "10.1.0.0/24",
    "mac": "02:00:00:00:00:01",
    "interface": "eth0",
    "path": "/x",
}


def right(field):
    """A value that the field takes, with everything inside it."""
    if field.choices:
        return field.choices[0]
    if field.kind == "object":
        return {inner.name: right(inner) for inner in field.fields}
    if field.kind == "array":
        return [right(field.items)] if field.items else []
    return RIGHT.get(field.kind, "x")


def places(value, path=()):
    """The path of everything inside a document."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*path, key)
        yield from places(inner, (*path, key))


def changed(document, path, value):
    document = copy.deepcopy(document)
    *folders, last = path
    place = document
    for key in folders:
        place = place[key]
    place[last] = value
    return json.dumps(document)


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    empty = str(tmp_path_factory.mktemp("node"))
    return generate.look(GenerateOptions(conf_dirs=(empty,), bin_dirs=(empty,)))


@pytest.mark.parametrize("name", PLUGINS)
def test_it_is_judged(name, facts):
    plugin = PLUGINS[name]
    entry = {"type": plugin.type, **{field.name: right(field) for field in plugin.fields}}
    if plugin.role is Role.IPAM:
        entry = {"type": "bridge", "ipam": entry}
    document = {"cniVersion": "1.0.0", "name": "x", "plugins": [entry]}
    texts = [
        (f"/{number}.conflist", changed(document, path, value))
        for number, (path, value) in enumerate((path, value) for path in places(document) for value in VALUES)
    ]
    for path, text in texts:  # one by one: a crash then names its file
        assert generate.check_files([(path, text)], facts).as_json()["files"], text
