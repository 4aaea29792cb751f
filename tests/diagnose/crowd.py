"""A connection tracking table without room: assured entries made by netlink, as many as the limit allows.

The limit is the machine's, the count is each network namespace's own (nf_conntrack_alloc), so that only the lab's
node is full. Entries that are assured are not evicted for new ones (early_drop). They vanish with the namespace.
`python crowd.py` fills the namespace that it runs in.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path

NETLINK_NETFILTER = 12
NLM_F_REQUEST, NLM_F_CREATE = 0x1, 0x400
NEW = 0x1 << 8  # NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW
NESTED = 0x8000
ORIG, REPLY, STATUS, TIMEOUT = 1, 2, 3, 7  # CTA_*
SEEN_REPLY, ASSURED, CONFIRMED = 0x2, 0x4, 0x8  # IPS_*
PER_MESSAGE = 200


def fill() -> int:
    """Fill the table of this process's namespace to its limit; how many entries it has then."""
    limit = int(Path("/proc/sys/net/netfilter/nf_conntrack_max").read_text())
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as sock:
        for start in range(0, limit, PER_MESSAGE):
            sock.send(b"".join(map(_entry, range(start, min(start + PER_MESSAGE, limit)))))
    return int(Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text())


def _attribute(kind: int, body: bytes) -> bytes:
    padding = b"\0" * (-len(body) % 4)
    return struct.pack("=HH", len(body) + 4, kind) + body + padding


def _tuple(kind: int, source: bytes, target: bytes, sport: int, dport: int) -> bytes:
    addresses = _attribute(1 | NESTED, _attribute(1, source) + _attribute(2, target))
    ports = _attribute(2, struct.pack("!H", sport)) + _attribute(3, struct.pack("!H", dport))
    protocol = _attribute(2 | NESTED, _attribute(1, bytes([socket.IPPROTO_UDP])) + ports)
    return _attribute(kind | NESTED, addresses + protocol)


def _entry(number: int) -> bytes:
    """One UDP conversation between two hosts that do not exist."""
    source, target = struct.pack("!I", 0xC6120000 + number // 60000), socket.inet_aton("198.51.100.1")
    port = 1024 + number % 60000
    body = struct.pack("=BBH", socket.AF_INET, 0, 0)
    body += _tuple(ORIG, source, target, port, 53) + _tuple(REPLY, target, source, 53, port)
    body += _attribute(STATUS, struct.pack("!I", SEEN_REPLY | ASSURED | CONFIRMED))
    body += _attribute(TIMEOUT, struct.pack("!I", 600))
    return struct.pack("=IHHII", len(body) + 16, NEW, NLM_F_REQUEST | NLM_F_CREATE, number, 0) + body


if __name__ == "__main__":
    print(fill())
