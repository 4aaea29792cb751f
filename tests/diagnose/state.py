"""What a lab's namespaces look like: compared before and after a diagnosis, which must not change them."""

from __future__ import annotations

import re

from tests.diagnose.lab import Lab

COMMANDS = r"""
for s in node p1 p2 c1; do echo "# $s"
 for what in "link" "addr" "rule" "-6 rule" "route show table all"; do ip -n $F-$s $what; done
 ip netns exec $F-$s iptables-save; ip netns exec $F-$s ip6tables-save; ip netns exec $F-$s nft -s list ruleset
 ip netns exec $F-$s sysctl -a -r 'net.ipv[46].(ip_forward|conf)|net.bridge' 2>/dev/null | sort
done
"""
# Times and counters move by themselves.
MOVING = re.compile(
    r"^#.*|\[\d+:\d+\]| (valid|preferred)_lft \S+| expires \d+sec| \(offload\)| proto kernel_ra", re.MULTILINE
)


def node_state(lab: Lab) -> str:
    """All of it, as text, and the files' names and contents."""
    text = MOVING.sub("", lab.sh(COMMANDS, check=False))
    text = re.sub(r" state (UP|DOWN|UNKNOWN|LOWERLAYERDOWN)| packets \d+ bytes \d+|tentative", "", text)
    files = [
        f"{p} {p.stat().st_mode:o} {p.read_bytes()[:2000]!r}"
        for p in sorted(lab.directory.rglob("*"))
        if p.is_file() and p.parent not in (lab.directory, lab.bin)
    ]
    # Link-local addresses come up by themselves, seconds after their links.
    lines = [
        " ".join(line.split()) for line in text.splitlines() if "fe80::" not in line and "ff00::" not in line
    ]
    return "\n".join([*lines, *files])
