"""Which addresses are in use in the node's other network namespaces. Cold; needs root."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from genie_core.edges.netlink import open_in
from genie_core.errors import GenieError


def addresses_in_use(named: Iterable[str]) -> dict[str, str]:
    """Address, without prefix -> the path of a namespace that has it: those of all processes, and the named ones.

    This process's own namespace is the node's, and left out. What vanishes meanwhile is not in use. Loopback addresses
    are in every namespace, and say nothing about whose they are.
    """
    own = os.stat("/proc/self/ns/net").st_ino
    seen = {own}
    found: dict[str, str] = {}
    for path in (*_of_processes(), *named):
        try:
            inode = os.stat(path).st_ino
            if inode in seen:
                continue
            seen.add(inode)
            with open_in(path) as netlink:
                held = [address.prefix.partition("/")[0] for address in netlink.addresses()]
                found |= {address: path for address in held if not ip_address(address).is_loopback}
        except (OSError, GenieError):
            continue
    return found


def _of_processes() -> Iterator[str]:
    return (f"/proc/{name}/ns/net" for name in os.listdir("/proc") if name.isdecimal())
