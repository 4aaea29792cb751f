"""What a lab's namespaces look like: compared before and after a diagnosis, which must not change them."""

from __future__ import annotations

import os
import re
import subprocess
from functools import partial
from typing import Any

from genie_core.edges.netns import inside
from tests.diagnose.lab import NAMESPACES, Lab

# Caches that any packet fills (learned neighbours, tracked connections, a bridge's own FDB entries) are no change of
# configuration.
_LISTED = b"addr show\nrule\nroute show table all\nneigh show nud permanent\nneigh show proxy\n"
_KEPT_FDB = re.compile("permanent|static| dst ")
_ONLY_LOOKED_INTO = ("r1", "ext", "inet")
# `iptables` of either back end makes its tables by looking: nft lists those of the one, /proc names those of the other.
_TABLES = ("/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names")
_SYSCTLS = ("ipv4", "ipv6/conf", "bridge")
# Times, counters and counts move by themselves.
MOVING = re.compile(
    r"^# .*|\[\d+:\d+\]| (valid|preferred)_lft \S+| expires \d+sec| \(offload\)| proto kernel_ra|timer +\S+"
    r"| state (UP|DOWN|UNKNOWN|LOWERLAYERDOWN)|,?LOWER_UP|NO-CARRIER,?| packets \d+ bytes \d+|tentative"
    r"| linkdown| fdb_n_learned \d+"
)


def node_state(lab: Lab) -> list[str]:
    """All of it, as lines of text, and the files' names, modes and contents."""
    files = [
        f"{p} {p.stat().st_mode:o} {p.read_bytes()[:2000]!r}"
        for p in sorted(lab.directory.rglob("*"))
        if p.is_file() and p.parent not in (lab.directory, lab.bin)
    ]
    seen = [
        f"{name}: {line}" for name in NAMESPACES for line in inside(lab.netns(name), partial(_seen, name))
    ]
    return [*_names(lab), *seen, *files]


def _names(lab: Lab) -> list[str]:
    """The lab's namespaces, and their folders of files."""
    folders = [folder for folder in ("/run/netns", "/etc/netns") if os.path.isdir(folder)]
    return [
        f"{folder}/{name}" for folder in folders for name in sorted(os.listdir(folder)) if lab.prefix in name
    ]


def _seen(name: str) -> list[str]:
    """What this thread's network namespace looks like."""
    said = _said("ip", "-d", "-batch", "-", given=_LISTED) + _said("nft", "-s", "list", "ruleset")
    if name in _ONLY_LOOKED_INTO:
        return _settled(said)
    said += _said("ip", "-6", "rule") + _said("tc", "qdisc", "show")
    said += [line for line in _said("bridge", "fdb", "show") if _KEPT_FDB.search(line)]
    files = [
        f"{folder}/{file}"
        for place in _SYSCTLS
        for folder, _, names in os.walk(f"/proc/sys/net/{place}")
        for file in names
    ]
    return _settled(said) + [f"{file}: {_content(file)!r}" for file in (*_TABLES, *files)]


def _said(*argv: str, given: bytes = b"") -> list[str]:
    return subprocess.run(argv, input=given, capture_output=True, check=False).stdout.decode().splitlines()


def _settled(lines: list[str]) -> list[str]:
    """The lines without what moves; link-local addresses and their groups come up seconds after their links."""
    return [
        " ".join(MOVING.sub("", line).split())
        for line in lines
        if not re.search("fe80::|ff00::|33:33:", line)
    ]


def _content(path: str) -> bytes:
    """A file that cannot be read, as a secret that is not set, is as good as an empty one."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(file, 4096)
    except OSError:
        return b""
    finally:
        os.close(file)


def examined(lab: Lab, pod: str, *extra: str) -> tuple[int, dict[str, Any], list[str]]:
    """The diagnosis' exit code, its report, and what it changed on any node, pod or file of the lab: nothing."""
    before = node_state(lab)
    code, report, _ = lab.debug(pod, *extra)
    after = node_state(lab)
    changed = [f"changed: {line}" for line in set(before) ^ set(after)]
    return code, report, sorted(changed)[:5]
