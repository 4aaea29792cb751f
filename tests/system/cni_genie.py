"""The ADD of CNI-Genie, by hand: each plugin is called with its file, under the interface names that CNI-Genie gave.

Facts from its source: interfaces count from eth0, names that are asked for are left out; CNI_ARGS pass as they are;
nothing is recorded but for what libcni 0.7, by which it calls them, keeps: each network's result.
"""

import json
import subprocess
from itertools import count
from pathlib import Path

from tests.system.node import CNI_BIN


def add(node, files, cni, container="c1", args=""):
    """Attach the node's first pod to `a,b@eth3`; `files` maps each network to its file."""
    wanted = [item.partition("@")[::2] for item in cni.split(",")]
    free = (name for name in (f"eth{number}" for number in count()) if name not in dict(wanted).values())
    for network, asked in wanted:
        ifname = asked or next(free)
        document = json.loads((node.conf / files[network]).read_text())
        result = "null"
        for plugin in document.get("plugins", [document]):
            config = {**plugin, "name": document["name"], "cniVersion": document["cniVersion"]}
            if result != "null":
                config["prevResult"] = json.loads(result)
            env = {**node.env("ADD", container, ifname=ifname), "CNI_PATH": str(CNI_BIN), "CNI_ARGS": args}
            done = subprocess.run(
                node.inside(CNI_BIN / plugin["type"]),
                env=env,
                input=json.dumps(config),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            result = done.stdout
        cache = Path("/var/lib/cni/results", f"{document['name']}-{container}-{ifname}")
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(result)
