"""A node per test, on which Genie was installed once per run."""

import json

import pytest

from tests.system import audit
from tests.system.node import Node


@pytest.fixture
def node(tmp_path, plugins, cni_bin):
    """A node with networks blue, red and green."""
    made = Node(tmp_path / "node", plugins)
    try:
        made.configure_three()
        yield made
    finally:
        made.remove()


@pytest.fixture
def before(node):
    """The audit of the node with nothing attached."""
    return audit.settle(node)


@pytest.fixture
def settled(node, before):
    """Fails when anything is left that was not there before."""
    yield before
    assert audit.left(node, before) == ""


@pytest.fixture
def conf_dir(tmp_path):
    folder = tmp_path / "net.d"
    folder.mkdir()
    return folder


@pytest.fixture
def plugin(tmp_path):
    """Write a plugin of our own, a shell script, into a bin dir; and a network of its type."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def write(script):
        path = folder / "scripted"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        conf = tmp_path / "scripted.conf"
        conf.write_text(json.dumps({"cniVersion": "1.0.0", "name": "scripted", "type": "scripted"}))
        return ["--cni", "scripted", "--conf", str(conf), "--bin-dir", str(folder)]

    return write
