"""The ADD of CNI-Genie, by hand: each plugin is called with its file, under the interface names that CNI-Genie gave.

Facts from its source: interfaces count from eth0, names that are asked for are left out; CNI_ARGS pass as they are;
nothing is recorded but for what libcni 0.7, by which it calls them, keeps: each network's result.
"""

import json
import subprocess
from base64 import b64encode
from itertools import count
from pathlib import Path

from tests.system.node import CNI_BIN

CNI_GENIE, MULTUS = Path("/var/lib/cni/results"), Path("/var/lib/cni/multus/results")


def add(node, files, cni, container="c1", args="", multus=False):
    """Attach the node's first pod to `a,b@eth3`; `files` maps each network to its file.

    `multus`: what libcni 0.8 and later keep, in the directory of Multus.
    """
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
        folder = MULTUS if multus else CNI_GENIE
        folder.mkdir(parents=True, exist_ok=True)
        entry = {
            "kind": "cniCacheV1",
            "containerId": container,
            "config": b64encode(json.dumps(document).encode()).decode(),
            "ifName": ifname,
            "networkName": document["name"],
            "result": json.loads(result),
        }
        path = folder / f"{document['name']}-{container}-{ifname}"
        path.write_text(json.dumps(entry) if multus else result)
