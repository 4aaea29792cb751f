"""CNI-Genie's and Multus' binaries in the same rounds, where `PEERS` names a directory with `genie` or `multus`.

Each is configured for what Genie does in the case beside it: the pod's annotation or default network leads to one
bridge, and the pod is read from the API server, as both do for each call.
"""

import json
import os
import subprocess
from pathlib import Path

from .node import CNI_BIN, Case, Node

# Where CNI-Genie looks, whatever its configuration and CNI_PATH say.
CONF_DIR = Path("/etc/cni/net.d")
BIN_DIR = Path("/opt/cni/bin")


def cases(node: Node, kubeconfig: Path, beside: str) -> list[Case]:
    """The cases of the binaries that are there."""
    folder = os.environ.get("PEERS", "")
    found = {
        name: Path(folder, name) for name in ("genie", "multus") if folder and Path(folder, name).exists()
    }
    made = []
    if "genie" in found:
        _put_networks(node)
        config = {
            "cniVersion": "0.3.0",
            "name": "k8s-pod-network",
            "type": "genie",
            "log_level": "error",
            "kubernetes": {"kubeconfig": str(kubeconfig)},
            "policy": {"type": "k8s"},
            "hostname": "bench",
        }
        made.append(
            Case("CNI-Genie, pod read over TLS", [(found["genie"], json.dumps(config).encode())], beside)
        )
    if "multus" in found:
        multus = {
            "cniVersion": "1.0.0",
            "name": "multus",
            "type": "multus",
            "kubeconfig": str(kubeconfig),
            "cniDir": str(node.root / "multus"),
            "delegates": [node.networks["bridge"]],
        }
        made.append(
            Case("Multus (thin), pod read over TLS", [(found["multus"], json.dumps(multus).encode())], beside)
        )
    return made


def _put_networks(node: Node) -> None:
    """The networks' files and the plugins where CNI-Genie looks, in this mount namespace alone."""
    for folder in (CONF_DIR, BIN_DIR):
        _cover(folder.parents[-2], node.root / f"over{folder.parents[-2].name}")
        folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", str(CNI_BIN), str(BIN_DIR)], check=True)
    for name, network in node.networks.items():
        (CONF_DIR / f"10-{name}.conf").write_text(json.dumps({**network, "cniVersion": "0.3.0"}))


def _cover(folder: Path, changes: Path) -> None:
    """Let changes below the folder go elsewhere."""
    for part in ("upper", "work"):
        (changes / part).mkdir(parents=True)
    options = f"lowerdir={folder},upperdir={changes}/upper,workdir={changes}/work"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(folder)], check=True)
