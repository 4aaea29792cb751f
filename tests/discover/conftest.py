"""A node of files for one test, and `genie discover` on it."""

from typing import Any

import pytest

from genie_core.checks.registry import FILES
from genie_core.checks.runner import selection
from genie_core.tasks.discover import DiscoverOptions, discover
from tests.discover import nodes


class Node:
    """A node below a temporary directory: conf, bin, ipam, cache and state, all asked for by name."""

    def __init__(self, path):
        self.path = path
        self.conf, self.bin = path / "conf", path / "bin"
        self.ipam, self.cache, self.state = path / "ipam", path / "cache", path / "state"
        for directory in (self.conf, self.bin, self.ipam, self.cache):
            directory.mkdir()
        nodes.add_plugins(self.bin, "bridge", "host-local", "portmap")

    def configure(self, name, content):
        return nodes.write(self.conf / name, content)

    def discover(self, **options):
        wanted: dict[str, Any] = {
            "conf_dirs": (str(self.conf),),
            "bin_dirs": (str(self.bin),),
            "ipam_dir": str(self.ipam),
            "cache_dir": str(self.cache),
            "state_dir": str(self.state),
            "sandbox_dirs": (),  # whatever else runs on this machine
            "api": False,
        }
        only = [options.pop("only")] if "only" in options else []
        return discover(DiscoverOptions(**wanted | options), selection(only, [], FILES))


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


def codes(report):
    """The codes of what was found, worst first."""
    return [finding.code for finding in report.findings]


def the(report, code):
    """The one finding with this code."""
    found = [finding for finding in report.findings if finding.code == code]
    assert len(found) == 1, [(f.code, f.title) for f in report.findings]
    return found[0]
