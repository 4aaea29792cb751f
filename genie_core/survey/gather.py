"""What is read on the node itself: all at the same time, each with a deadline, each allowed to be missing.

Two steps, since where the pod is has to be found out first: `start` begins what concerns the node, `finish` reads
the pod's namespace and puts everything together. Nothing is changed, nothing is sent.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from genie_core.errors import Denied, GenieError, InvalidNetns, IOFailure
from genie_core.survey import namespaces, node_files, pids, rulesets, sysctls
from genie_core.survey.collection import Collection, Pending
from genie_core.survey.enter import inside
from genie_core.survey.facts import Facts, Files, Firewall, Netns, Sandbox, Tenant
from genie_core.survey.rootfs import Root
from genie_core.survey.sandboxes import Sandboxes, facts_of, of_pod

_RESOLV_CONF = "/etc/resolv.conf"
_LARGEST = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What to look at: pod "NS/NAME" ("" for the node alone), the node's directories, the runtime's socket."""

    pod: str = ""
    directories: node_files.Directories
    cri_socket: str = ""
    root: Root


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The collectors that are at work."""

    places: Places
    node: Pending[Netns]
    firewall: Pending[Firewall]
    files: Pending[tuple[Files, dict[str, GenieError]]]
    sandboxes: Pending[Sandboxes]


def start(places: Places, todo: Collection) -> Started:
    """Begin with all that needs no knowledge of the pod."""
    with suppress(ImportError):  # then the collectors say so
        import pyroute2  # noqa: F401 (150 ms, once, before the threads that need it)
    socket = places.cri_socket
    return Started(
        places=places,
        node=todo.start("node", partial(namespaces.survey, "")),
        firewall=todo.start("node firewall", rulesets.firewall),
        files=todo.start("files", partial(node_files.collect, places.directories, places.root)),
        sandboxes=todo.start("runtime", partial(of_pod, places.pod, socket, places.root)),
    )


def recorded(started: Started, todo: Collection) -> tuple[Files, tuple[Sandbox, ...] | None]:
    """What files and the runtime say: by them the pod is found."""
    found, problems = todo.result(started.files, (Files(), {}))
    for name, error in problems.items():
        todo.fail(name, error)
    sandboxes = todo.result(started.sandboxes, Sandboxes())
    if sandboxes.problem is not None:
        todo.fail("runtime", sandboxes.problem)
    return found, facts_of(sandboxes)


def finish(started: Started, netns: str, todo: Collection) -> Facts:
    """All facts of the node, and of the pod's namespace at `netns` ("" for none). Raises InvalidNetns."""
    root = started.places.root
    real = root.real(netns) if netns else ""
    # The victim's own path comes first: a namespace may be known by several.
    paths = tuple(dict.fromkeys((*((netns,) if netns else ()), *namespaces.named(root))))
    numbers = todo.start("namespaces", partial(namespaces.numbers, paths, root))
    pod = todo.start("pod", partial(_pod, netns, real))
    pod_firewall = todo.start("pod firewall", partial(_firewall, real))
    resolver = todo.start("resolv.conf", partial(resolv_conf, netns, root))
    nsids = todo.result(numbers, dict[str, str]())
    tenants = todo.start("tenants", partial(_tenants, nsids, root))
    found, sandboxes = recorded(started, todo)
    node = todo.result(started.node, Netns())
    pod_netns = todo.result(pod, None, let=(InvalidNetns,))
    node_rules = todo.result(started.firewall, Firewall(reason="it could not be read in time"))
    pod_rules = todo.result(pod_firewall, Firewall(reason="it could not be read in time"))
    facts = Facts(
        netns_path=netns,
        node=replace(node, nsids=nsids, firewall=node_rules),
        pod=replace(pod_netns, firewall=pod_rules) if pod_netns else None,
        tenants=todo.result(tenants, ()),
        files=found,
        sandboxes=sandboxes,
        resolv_conf=todo.result(resolver, None),
        kernel_counters=sysctls.conntrack_statistics(),
    )
    for name, rules in (("node firewall", node_rules), ("pod firewall", pod_rules)):
        if rules.reason and (name == "node firewall" or pod_netns) and name not in todo.missing:
            todo.fail(name, (Denied if rulesets.is_refusal(rules.reason) else IOFailure)(rules.reason))
    return facts


def _pod(netns: str, real: str) -> Netns | None:
    if not netns:
        return None

    def work() -> Netns:
        return replace(namespaces.survey(netns), nsids=namespaces.numbers(("/proc/1/ns/net",), Root()))

    return inside(real, work)


def _firewall(real: str) -> Firewall:
    return inside(real, rulesets.firewall) if real else Firewall()


def _tenants(nsids: dict[str, str], root: Root) -> tuple[Tenant, ...]:
    """Every namespace that this node's links lead to, the victim's among them."""
    found = []
    for nsid, path in sorted(nsids.items(), key=lambda item: int(item[0])):
        try:
            found.append(namespaces.tenant(path, root.real(path), int(nsid)))
        except (GenieError, OSError):
            continue
    return tuple(found)


def resolv_conf(netns: str, root: Root) -> str | None:
    """The pod's resolv.conf: /etc/netns/NAME/resolv.conf, else that of a process in its namespace.

    A process that merely entered the network namespace has the node's file: that one says nothing of the pod.
    """
    if not netns:
        return None
    text = _text(root, f"/etc/netns/{os.path.basename(netns)}/resolv.conf")
    if text is not None:
        return text
    # The node's own, and this program's: its children (nft, iptables-save) are in the pod's namespace too.
    others = {None, _identity(Root("/proc/1/root")), _identity(Root("/proc/self/root"))}
    for process in pids.of(root.real(netns)):
        pod = Root(f"/proc/{process}/root")
        if _identity(pod) not in others:
            return _text(pod, _RESOLV_CONF)
    return None


def _identity(root: Root) -> tuple[int, int] | None:
    try:
        seen = os.stat(root.real(_RESOLV_CONF))
    except OSError:
        return None
    return seen.st_dev, seen.st_ino


def _text(root: Root, path: str) -> str | None:
    """What a pod's owner put there may be a link to the node's own files, a pipe, or a file without end."""
    try:
        return root.read(path, _LARGEST).decode("utf-8", "replace")
    except OSError:
        return None
