"""The content of /proc/net/ip_vs: virtual servers and their destinations (ip_vs_info_seq_show in ip_vs_ctl.c)."""

from __future__ import annotations

import ipaddress

Key = tuple[str, str, int]  # protocol, address, port
Destination = tuple[str, int, int]  # address, port, weight


def virtual_servers(text: str) -> dict[Key, list[Destination]]:
    """Every virtual server by protocol, address and port. Other lines are skipped."""
    found: dict[Key, list[Destination]] = {}
    current: list[Destination] | None = None
    for words in (line.split() for line in text.splitlines()):
        try:
            if words[:1] == ["->"] and current is not None:
                ip, port = _endpoint(words[1])
                current.append((ip, port, int(words[3])))
            elif words[:1] in (["TCP"], ["UDP"], ["SCTP"]):
                current = found.setdefault((words[0].lower(), *_endpoint(words[1])), [])
        except (IndexError, ValueError):
            continue
    return found


def _endpoint(text: str) -> tuple[str, int]:
    """`0A60000A:0050`, or `[fd00:0096:...]:0050`."""
    host, _, port = text.rpartition(":")
    address = (
        ipaddress.ip_address(host[1:-1]) if host.startswith("[") else ipaddress.IPv4Address(int(host, 16))
    )
    return str(address), int(port, 16)
