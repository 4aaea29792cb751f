"""Many pods at once: how long all take, beside the bare plugin, with two lanes per core."""

import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from .node import CNI_BIN, Node, run

LANES = 2 * (os.cpu_count() or 1)
ROUNDS = 3


def measure(node: Node, pods: int) -> list[dict]:
    """A row for each way: medians over the rounds of the seconds, and of their ratio to the bare plugin's."""
    one = node.stdin({"cni": "bridge"})
    ways = {
        "bare bridge": (CNI_BIN / "bridge", json.dumps(node.networks["bridge"]).encode()),
        "genie": (node.genie, one),
        "native launcher": (node.native, one),
        "genie serve": (node.served, one),
    }
    names = [f"burst{number}" for number in range(pods)]
    for name in names:
        subprocess.run(["ip", "netns", "add", name], check=True)
    spent: dict[tuple[str, str], list[float]] = {(way, verb): [] for way in ways for verb in ("ADD", "DEL")}
    for _ in range(ROUNDS):
        for way, call in ways.items():
            for verb in ("ADD", "DEL"):
                spent[way, verb].append(_burst(node, verb, names, *call))
    return [_row(way, spent) for way in ways]


def _burst(node: Node, verb: str, names: list[str], binary: Path, stdin: bytes) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(LANES) as lanes:
        list(lanes.map(lambda name: run(node, verb, 0, binary, stdin, name), names))
    return time.perf_counter() - began


def _row(way: str, spent: dict[tuple[str, str], list[float]]) -> dict:
    row: dict = {"name": way}
    for verb in ("ADD", "DEL"):
        took, bare = spent[way, verb], spent["bare bridge", verb]
        row[f"{verb.lower()}Seconds"] = round(median(took), 2)
        row[f"{verb.lower()}Ratio"] = round(median(a / b for a, b in zip(took, bare, strict=True)), 2)
    return row
