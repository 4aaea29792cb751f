"""Nodes to discover: copies of the layouts in tests/fixtures/nodes, or built file by file, with plugins that answer."""

import json
import os
import shutil
import socket
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parent.parent / "fixtures" / "nodes"
VERSIONS = ["0.3.0", "0.3.1", "0.4.0", "1.0.0"]

# A plugin in two lines; what it says to STATUS and VERSION is all that discover asks.
PLUGIN = """\
#!/bin/sh
[ "$CNI_COMMAND" = VERSION ] && echo '{"cniVersion":"1.0.0","supportedVersions":%s}'
[ "$CNI_COMMAND" = STATUS ] && { %s; }
exit 0
"""

# Genie beside one network `net`.
GENIE: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "genie",
    "plugins": [
        {
            "type": "genie",
            "default_plugin": "net",
            "capabilities": {
                "io.kubernetes.cri.pod-annotations": True,
                "portMappings": True,
                "bandwidth": True,
            },
        }
    ],
}


def layout(name, target):
    """A copy of a layout, links kept."""
    shutil.copytree(FIXTURES / name, target, symlinks=True)
    return target


def add_plugins(directory, *types, versions=VERSIONS, status="exit 0"):
    """Put scripted plugins into a directory, made where it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    for type_ in types:
        write(directory / type_, PLUGIN % (json.dumps(versions), status), mode=0o755)


def write(path, content, mode=0o644):
    """A file, its directories made; anything but text is written as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2) + "\n")
    path.chmod(mode)
    return path


@contextmanager
def listening(path):
    """A runtime's socket; the folder is named by a descriptor, since a socket's path may have 107 bytes only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_PATH)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)
        server.listen()
        yield


def install_genie(node, *missing, **settings):
    """Genie beside the network `net`: its plugin's settings changed, and without the missing ones."""
    add_plugins(node.bin, "genie")
    (plugin,) = GENIE["plugins"]
    plugin = {key: value for key, value in (plugin | settings).items() if key not in missing}
    node.configure("00-genie.conflist", GENIE | {"plugins": [plugin]})
    node.configure("10-net.conflist", bridge())


def bridge(name="net", subnet="100.99.0.0/24", version="1.0.0", **members):
    """A conflist with one bridge."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": subnet}]]}
    entry = {"type": "bridge", "bridge": f"br-{name}"[:15], "isGateway": True, "ipam": ipam} | members
    return {"cniVersion": version, "name": name, "plugins": [entry]}
