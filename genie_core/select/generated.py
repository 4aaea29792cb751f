"""The configurations that CNI-Genie made up for three plugins, kept in memory (conformance D10, X16, X17).

Only with `generate_missing`. CNI-Genie's subnets had host bits, which host-local refuses today, and bridge
and macvlan shared one range; here each has a valid one of its own.
"""

from genie_core.jsontext import encode
from genie_core.spec.conf import parse_network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from genie_core.model import NetConf

NAMES = ("bridge", "macvlan", "sriov")


def generate(name: str, default_nic: str) -> "NetConf":
    """The configuration of one of NAMES; `default_nic` is the interface of the node's default route."""
    return parse_network(
        encode({"cniVersion": "0.4.0", **_bodies(default_nic)[name]}), f"generated for {name}"
    )


def _bodies(default_nic: str) -> "dict[str, dict[str, Any]]":
    return {
        "bridge": {
            "name": "mybridgenet",
            "type": "bridge",
            "isGateway": True,
            "ipam": {"type": "host-local", "subnet": "10.10.0.0/17"},
        },
        "macvlan": {
            "name": "macvlannet",
            "type": "macvlan",
            "master": default_nic or "eth0",
            "ipam": {"type": "host-local", "subnet": "10.10.128.0/17"},
        },
        "sriov": {
            "name": "sriovnet",
            "type": "sriov",
            "master": "eth0",
            "ipam": {
                "type": "fixipam",
                "subnet": "10.55.206.0/26",
                "routes": [{"dst": "0.0.0.0/0"}],
                "gateway": "10.55.206.1",
            },
        },
    }
