"""A node per test with real plugins, an API server, and pods whose annotations change."""

import pytest

from tests.live.live import Live
from tests.live.ward import Ward
from tests.patience import wait_until


@pytest.fixture
def live(tmp_path, plugins, cni_bin):
    made = Live(tmp_path / "node", plugins)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def any_ipam(live):
    """Configurations of an IPAM plugin of a type that Genie does not know: it cannot be asked for an address."""
    folder = live.node.root / "bin"
    folder.mkdir()
    plugin = folder / "any-ipam"
    plugin.write_text('#!/bin/sh\nsed "s/any-ipam/host-local/" | /usr/lib/cni/host-local\n')
    plugin.chmod(0o755)
    live.node.binaries.insert(0, folder)
    return lambda subnet: {**live.node.ipam(subnet), "type": "any-ipam"}


@pytest.fixture(scope="module")
def node(tmp_path_factory, plugins):
    made = Ward(tmp_path_factory.mktemp("ward") / "node", plugins)
    try:
        made.start(cni="blue,red@net1,green@net2")
        wait_until(lambda: not made.works())
        yield made
    finally:
        made.close()


@pytest.fixture
def ward(node):
    """The ward, whose pod each test must leave healthy."""
    node.forget_repairs()
    yield node
    left = node.repair("fix")
    node.connect()
    assert left == []
