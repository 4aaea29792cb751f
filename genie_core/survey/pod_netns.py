"""A pod's network namespace: its interfaces, routes and rules, and the resolv.conf of its processes."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from genie_core.errors import InvalidNetns
from genie_core.survey import netlink, rulesets
from genie_core.survey.collection import Collection, Pending
from genie_core.survey.kernel import Firewall, Netns
from genie_core.survey.namespaces import inside, processes_of
from genie_core.survey.rootfs import Root

_RESOLV_CONF = "/etc/resolv.conf"
_LARGEST = 64 << 10
_INIT = "/proc/1/ns/net"


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The running readers of a pod's namespace."""

    netns: Pending[Netns]
    firewall: Pending[Firewall]
    resolver: Pending[str | None]


def begin(netns: str, root: Root, todo: Collection) -> Begun:
    """Begin to read the namespace at `netns`."""
    real = root.real(netns)
    return Begun(
        netns=todo.start("pod", partial(inside, real, partial(_read, netns))),
        firewall=todo.start("pod firewall", partial(inside, real, rulesets.firewall)),
        resolver=todo.start("resolv.conf", partial(resolv_conf, netns, root)),
    )


def take(begun: Begun, todo: Collection) -> dict[str, Any]:
    """`pod` and `resolv_conf` of the facts. Raises InvalidNetns."""
    pod = todo.result(begun.netns, None, let=(InvalidNetns,))
    rules = todo.result(begun.firewall, Firewall(reason="it could not be read in time"))
    if pod and rules.reason and "pod firewall" not in todo.missing:
        todo.fail("pod firewall", rulesets.refusal(rules.reason))
    return {
        "pod": replace(pod, firewall=rules) if pod else None,
        "resolv_conf": todo.result(begun.resolver, None),
    }


def _read(netns: str) -> Netns:
    numbers = netlink.namespace_numbers([_INIT])
    return replace(netlink.read_netns(netns), nsids={str(number): path for path, number in numbers.items()})


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
    for process in processes_of(root.real(netns)):
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
