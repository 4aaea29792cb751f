"""IP addresses and prefixes, read and printed as Go's `net` package does (conformance A44-A46).

All peers are written in Go, so its reading is what "valid" means here: no netmasks, no zones, no leading
zeros, and an IPv4-mapped IPv6 address *is* the IPv4 address.

This module is on the kubelet path: `ipaddress` costs 3.4 ms and accepts more than that; the C library's own
parser, from the extension module under `socket`, costs 0.1.
"""

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

_MAPPED = bytes(10) + b"\xff\xff"  # ::ffff:0:0/96


def canonical_address(text: str) -> str:
    """`text` as printed everywhere: lower case, IPv6 compressed (RFC 5952). Raises ValueError."""
    return _printed(_packed(text))


def canonical_prefix(text: str) -> str:
    """`text`, an address with a prefix length, in its printed form; host bits stay. Raises ValueError."""
    address, _, length = text.partition("/")
    packed = _packed(address)
    if not (length.isascii() and length.isdigit()):
        raise ValueError("no prefix length")
    bits = int(length)
    if len(packed) == 4 and ":" in address:
        bits -= 96
    if not 0 <= bits <= 8 * len(packed):
        raise ValueError("prefix length out of range")
    return f"{_printed(packed)}/{bits}"


def without_host_bits(canonical: str) -> str:
    """The subnet that the canonical prefix is in."""
    address, _, length = canonical.partition("/")
    packed = _packed(address)
    host_bits = 8 * len(packed) - int(length)
    subnet = int.from_bytes(packed, "big") >> host_bits << host_bits
    return f"{_printed(subnet.to_bytes(len(packed), 'big'))}/{length}"


def unusable(canonical: str) -> str:
    """What kind of address it is if no interface of a pod can have it, "" if one can. With or without prefix length."""
    address, _, length = canonical.partition("/")
    if length == "0":
        return "a prefix of length 0, which covers every address"
    packed = _packed(address)
    v4 = len(packed) == 4
    if not any(packed) or (v4 and packed[0] == 0):
        return "the unspecified address"
    if packed[0] == 127 if v4 else packed == bytes(15) + b"\1":
        return "a loopback address"
    if 224 <= packed[0] <= 239 if v4 else packed[0] == 0xFF:
        return "a multicast address"
    return "the broadcast address" if packed == b"\xff\xff\xff\xff" else ""


def is_v4(canonical: str) -> bool:
    """The family of a canonical address or prefix."""
    return ":" not in canonical


def host_prefix(ip: str) -> str:
    """The address as the prefix of one host: `10.244.1.10/32`."""
    return f"{ip}/{128 if ':' in ip else 32}"


def version(text: str) -> int:
    """The version of IP of an address or a prefix: 4 or 6."""
    return 6 if ":" in text else 4


def with_port(ip: str, port: int) -> str:
    """`10.244.1.10:80`, `[fd00::1]:80`."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def host(prefix: str) -> str:
    """The address of a prefix, without its length."""
    return prefix.partition("/")[0]


def is_default(dst: str) -> bool:
    """Whether a canonical route destination is everything: 0.0.0.0/0 or ::/0 (conformance C29)."""
    return dst.endswith("/0")


def first_gateways(ips: "Iterable[Mapping[str, Any]]") -> dict[bool, str]:
    """The first gateway of each family among a result's ips: {is v4: gateway}."""
    gateways: dict[bool, str] = {}
    for ip in ips:
        if "gateway" in ip:
            gateways.setdefault(is_v4(ip["gateway"]), ip["gateway"])
    return gateways


def _packed(text: str) -> bytes:
    try:
        packed = inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except OSError:
        raise ValueError("not an IP address") from None
    return packed[12:] if packed.startswith(_MAPPED) else packed


def _printed(packed: bytes) -> str:
    if len(packed) == 4:
        return inet_ntop(AF_INET, packed)
    text = inet_ntop(AF_INET6, packed)
    if "." in text:  # glibc still prints ::/96 as ::1.2.3.4, a form that RFC 5952 and Go do not have
        return f"::{packed[12] << 8 | packed[13]:x}:{packed[14] << 8 | packed[15]:x}"
    return text
