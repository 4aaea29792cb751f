"""All collectors, at the same time, each with a deadline, each allowed to be missing."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from genie_core.diagnose.collect import files, kernel, namespaces, pids
from genie_core.diagnose.collect.netns import inode, inside
from genie_core.diagnose.facts import JSON, Facts, Files, Netns, Sandbox, Tenant
from genie_core.errors import GenieError

T = TypeVar("T")
DEADLINE = 4.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where everything is. "" leaves a source out."""

    node_name: str
    namespace: str = ""
    pod: str = ""
    netns: str = ""
    conf_dir: str = ""
    bin_dir: str = ""
    ipam_dir: str = ""
    cache_dir: str = ""
    state_dir: str = ""
    root: str = "/"
    pod_object: JSON = field(default_factory=dict)
    objects: tuple[JSON, ...] = ()
    sandboxes: tuple[Sandbox, ...] | None = None
    missing: dict[str, str] = field(default_factory=dict)


class _Collection:
    """Runs collectors in threads and remembers why any of them gave nothing."""

    def __init__(self, pool: ThreadPoolExecutor, missing: dict[str, str]) -> None:
        self.pool = pool
        self.missing = missing
        self.deadline = time.monotonic() + DEADLINE

    def start(self, work: Callable[[], T]) -> Future[T]:
        return self.pool.submit(work)

    def result(self, name: str, future: Future[T], otherwise: T) -> T:
        try:
            return future.result(max(0.01, self.deadline - time.monotonic()))
        except (Late, TimeoutError):
            self.missing[name] = f"no answer within {DEADLINE} s"
        except GenieError as error:
            self.missing[name] = "; ".join(part for part in (error.msg, error.hint) if part)
        except Exception as error:  # noqa: BLE001 (netlink's own kinds: a missing source is a fact, not a crash)
            self.missing[name] = f"{type(error).__name__}: {error}"
        return otherwise


def gather(places: Places) -> Facts:
    """The facts of one pod on this node. Nothing is changed, nothing is sent."""
    import pyroute2  # noqa: F401 (150 ms, once, before the threads that need it)

    missing = dict(places.missing)
    named = namespaces.named(places.root)
    # The victim's own path comes first: a namespace may be known by several.
    others = tuple(dict.fromkeys((*((places.netns,) if places.netns else ()), *named)))
    with ThreadPoolExecutor(max_workers=4) as pool:
        todo = _Collection(pool, missing)
        node = todo.start(lambda: inside("", lambda: namespaces.survey("", others)))
        pod = todo.start(lambda: _pod(places.netns))
        seen = todo.start(namespaces.processes)
        on_disk = todo.start(lambda: _files(places))
        resolver = todo.start(lambda: resolv_conf(places.netns))
        found, reasons = todo.result("files", on_disk, (Files(), {}))
        missing |= reasons
        node_facts = todo.result("node", node, Netns())
        counts = todo.result("processes", seen, Counter())
        neighbours = todo.start(lambda: _tenants(node_facts, counts))
        facts = Facts(
            node_name=places.node_name,
            namespace=places.namespace,
            pod_name=places.pod,
            netns_path=places.netns,
            time=time.time(),
            node=node_facts,
            pod=todo.result("pod", pod, None),
            tenants=todo.result("tenants", neighbours, ()),
            pod_object=places.pod_object,
            objects=places.objects,
            files=_with_namespaces(found, named),
            sandboxes=places.sandboxes,
            resolv_conf=todo.result("resolv.conf", resolver, None),
            kernel_counters=kernel.conntrack_statistics(),
            missing=missing,
        )
    for name, netns in (("node firewall", facts.node), ("pod firewall", facts.pod)):
        if netns and netns.firewall.reason:
            missing[name] = netns.firewall.reason
    return facts


def _files(places: Places) -> tuple[Files, dict[str, str]]:
    return files.collect(places.conf_dir, places.bin_dir, places.ipam_dir, places.cache_dir, places.state_dir)


def _with_namespaces(found: Files, paths: tuple[str, ...]) -> Files:
    from dataclasses import replace

    return replace(found, namespaces=paths)


def _pod(path: str) -> Netns | None:
    return inside(path, lambda: namespaces.survey(path, ("/proc/1/ns/net",))) if path else None


def _tenants(node: Netns, counts: Counter[int]) -> tuple[Tenant, ...]:
    """Every namespace that this node's links lead to, the victim's among them."""
    found = []
    for nsid, path in sorted(node.nsids.items(), key=lambda item: int(item[0])):
        count = counts[inode(path)] if counts else -1
        try:
            found.append(inside(path, partial(namespaces.tenant, path, int(nsid), count)))
        except (GenieError, OSError):
            continue
    return tuple(found)


def resolv_conf(netns: str) -> str | None:
    """The pod's resolv.conf: /etc/netns/NAME/resolv.conf, else that of a process in its namespace.

    A process that merely entered the network namespace has the node's file: that one says nothing of the pod.
    """
    if not netns:
        return None
    text = _text(Path("/etc/netns") / os.path.basename(netns) / "resolv.conf")
    if text is not None:
        return text
    for process in pids.of(netns):
        path = Path(f"/proc/{process}/root/etc/resolv.conf")
        if _identity(path) not in (None, _identity(Path("/proc/1/root/etc/resolv.conf"))):
            return _text(path)
    return None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_dev, seen.st_ino


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
