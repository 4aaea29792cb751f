"""The interfaces of a private node: one uplink with addresses of documentation ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLink:
    """One interface. `gateways`, with prefix length, are on the other end of an uplink; each gives a default route."""

    name: str
    mac: str = ""
    mtu: int = 1500
    is_bridge: bool = False
    addresses: Sequence[str] = ()
    gateways: Sequence[str] = ()


# RFC 5737 (TEST-NET-1), RFC 3849.
UPLINK = NodeLink(
    name="eth0",
    addresses=("192.0.2.2/24", "2001:db8::2/64"),
    gateways=("192.0.2.1/24", "2001:db8::1/64"),
)
