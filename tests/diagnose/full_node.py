"""`make diagnose-bench`, its last part: how long the diagnosis takes on a node with a hundred pods, and its memory.

python -m tests.diagnose.full_node [PODS]; 1 where it takes more than 5 s without probes or 20 s with them.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.diagnose.lab import Lab

LIMITS = {"without probes": (5.0, ("--no-probes",)), "with probes": (20.0, ())}


def crowd(lab: Lab, pods: int) -> None:
    """More pods on the lab's bridge: namespace, veth, address, lease, cached result, API object."""
    lines = []
    for number in range(pods):
        name, ip = f"{lab.prefix}-x{number}", f"10.244.1.{number + 140 if number < 110 else number - 90}"
        lines += [f"ip netns add {name}", f"n link add vx{number} type veth peer name eth0 netns {name}"]
        lines += [f"n link set vx{number} master cni0 up mtu 1450", f"ip -n {name} link set eth0 up mtu 1450"]
        lines += [f"ip -n {name} addr add {ip}/24 dev eth0", f"ip -n {name} route add default via 10.244.1.1"]
        (lab.leases / ip).write_text(f"cidx{number}\r\neth0")
        lab.objects.append(_pod(f"x{number}", ip))
        cached = json.loads((lab.results / "cbr0-cidp1-eth0").read_text())
        cached |= {"containerId": f"cidx{number}", "netns": f"/run/netns/{name}"}
        cached["cniArgs"] = [["K8S_POD_NAMESPACE", "default"], ["K8S_POD_NAME", f"x{number}"]]
        cached["result"] = {"ips": [{"address": f"{ip}/24"}], "interfaces": []}
        (lab.results / f"cbr0-cidx{number}-eth0").write_text(json.dumps(cached))
    lab.sh("\n".join(lines))


def _pod(name: str, ip: str) -> dict[str, object]:
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "default", "name": name},
        "spec": {"nodeName": "node", "containers": []},
        "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]},
    }  # fmt: skip


def measure(lab: Lab, *extra: str) -> tuple[float, int]:
    """Seconds that the report says, and the process's peak memory in MiB."""
    inside = [
        "ip",
        "netns",
        "exec",
        f"{lab.prefix}-node",
        sys.executable,
        "-m",
        "genie_cli",
        *lab.arguments("p1"),
    ]
    env = os.environ | {"NODE_NAME": "node"}
    done = subprocess.run([*inside, *extra], capture_output=True, text=True, check=False, env=env)
    report = json.loads(done.stdout)
    assert report["findings"] == [], report["findings"]
    return report["metadata"]["durationMs"] / 1000, resource.getrusage(
        resource.RUSAGE_CHILDREN
    ).ru_maxrss >> 10


def main(argv: list[str]) -> int:
    """Print a line for each way; 1 where one takes too long."""
    pods, slow = int(argv[0]) if argv else 100, False
    with (
        tempfile.TemporaryDirectory(prefix="genie-lab-") as directory,
        Lab(Path(directory) / "lab", "f") as lab,
    ):
        for crowded in (0, pods):
            crowd(lab, crowded)
            for name, (limit, extra) in LIMITS.items():
                seconds, memory = measure(lab, *extra)
                slow |= seconds > limit
                print(
                    f"{crowded:4} more pods, {name:15} {seconds:5.1f} s (at most {limit:g}), {memory} MiB",
                    flush=True,
                )
    return int(slow)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
