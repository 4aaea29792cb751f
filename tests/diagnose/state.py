"""What a lab's namespaces look like: compared before and after a diagnosis, which must not change them."""

from __future__ import annotations

import re
from typing import Any

from tests.diagnose.lab import Lab

# `iptables` of either back end makes its tables by looking: nft lists those of the one, /proc names those of the other.
# Caches that any packet fills (learned neighbours, tracked connections, a bridge's own FDB entries) are no change of
# configuration.
COMMANDS = r"""
set +e
ls /run/netns /etc/netns 2>/dev/null | grep -e "$F"
for s in node p1 p2 c1 r1 ext inet; do
 {
 printf '%s\n' "addr show" "rule" "route show table all" "neigh show nud permanent" "neigh show proxy" |
  ip -d -n $F-$s -batch -
 ip netns exec $F-$s nft -s list ruleset
 case $s in r1|ext|inet) exit;; esac  # these are at most looked into
 ip -n $F-$s -6 rule; bridge -n $F-$s fdb show | grep -e permanent -e static -e ' dst '; tc -n $F-$s qdisc show
 ip netns exec $F-$s sh -c 'cat /proc/net/ip_tables_names /proc/net/ip6_tables_names
  cd /proc/sys/net; grep -rs "" ipv4/conf ipv6/conf bridge; grep -s "" ipv4/*'
 } 2>/dev/null | sed "s/^/$s: /"
done
"""
# Times, counters and counts move by themselves.
MOVING = re.compile(
    r"\w+: # .*|\[\d+:\d+\]| (valid|preferred)_lft \S+| expires \d+sec| \(offload\)| proto kernel_ra|timer +\S+"
    r"| state (UP|DOWN|UNKNOWN|LOWERLAYERDOWN)|,?LOWER_UP|NO-CARRIER,?| packets \d+ bytes \d+|tentative"
    r"| linkdown| fdb_n_learned \d+"
)


def node_state(lab: Lab) -> list[str]:
    """All of it, as lines of text, and the files' names, modes and contents."""
    text = MOVING.sub("", lab.sh(COMMANDS, check=False))
    files = [
        f"{p} {p.stat().st_mode:o} {p.read_bytes()[:2000]!r}"
        for p in sorted(lab.directory.rglob("*"))
        if p.is_file() and p.parent not in (lab.directory, lab.bin)
    ]
    # Link-local addresses and their multicast groups come up by themselves, seconds after their links.
    lines = [
        " ".join(line.split()) for line in text.splitlines() if not re.search("fe80::|ff00::|33:33:", line)
    ]
    return [*lines, *files]


def examined(lab: Lab, pod: str, *extra: str) -> tuple[int, dict[str, Any], list[str]]:
    """The diagnosis' exit code, its report, and what it changed on any node, pod or file of the lab: nothing."""
    before = node_state(lab)
    code, report, _ = lab.debug(pod, *extra)
    after = node_state(lab)
    changed = [f"changed: {line}" for line in set(before) ^ set(after)]
    return code, report, sorted(changed)[:5]
