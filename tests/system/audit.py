"""What networks leave behind on a node, as lines of text: links, addresses, firewall, leases, state, processes.

Two audits are compared with `difference`, an audit and the node as it is now with `left`. Left out is what a plugin
makes once for all pods and never takes away again: a bridge's own address and link are part of the first audit when a
test attaches and releases one pod before it (`settle`).
"""

import json
import os
import subprocess
import time
from functools import partial
from pathlib import Path

from genie_core.edges.netns import inside
from tests import machine

# host-local's own notes, which are no leases
NOTES = ("lock", "last_reserved_ip.")
# iptables makes them by looking
IPTABLES = ("filter", "mangle", "nat", "raw", "security")


def trace(node):
    """All lines of a node."""
    lines = {
        *_links(node.host, "host"),
        *_namespaced(node, _firewall, "host"),
        *(f"lease {path.parent.name}/{path.name}" for path in lease_files(node.leases)),
        *_files(node.state, "state"),
        *_files(node.conf, "conf"),
        *processes(str(node.state)),
    }
    for pod in node.pods:
        if pod.path.exists():
            lines |= set(_links(pod, pod.name))
    return lines


difference = machine.difference

# What vanishes in the background when its program has ended: of processes, and of namespaces that were deleted.
_SOON = ("+ process ", "+ host link ", "+ host address ")
_SECONDS = 60


def left(node, before):
    """What has come and gone on the node since an audit; "" for nothing, once what vanishes by itself has."""
    give_up = time.monotonic() + _SECONDS
    while lines := difference(before, trace(node)).splitlines():
        if time.monotonic() > give_up or not all(line.startswith(_SOON) for line in lines):
            break
        time.sleep(0.05)
    return "\n".join(lines)


def settle(node):
    """Attach one pod to the bridge and release it: what stays for good is there then. The audit of that."""
    node.add("blue")
    node.delete()
    return node.trace()


def lease_files(directory):
    """host-local's leases."""
    return (
        path for path in Path(directory).glob("*/*") if not path.name.startswith(NOTES) and path.is_file()
    )


def empty_leases(directory):
    """Leases without an owner: host-local was killed between making the file and writing the owner into it."""
    return [path for path in lease_files(directory) if not path.read_text().strip()]


def _namespaced(node, look, where):
    return {f"{where} {line}" for line in look(node.host)}


def output(namespace, *argv):
    """What a command prints there."""
    run = partial(subprocess.run, argv, capture_output=True, text=True, check=True)
    return inside(str(namespace.path), run).stdout


def _links(namespace, where):
    for link in json.loads(output(namespace, "ip", "-json", "address")):
        yield f"{where} link {link['ifname']}"
        for address in link["addr_info"]:
            if address["family"] == "inet" or address["scope"] == "global":
                yield f"{where} address {link['ifname']} {address['local']}/{address['prefixlen']}"


def _firewall(namespace):
    for item in json.loads(output(namespace, "nft", "--stateless", "--json", "list", "ruleset"))["nftables"]:
        ((kind, body),) = item.items()
        if kind == "metainfo" or (
            body.get("table", body.get("name")) in IPTABLES and _by_looking(kind, body)
        ):
            continue
        yield f"firewall {kind} " + json.dumps(
            {k: v for k, v in body.items() if k != "handle"}, sort_keys=True
        )


def _by_looking(kind, body):
    return kind == "table" or "hook" in body


def _files(directory, where):
    """Files and folders but for the locks of the whole node, which stay."""
    for path in sorted(Path(directory).rglob("*")):
        name = path.relative_to(directory)
        if str(name) not in ("lock", "locks", "tmp", "containers", "slots") and name.parts[0] != "slots":
            yield f"{where} {name}"


def processes(mark):
    """Processes of a call: those with the mark (a folder of the node) in their files or their environment."""
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            opened = [os.readlink(f"/proc/{name}/fd/{fd}") for fd in os.listdir(f"/proc/{name}/fd")]
            program = Path("/proc", name, "comm").read_text().strip()
        except OSError:
            continue  # it has ended
        if any(path.startswith(mark) for path in opened):
            yield f"process {program}"
