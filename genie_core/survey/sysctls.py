"""Sysctls, counters and sockets of the calling thread's namespace, from /proc."""

from __future__ import annotations

import os

from genie_core.edges.files import read_all
from genie_core.survey.sockets import plain

SYSCTLS, NET = "/proc/sys/net", "/proc/thread-self/net"
SINGLE = (
    "ipv4/ip_forward",
    "ipv4/ip_default_ttl",
    "ipv4/icmp_echo_ignore_all",
    "ipv4/tcp_mtu_probing",
    "ipv4/ip_no_pmtu_disc",
    "ipv4/ip_local_port_range",
    "ipv4/ip_local_reserved_ports",
    "ipv4/ipfrag_high_thresh",
    "ipv6/ip6frag_high_thresh",
    "ipv4/neigh/default/gc_thresh3",
    "ipv6/neigh/default/gc_thresh3",
    "bridge/bridge-nf-call-iptables",
    "bridge/bridge-nf-call-ip6tables",
    "netfilter/nf_conntrack_max",
    "netfilter/nf_conntrack_count",
    "netfilter/nf_conntrack_udp_timeout",
    "netfilter/nf_conntrack_tcp_timeout_syn_sent",
    "netfilter/nf_conntrack_tcp_timeout_established",
)
PER_INTERFACE = {
    "ipv4": (
        "rp_filter",
        "forwarding",
        "proxy_arp",
        "arp_ignore",
        "arp_filter",
        "arp_announce",
        "accept_local",
        "src_valid_mark",
    ),
    "ipv6": ("disable_ipv6", "forwarding", "force_forwarding", "proxy_ndp", "accept_ra", "hop_limit"),
}
COUNTERS = ("IPReversePathFilter", "InNoRoutes", "OutNoRoutes", "ForwDatagrams", "FragFails", "InAddrErrors")
# Packets that IPsec policies refuse (Documentation/networking/xfrm_proc.rst).
XFRM = (
    "XfrmInNoPols",
    "XfrmInPolBlock",
    "XfrmInTmplMismatch",
    "XfrmOutPolBlock",
    "XfrmOutNoStates",
    "XfrmFwdHdrError",
)
LISTEN = "0A"


def _read(path: str) -> str:
    """The file's text, "" where it cannot be read. By descriptor: there are a dozen files for each interface."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return read_all(fd).decode().strip()
    except OSError:
        return ""
    finally:
        os.close(fd)


def sysctls() -> dict[str, str]:
    """Path below /proc/sys/net -> value: `ipv4/conf/eth0/rp_filter`. What does not exist is absent."""
    found = {name: _read(f"{SYSCTLS}/{name}") for name in SINGLE}
    for family, names in PER_INTERFACE.items():
        folder = f"{SYSCTLS}/{family}/conf"
        for interface in os.listdir(folder) if os.path.isdir(folder) else ():
            for name in names:
                found[f"{family}/conf/{interface}/{name}"] = _read(f"{folder}/{interface}/{name}")
    return {name: value for name, value in found.items() if value != ""}


def counters() -> dict[str, int]:
    """The counters of drops in snmp, netstat and xfrm_stat, by the kernel's names."""
    found: dict[str, int] = {}
    for file in ("snmp", "netstat"):
        lines = _read(f"{NET}/{file}").splitlines()
        for heads, values in zip(lines[::2], lines[1::2], strict=False):
            pairs = zip(heads.split()[1:], values.split()[1:], strict=False)
            found |= {name: int(value) for name, value in pairs if name in COUNTERS}
    for line in _read(f"{NET}/xfrm_stat").splitlines():
        name, _, number = line.partition(" ")
        if name.strip() in XFRM:
            found[name.strip()] = int(number)
    for name, value in _conntrack_statistics().items():
        found[f"conntrack_{name}"] = value
    return found


def _conntrack_statistics() -> dict[str, int]:
    """/proc/net/stat/nf_conntrack, summed over processors: drop, early_drop, insert_failed."""
    lines = _read(f"{NET}/stat/nf_conntrack").splitlines()
    if len(lines) < 2:
        return {}
    names = lines[0].split()
    wanted = ("drop", "early_drop", "insert_failed")
    rows = [line.split() for line in lines[1:]]
    return {n: sum(int(row[names.index(n)], 16) for row in rows) for n in wanted if n in names}


def _address(text: str) -> str:
    """`0100007F:1F90` -> `127.0.0.1:8080`; IPv6 is four little-endian words."""
    import socket

    host, port = text.split(":")
    raw = b"".join(bytes.fromhex(host[i : i + 8])[::-1] for i in range(0, len(host), 8))
    family = socket.AF_INET if len(raw) == 4 else socket.AF_INET6
    return f"{plain(socket.inet_ntop(family, raw))}:{int(port, 16)}"


def listeners() -> tuple[str, ...]:
    """The sockets that accept connections or datagrams here: `tcp 0.0.0.0:8080`, `udp :::53`."""
    found = set()
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        for line in _read(f"{NET}/{protocol}").splitlines()[1:]:
            fields = line.split()
            if protocol.startswith("udp") or fields[3] == LISTEN:
                found.add(f"{protocol[:3]} {_address(fields[1])}")
    return tuple(sorted(found))


def ipvs() -> str:
    """/proc/net/ip_vs: the virtual servers of kube-proxy's IPVS mode, "" where there are none."""
    return _read(f"{NET}/ip_vs")
