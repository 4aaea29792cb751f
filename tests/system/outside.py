"""A machine on the node's LAN, and one beyond it: what reaches a pod from outside.

    outside                        node
      up1 192.0.2.9   ------------   up0 192.0.2.1     the LAN; macvlan interfaces of pods are on it too
      lo  198.51.100.7                                 an address beyond the LAN

The node forwards, and drops what comes in where the answer would not go out: rp_filter=1 for IPv4, the rule that
firewalld makes of it (IPv6_rpfilter) for IPv6.
"""

import socket
import time
from contextlib import suppress

from genie_core.edges.netns import inside
from tests.netns import Namespace

LAN = ("192.0.2.9", "2001:db8:2::9")
FAR = ("198.51.100.7", "2001:db8:7::7")
NODE = ("192.0.2.1", "2001:db8:2::1")
_SETTLE_SECONDS = 60
_DISCARD = 9  # RFC 863: no program listens, so the answer is a reset
_STRICT_V6 = """
table ip6 strict {
    chain prerouting {
        type filter hook prerouting priority raw;
        ip6 saddr != fe80::/10 ip6 saddr != :: fib saddr . iif oif missing drop
    }
}
"""


class Outside:
    """Puts the machine beside `node`, and takes it away. `gateways` are its further addresses on the LAN."""

    def __init__(self, node, gateways=()):
        self.machine = Namespace()
        host = node.host
        host.run("ip", "link", "set", "up1", "netns", self.machine.name)
        host.run("ip", "link", "set", "up0", "up")
        self.machine.run("ip", "link", "set", "up1", "up")
        _address(host, "up0", (f"{NODE[0]}/24", f"{NODE[1]}/64"))
        _address(self.machine, "up1", (f"{LAN[0]}/24", f"{LAN[1]}/64", *gateways))
        _address(self.machine, "lo", (f"{FAR[0]}/32", f"{FAR[1]}/128"))
        for namespace, way in ((host, LAN), (self.machine, NODE)):
            for family, gateway in zip(("-4", "-6"), way, strict=True):
                namespace.run("ip", family, "route", "add", "default", "via", gateway)
        for namespace in (host, *node.pods):  # or each address is tentative for two seconds
            namespace.run(
                "sysctl", "-q", "-w", *(f"net.ipv6.conf.{which}.accept_dad=0" for which in ("all", "default"))
            )
        forward = [f"net.{family}.conf.all.forwarding=1" for family in ("ipv4", "ipv6")]
        host.run(
            "sysctl",
            "-q",
            "-w",
            *forward,
            *(f"net.ipv4.conf.{which}.rp_filter=1" for which in ("all", "default")),
        )
        file = node.root / "strict.nft"
        file.write_text(_STRICT_V6)
        host.run("nft", "-f", str(file))

    def remove(self):
        self.machine.remove()

    def answers(self, address, source, seconds=_SETTLE_SECONDS):
        """Whether a TCP connection from the source address to the pod's address gets an answer."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with suppress(TimeoutError, OSError):
                if self._asked(address, source):
                    return True
            time.sleep(0.05)
        return False

    def _asked(self, address, source):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside(str(self.machine.path), lambda: socket.socket(family, socket.SOCK_STREAM)) as connection:
            connection.settimeout(0.5)
            connection.bind((source, 0))
            try:
                connection.connect((address, _DISCARD))
            except ConnectionRefusedError:
                return True
        return True


def _address(namespace, link, addresses):
    for address in addresses:
        flags = ["nodad"] if ":" in address else []
        namespace.run("ip", "address", "add", address, "dev", link, *flags)
