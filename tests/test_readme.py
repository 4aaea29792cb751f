"""The README's tour is run, line by line, on a node made for it; the output must be the one that it shows.

Numbers, addresses and times may differ; a line `...` stands for any lines. Links must lead somewhere.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests import warm

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

# A node as Debian's packages make it, containerd's configuration among them: private copies of what the tour writes to,
# memory over what is empty on such a node, an uplink with a default route.
NODE = """
set -e
for directory in /mnt /opt /run /etc/cni /var/lib/cni; do
  mkdir -p $directory; mount -t tmpfs tmpfs $directory
done
cp -a /usr/lib/cni /mnt/plugins; mount --bind /mnt/plugins /usr/lib/cni; mkdir /etc/cni/net.d
ip link set lo up
ip link add eth0 type veth peer name uplink
ip address add 192.0.2.10/24 dev eth0; ip link set eth0 up; ip link set uplink up
ip route add default via 192.0.2.1
set +e
"""


# What happens on that node before a command, by the command's beginning.
EVENTS = {
    # A pod is attached as a runtime does it; then its interface loses its bridge.
    "genie debug pod": """
ip netns add web-0; ip -n web-0 link set lo up
python3 -c 'if True:
    import json
    conflist = json.load(open("/etc/cni/net.d/00-genie.conflist"))
    annotations = {"runtimeConfig": {"io.kubernetes.cri.pod-annotations": {"cni": "bridge"}}}
    print(json.dumps(conflist["plugins"][0] | {"name": "genie", "cniVersion": "1.0.0"} | annotations))
' | CNI_COMMAND=ADD CNI_CONTAINERID=c0ffee CNI_NETNS=/run/netns/web-0 CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni \
    CNI_ARGS='IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0' /usr/lib/cni/genie >/dev/null 2>&1
for link in $(ip -o link show master cni0 | grep -o 'veth[0-9a-f]*'); do ip link set $link nomaster; done
""",
    # It vanishes without a DEL, an hour ago.
    "genie gc": "ip netns delete web-0; touch -d '1 hour ago' /var/lib/cni/genie/containers/*\n",
}


def before(command: str) -> str:
    """The commands that run before the tour, usually none."""
    return next((script for start, script in EVENTS.items() if command.startswith(start)), "")


def tour() -> list[tuple[str, list[str]]]:
    """(command, the lines shown below it), in order."""
    steps: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", README, flags=re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                steps.append((line[2:], []))
            else:
                steps[-1][1].append(line)
    return steps


def normal(line: str) -> str:
    """The line without what differs from run to run."""
    varying = r"[0-9a-f]{2}(:[0-9a-f]{2}){5}|\bveth[0-9a-f]{8}\b|\d+(\.\d+)?"
    return re.sub(r"\s+", " ", re.sub(varying, "N", line)).strip()


@pytest.mark.first
@pytest.mark.root
def test_the_tour_shows_what_comes_out(tmp_path):
    script = NODE + "".join(
        f"{before(command)}echo '=== {number}'; {command} 2>&1\n"
        for number, (command, _) in enumerate(tour())
    )
    done = subprocess.run(
        ["unshare", "--net", "--mount", "sh", "-c", script],
        env={**os.environ, "PATH": warm.on_path(tmp_path / "bin"), "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    outputs = re.split(r"^=== \d+\n", done.stdout, flags=re.MULTILINE)[1:]
    assert len(outputs) == len(tour()) >= 6, done.stdout + done.stderr
    for (command, shown), output in zip(tour(), outputs, strict=True):
        lines = iter([normal(line) for line in output.splitlines()])
        for line in filter(lambda line: line != "...", shown):
            assert normal(line) in lines, f"$ {command}: {line!r} is not in\n{output}"  # and in this order


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)\)", README))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()


def test_every_make_target_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([\w-]+)`|^make ([\w-]+)", README, flags=re.MULTILINE)):
        assert re.search(rf"^{''.join(target)}:", makefile, flags=re.MULTILINE), target
