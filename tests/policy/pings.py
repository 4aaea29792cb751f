"""One echo request, without the program: it is on no list of packages."""

import os
import socket

from genie_core.edges.netns import inside
from tests.patience import wait_until
from tests.policy.lab import _echo, _is_reply

SECONDS = 0.5


def answers(namespace, address, device=""):
    """Ask until the address answers: the machine may be busy, and the first packet waits for a hardware address."""
    wait_until(lambda: ping(namespace, address, device))
    return True


def ping(namespace, address, device="", seconds=SECONDS):
    """Whether an address answers one request in time, asked from a namespace, over a device if one is named."""
    return inside(str(namespace.path), lambda: _ping(address, device, seconds))


def _ping(address, device, seconds):
    number = int.from_bytes(os.urandom(4), "big")
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as one:
        if device:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        one.settimeout(seconds)
        try:
            one.sendto(_echo(number, socket.AF_INET), (address, 0))
            while not _is_reply(one.recv(2048), number, socket.AF_INET):
                continue
        except (TimeoutError, PermissionError):
            return False
        return True
