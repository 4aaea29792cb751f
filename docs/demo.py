"""`make demo`: a dry run of a pod with two networks, retold in a few lines.

docs/demo.py [FOLDER OF CNI PLUGINS ...]
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ASKED = "bridge,macvlan@net1"


def main(folders: list[str]) -> int:
    """Run `genie dry-run`; where it fails, show what it says instead."""
    genie = Path(sys.executable).with_name("genie")
    plugins = [word for folder in folders for word in ("--bin-dir", folder)]
    command = [str(genie), "dry-run", "--samples", "--cni", ASKED, *plugins]
    print("a pod starts and ends in a private copy of this machine (a few seconds)", file=sys.stderr)
    done = subprocess.run([*command, "--output", "json"], capture_output=True, text=True, check=False)
    if done.returncode:
        return subprocess.run(command, check=False).returncode
    print("\n".join(story(json.loads(done.stdout))))
    return 0


def story(report: dict[str, Any]) -> Iterator[str]:
    """What happened, for a reader who does not know CNI."""
    pod, summary = report["pod"], report["summary"]
    yield f'\nA pod with the annotation   cni: "{ASKED}"\n'
    for planned, step in zip(report["plan"], report["calls"][0]["steps"], strict=True):
        (interface,) = (one for one in pod["interfaces"] if one["name"] == planned["interface"])
        address = next(one for one in interface["addresses"] if "." in one)
        yield f"  {planned['interface']}  {address:<15}  from the network {planned['network']} ({step['ms']:.0f} ms)"
    reached = [one["address"] for one in report["reachability"] if one["reached"]]
    yield f"  it reached its gateways: {', '.join(reached)}\n"
    yield "What happened, with the real plugins, in a private copy of this machine:\n"
    yield "  ADD     the runtime started a pod; Genie called bridge and macvlan and returned both addresses"
    yield "  CHECK   everything was still as after ADD"
    yield "  DEL     both networks were released; a second DEL did no harm"
    yield f"  after   {len(report['node']['left'])} things of the pod were left; this machine was not changed\n"
    yield f"ok: {' and '.join(summary['addresses'])} were given and taken back\n"
    yield "What to do next:\n"
    yield "  make tour                   a node to play with: a healthy pod and a broken one"
    yield "  .venv/bin/genie dry-run -h  the same with networks of your own, and all that it shows"
    yield "  docs/networks.md            how a pod asks for networks"
    yield "  docs/install-a-node.md      put it on a node"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
