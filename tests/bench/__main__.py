"""`python -m tests.bench`: medians, p90 and the ratio to the bare plugin, interleaved round by round.

A ratio says what a machine's speed cannot change. Nothing here fails when it is slow: it is for reading.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from genie_core.edges import policy_dir

from . import policies
from .node import CNI_BIN, Node, enter


class Case(NamedTuple):
    """One way to attach a pod: what runs for ADD and DEL, and beside which case it is read."""

    name: str
    calls: list[tuple[Path, bytes]]
    beside: str = ""
    before: Callable[[], None] = lambda: None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="rounds to count (default 25, at least 20)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    enter()
    with tempfile.TemporaryDirectory(prefix="genie-bench-") as folder:
        node = Node(Path(folder))
        two = "bridge,ptp@eth1"
        nads = {"k8s.v1.cni.cncf.io/networks": "bridge,ptp"}
        with node.api_server({"cni": "bridge"}) as one_kubeconfig, node.api_server(nads) as nad_kubeconfig:
            cases = _cases(node, two, one_kubeconfig, nad_kubeconfig)
            timings = _measure(node, cases, options.rounds)
        report = _report(cases, timings)
        scale = policies.measure()
        if options.json:
            print(
                json.dumps(
                    {
                        "rounds": options.rounds,
                        "python": str(node.python),
                        "cases": report,
                        "policies": scale,
                    },
                    indent=2,
                )
            )
        else:
            _print(report, options.rounds, node)
            print("\npolicies between networks, from the objects to the kernel; milliseconds\n")
            for row in scale:
                print(f"{row['name']:58}{row['medianMs']:>7}")


def _cases(node: Node, two: str, one_kubeconfig: Path, nad_kubeconfig: Path) -> list[Case]:
    bare = {name: (CNI_BIN / name, json.dumps(network).encode()) for name, network in node.networks.items()}
    genie = node.genie
    return [
        Case("bare bridge", [bare["bridge"]]),
        Case("genie, annotations from the runtime", [(genie, node.stdin({"cni": "bridge"}))], "bare bridge"),
        Case("genie, pod read over TLS", [(genie, node.stdin(kubeconfig=one_kubeconfig))], "bare bridge"),
        Case("bare bridge, then bare ptp", [bare["bridge"], bare["ptp"]]),
        Case("genie, two networks", [(genie, node.stdin({"cni": two}))], "bare bridge, then bare ptp"),
        Case(
            "genie, two networks, one with policies",
            [(genie, node.stdin({"cni": two}, policy_engine=True))],
            "genie, two networks",
            lambda: policy_dir.write({"cni/ptp": [{"namespace": "*", "podSelector": {}}]}),
        ),
        Case(
            "genie, default + two NADs over TLS, warm",
            [(genie, node.stdin(kubeconfig=nad_kubeconfig))],
            "bare bridge, then bare ptp",
        ),
        Case(
            "genie, default + two NADs over TLS, cold",
            [(genie, node.stdin(kubeconfig=nad_kubeconfig))],
            "bare bridge, then bare ptp",
            node.drop_code_from_cache,
        ),
    ]


def _measure(node: Node, cases: list[Case], rounds: int) -> dict[tuple[str, str], list[float]]:
    timings: dict[tuple[str, str], list[float]] = {
        (case.name, verb): [] for case in cases for verb in ("ADD", "DEL")
    }
    for number in range(-2, max(rounds, 20)):  # two rounds to warm up
        for case in cases:
            for verb, calls in (("ADD", case.calls), ("DEL", case.calls[::-1])):
                case.before()
                spent = sum(_run(node, verb, place, *call) for place, call in enumerate(calls))
                if number >= 0:
                    timings[case.name, verb].append(spent)
    return timings


def _run(node: Node, verb: str, place: int, binary: Path, stdin: bytes) -> float:
    """Milliseconds from spawn to the end of one process. Raises SystemExit if it fails."""
    env = node.env(verb)
    if binary.parent == CNI_BIN and len(stdin) and b'"ptp"' in stdin:
        env["CNI_IFNAME"] = "eth1"
    files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    os.write(files[0], stdin)
    os.lseek(files[0], 0, 0)
    actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(files)]
    began = time.perf_counter()
    pid = os.posix_spawn(binary, [str(binary)], env, file_actions=actions)
    status = os.waitpid(pid, 0)[1]
    spent = (time.perf_counter() - began) * 1000
    output = [os.pread(fd, 1 << 20, 0).decode() for fd in files[1:]]
    for fd in files:
        os.close(fd)
    if status:
        sys.exit(f"{binary.name} {verb} failed: {output[0]}{output[1]}")
    return spent


def _report(cases: list[Case], timings: dict[tuple[str, str], list[float]]) -> list[dict]:
    rows = []
    for case in cases:
        row: dict = {"name": case.name}
        for verb in ("ADD", "DEL"):
            spent = timings[case.name, verb]
            row[verb] = {"medianMs": round(median(spent), 1), "p90Ms": round(quantiles(spent, n=10)[-1], 1)}
            if case.beside:
                # round by round, so that a machine whose speed drifts does not drift the ratio
                pairs = zip(spent, timings[case.beside, verb], strict=True)
                differences = [
                    own - bare for own, bare in zip(spent, timings[case.beside, verb], strict=True)
                ]
                row[verb] |= {
                    "ratio": round(median(own / bare for own, bare in pairs), 2),
                    "addedMs": round(median(differences), 1),
                }
        rows.append(row)
    return rows


def _print(report: list[dict], rounds: int, node: Node) -> None:
    print(f"{max(rounds, 20)} rounds, interleaved; milliseconds; plugin run by {node.python}\n")
    print(f"{'':42}{'ADD':^29}  {'DEL':^29}")
    print(
        f"{'':42}{'median':>7}{'p90':>7}{'added':>7}{'ratio':>8}  {'median':>7}{'p90':>7}{'added':>7}{'ratio':>8}"
    )
    for row in report:
        line = f"{row['name']:42}"
        for verb in ("ADD", "DEL"):
            told = row[verb]
            added, ratio = told.get("addedMs", ""), told.get("ratio", "")
            line += f"{told['medianMs']:>7}{told['p90Ms']:>7}{added:>7}{ratio:>8}  "
        print(line.rstrip())


if __name__ == "__main__":
    main()
