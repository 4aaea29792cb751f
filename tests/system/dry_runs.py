"""Dry runs of the real command, and a check for leftovers on this machine."""

import json
import sys

from jsonschema import Draft202012Validator

from genie_cli import schemas
from tests import machine, warm
from tests.netns import PREFIX
from tests.system.test_private_node import IN_CI

BIN = "/usr/lib/cni"


def command(*arguments):
    return [sys.executable, "-m", "genie_cli", "dry-run", *arguments]


def dry_run(*arguments, code=0, stdin=""):
    """The report, after checking the exit code and that it is the one document on stdout."""
    done = warm.run("dry-run", *arguments, "-o", "json", stdin=stdin)
    assert done.returncode == code, done.stdout + done.stderr
    document = json.loads(done.stdout)
    Draft202012Validator(json.loads(schemas.text(document["kind"]))).validate(document)
    return document


def network(name, number, *chained, **changes):
    plugin = {
        "type": "bridge",
        "bridge": f"{PREFIX}b{number}",
        "isGateway": True,
        "ipMasq": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": f"10.213.{number}.0/24"}]]},
    }
    return {"cniVersion": "1.0.0", "name": name, "plugins": [plugin | changes, *chained]}


def names(things, kind):
    return {thing["name"] for thing in things if thing["kind"] == kind}


def changes_since(before):
    lines = machine.difference(before, machine.snapshot()).splitlines()
    return [line for line in lines if IN_CI or PREFIX in line or "10.22." in line or "192.0.2." in line]
