"""Real network namespaces, each with a name that says which test process made it."""

import json
import os
import socket
import struct
import subprocess
from fcntl import ioctl
from itertools import count
from pathlib import Path

from genie_core.edges.netns import inside

# What this process makes on the machine is named so: interface names hold it too (15 bytes).
PREFIX = f"gt{os.getpid()}"
_numbers = count(1)
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1  # netdevice(7)


class Namespace:
    """A named network namespace, with its loopback up. `path` is what CNI_NETNS takes."""

    def __init__(self):
        self.name = f"{PREFIX}-{next(_numbers)}"
        self.path = Path("/run/netns", self.name)
        _run("ip", "netns", "add", self.name)
        inside(str(self.path), _raise_loopback)

    def run(self, *argv, check=True):
        """Run a command inside; its CompletedProcess, with text output."""
        if argv[0] == "ip":  # it enters by itself, for a third of the time
            return _run("ip", "-netns", self.name, *argv[1:], check=check)
        return _run("ip", "netns", "exec", self.name, *argv, check=check)

    def links(self):
        """Interface name -> its addresses, as text with prefix length; loopback left out."""
        return {
            link["ifname"]: [f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"]]
            for link in json.loads(self.run("ip", "-json", "address").stdout)
            if link["ifname"] != "lo"
        }

    def remove(self):
        """Delete it, with everything in it; not an error when that has been done."""
        if self.path.exists():
            _run("ip", "netns", "delete", self.name)


def _raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", _IFF_UP))


def _run(*argv, check=True):
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(argv)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done
