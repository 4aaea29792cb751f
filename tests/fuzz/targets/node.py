"""The node of all targets: its configuration, its networks, the call that a runtime makes."""

import json

from tests.fuzz.answers import PORT, answer
from tests.fuzz.oracle import SECRET

SERVER = f"http://127.0.0.1:{PORT}"
POD_ANNOTATIONS = "io.kubernetes.cri.pod-annotations"
ARGS = b"IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;K8S_POD_INFRA_CONTAINER_ID=cid1;K8S_POD_UID=u1"
CONFIG = {
    "cniVersion": "1.1.0",
    "name": "genie",
    "type": "genie",
    "conf_dirs": ["@ROOT@/net.d"],
    "bin_dirs": ["@ROOT@/bin"],
    "state_dir": "@ROOT@/state",
    "log_level": "debug",
    "api_timeout_seconds": 0.1,
    "kubernetes": {"k8s_api_root": SERVER},
    "cAdvisor_address": SERVER,
}


def dump(document):
    return json.dumps(document).encode()


def stdin(annotations=None, **changes):
    """The configuration on stdin; None leaves a key out."""
    config = {**CONFIG, **changes}
    if annotations is not None:
        config["runtimeConfig"] = {POD_ANNOTATIONS: annotations, **config.get("runtimeConfig", {})}
    return dump({key: value for key, value in config.items() if value is not None})


def network(name, *plugins, version="1.0.0", **fields):
    """A network's configuration list, with a secret that only its plugin may see."""
    secret = {"ipam": {"type": "host-local", "subnet": "10.0.0.0/24", "password": SECRET.decode()}}
    entries = [
        {"type": plugin, **secret} if isinstance(plugin, str) else plugin for plugin in plugins or [name]
    ]
    return dump({"cniVersion": version, "name": name, "plugins": entries, **fields})


CAPABLE = {
    "type": "c",
    "capabilities": dict.fromkeys(("ips", "mac", "portMappings", "bandwidth", "infinibandGUID", "deviceID", "CNIDeviceInfoFile"), True),
}  # fmt: skip


def pod(annotations=None, **metadata):
    return dump(
        {
            "kind": "Pod",
            "metadata": {
                "name": "p",
                "namespace": "ns",
                "uid": "u1",
                "annotations": annotations or {},
                **metadata,
            },
        }
    )


def nad(config=None):
    spec = {} if config is None else {"spec": {"config": json.dumps(config)}}
    return dump({"kind": "NetworkAttachmentDefinition", "metadata": {"name": "n", "namespace": "ns"}, **spec})


LOGICAL = {
    "metadata": {"name": "l", "namespace": "ns"},
    "spec": {"physicalNet": "phy", "plugin": "b", "sub_subnet": "10.0.0.0/24"},
}
PHYSICAL = {
    "metadata": {"name": "phy", "namespace": "ns"},
    "spec": {"sharedStatus": {"plugin": "a", "dedicatedNet": True, "subnet": "10.0.0.0/16"}},
}
RATES = {
    "stats": [
        {
            "timestamp": f"2024-01-01T00:00:0{second}.123456789Z",
            "network": {"interfaces": [{"name": "eth0", "rx_bytes": second * 1000, "tx_bytes": second}]},
        }
        for second in (1, 2)
    ]
}
BASE = {
    "stdin": stdin({"cni": "a"}),
    "CNI_COMMAND": b"ADD",
    "CNI_CONTAINERID": b"cid1",
    "CNI_NETNS": b"@ROOT@/netns",
    "CNI_IFNAME": b"eth0",
    "CNI_PATH": b"@ROOT@/bin",
    "CNI_ARGS": ARGS,
    "net.d/10-a.conflist": network("a"),
    "net.d/20-b.conflist": network("b", "b", "a", version="0.4.0"),
    "net.d/30-c.conflist": network("c", CAPABLE, version="1.1.0"),
    "api/pods": answer(pod({"cni": "a"})),
    "api/network-attachment-definitions": answer(nad({"cniVersion": "1.0.0", "name": "n", **CAPABLE})),
    "api/logicalnetworks": answer(dump(LOGICAL)),
    "api/physicalnetworks": answer(dump(PHYSICAL)),
    "api/containers": answer(dump(RATES)),
}
