"""deploy/requirements.txt: what the image has from PyPI, each with its hashes, and nothing besides."""

import importlib.metadata
import re
import tomllib
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^(\S+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)
TEXT = (ROOT / "deploy/requirements.txt").read_text()
PINS = {canonicalize_name(name): version for name, version, _ in PIN.findall(TEXT)}
# the image's Python, whatever runs the tests
ENVIRONMENT: dict[str, Any] = {
    **default_environment(),
    "python_version": "3.13",
    "python_full_version": "3.13.0",
    "extra": "",
}


def closure():
    """Every package that the project needs, with what those need."""
    waiting = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    found = set()
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.marker and not requirement.marker.evaluate(ENVIRONMENT):
            continue
        name = canonicalize_name(requirement.name)
        if name not in found:
            found.add(name)
            waiting += importlib.metadata.requires(name) or []
    return found


def test_every_line_is_a_version_with_hashes():
    rest = PIN.sub("", TEXT)
    assert rest.strip().startswith("# Written by `deploy/build-rootfs --lock`")
    assert len(rest.split("\n", 1)[1].strip()) == 0


def test_the_versions_are_those_that_are_tested():
    pins = [line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines()]
    tested = {canonicalize_name(name): version for name, _, version in pins}
    assert {name: tested.get(name) for name in PINS} == PINS


def test_it_is_all_that_is_needed():
    assert set(PINS) == closure()
