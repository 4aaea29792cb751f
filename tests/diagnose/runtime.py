"""A container runtime with the lab's files: does a new pod still get its network?

As containerd does: the first file of the configuration directory, by name, is the network; its plugins are looked
for in the binary directory; `config.toml` may name other directories.
"""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from tests.diagnose.lab import Lab

PATIENCE = 8  # seconds; kubelet gives up after minutes


def add_works(lab: Lab) -> bool:
    """Whether a new pod gets an address of the node's own prefix. It is gone again afterwards, also where ADD failed.

    `bridge` switches forwarding on, which would mend a fault: that is put back.
    """
    conf_dir, bin_dir = _directories(lab)
    try:
        path = min(p for p in conf_dir.iterdir() if p.suffix in (".conf", ".conflist", ".json"))
        network = json.loads(path.read_text())
    except (ValueError, OSError):
        return False
    forward = lab.sh("ip netns add $F-new; N sysctl -n net.ipv4.ip_forward").strip()
    try:
        result = _chain(lab, bin_dir, network, "ADD")
        _chain(lab, bin_dir, network, "DEL")
    finally:
        lab.sh(f"ip netns del $F-new; N sysctl -qw net.ipv4.ip_forward={forward}")
    return any(ip["address"].startswith("10.244.1.") for ip in result.get("ips", ()))


def _directories(lab: Lab) -> tuple[Path, Path]:
    try:
        cri = tomllib.loads((lab.directory / "config.toml").read_text())["plugins"]
    except FileNotFoundError:
        return lab.conf, lab.bin
    cni = next(iter(cri.values()))["cni"]
    return Path(cni["conf_dir"]), Path(cni.get("bin_dir") or cni["bin_dirs"][0])


def _chain(lab: Lab, bin_dir: Path, network: dict[str, Any], command: str) -> dict[str, Any]:
    """The last plugin's result; {} where one of them fails or is not there."""
    result: dict[str, Any] = {}
    for plugin in network.get("plugins", [network]):
        conf = plugin | {"cniVersion": network["cniVersion"], "name": network["name"]}
        if "ipam" in conf:
            conf["ipam"] = conf["ipam"] | {"dataDir": str(lab.ipam)}
        try:
            answer = _run(lab, bin_dir, conf | ({"prevResult": result} if result else {}), command)
        except (OSError, subprocess.TimeoutExpired):
            return {}
        if answer.returncode and command == "ADD":
            return {}
        result = json.loads(answer.stdout) if command == "ADD" else {}
    return result


def _run(lab: Lab, bin_dir: Path, conf: dict[str, Any], command: str) -> subprocess.CompletedProcess[str]:
    plugin = bin_dir / conf["type"]
    if not os.access(plugin, os.X_OK):
        raise FileNotFoundError(plugin)
    env = {
        "PATH": os.environ["PATH"], "CNI_COMMAND": command, "CNI_CONTAINERID": "new", "CNI_IFNAME": "eth0",
        "CNI_NETNS": f"/run/netns/{lab.prefix}-new", "CNI_PATH": str(bin_dir),
    }  # fmt: skip
    argv = ["ip", "netns", "exec", f"{lab.prefix}-node", str(plugin)]
    return subprocess.run(
        argv, env=env, input=json.dumps(conf), capture_output=True, text=True, errors="replace", check=False,
        timeout=PATIENCE,
    )  # fmt: skip
