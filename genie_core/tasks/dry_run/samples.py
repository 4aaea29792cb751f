"""Sample configurations for machines that have none: a laptop can show what a node would do.

They are valid for the uplink of a private node (private_node_links.UPLINK): macvlan pods get addresses on it.
"""

from __future__ import annotations

import json
from typing import Any

_BODIES: dict[str, list[dict[str, Any]]] = {
    "bridge": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.22.0.0/16"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
    "macvlan": [
        {
            "type": "macvlan",
            "master": "eth0",
            "mode": "bridge",
            "ipam": {
                "type": "host-local",
                "ranges": [
                    [{"subnet": "192.0.2.0/24", "rangeStart": "192.0.2.100", "rangeEnd": "192.0.2.199"}]
                ],
            },
        }
    ],
    "ptp": [
        {
            "type": "ptp",
            "ipMasq": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.23.0.0/16"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}
NAMES = tuple(_BODIES)


def sample(name: str) -> str:
    """The text of a configuration list for one of NAMES."""
    return json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": _BODIES[name]}, indent=2)
