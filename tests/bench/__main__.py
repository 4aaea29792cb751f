"""`python -m tests.bench`: medians, p90 and the ratio to the bare plugin, interleaved round by round.

A ratio does not depend on the machine's speed. Nothing here fails when it is slow: it is for reading.
"""

import argparse
import json
import tempfile
from pathlib import Path
from statistics import median, quantiles

from genie_core.edges import policy_dir

from . import burst, peers, policies
from .node import CNI_BIN, Case, Node, enter, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="rounds to count (default 25, at least 20)")
    parser.add_argument("--pods", type=int, default=100, help="pods that are added at once (default 100)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    enter()
    with tempfile.TemporaryDirectory(prefix="genie-bench-") as folder:
        node = Node(Path(folder))
        two, three = "bridge,ptp@eth1", "bridge,ptp@eth1,macvlan@eth2"
        nads = {"k8s.v1.cni.cncf.io/networks": "bridge,ptp"}
        with (
            node.api_server({"cni": "bridge"}) as one_kubeconfig,
            node.api_server(nads) as nad_kubeconfig,
            node.server(),
        ):
            cases = [*_cases(node, two, one_kubeconfig, nad_kubeconfig), *_side_by_side(node, two, three)]
            timings = _measure(node, cases, options.rounds)
            bursts = burst.measure(node, options.pods)
        report = _report(cases, timings)
        scale = [*policies.measure(), policies.applied(Path(folder) / "engine")]
        if options.json:
            print(
                json.dumps(
                    {
                        "rounds": options.rounds,
                        "python": str(node.python),
                        "cases": report,
                        "bursts": bursts,
                        "policies": scale,
                    },
                    indent=2,
                )
            )
        else:
            _print(report, options.rounds, node)
            print(
                f"\n{options.pods} pods at once, {burst.LANES} lanes; seconds for all, and beside the bare plugin\n"
            )
            for row in bursts:
                print(
                    f"{row['name']:42}{row['addSeconds']:>7}{row['addRatio']:>7}{row['delSeconds']:>9}{row['delRatio']:>7}"
                )
            print("\npolicies between networks, from the objects to the kernel; milliseconds\n")
            for row in scale:
                p99 = f"{row['p99Ms']:>10} p99" if "p99Ms" in row else ""
                print(f"{row['name']:76}{row['medianMs']:>7}{p99}")


def _cases(node: Node, two: str, one_kubeconfig: Path, nad_kubeconfig: Path) -> list[Case]:
    bare = {name: (CNI_BIN / name, json.dumps(network).encode()) for name, network in node.networks.items()}
    alone, both = "bare bridge", "bare bridge, then bare ptp"
    cases = [Case(alone, [bare["bridge"]]), Case(both, [bare["bridge"], bare["ptp"]])]
    one, pod = node.stdin({"cni": "bridge"}), node.stdin(kubeconfig=one_kubeconfig)
    for how, genie in (("genie", node.genie), ("native launcher", node.native), ("genie serve", node.served)):
        cases += [
            Case(f"{how}, annotations from the runtime", [(genie, one)], alone),
            Case(f"{how}, pod read over TLS", [(genie, pod)], alone),
            Case(f"{how}, two networks", [(genie, node.stdin({"cni": two}))], both),
        ]
    nads = [(node.genie, node.stdin(kubeconfig=nad_kubeconfig))]
    return [
        *cases,
        *peers.cases(node, one_kubeconfig, alone),
        Case(
            "genie, two networks, one with policies",
            [(node.genie, node.stdin({"cni": two}, policy_engine=True))],
            "genie, two networks",
            lambda: policy_dir.write({"cni/ptp": [{"namespace": "*", "podSelector": {}}]}),
        ),
        Case("genie, default + two NADs over TLS, warm", nads, both),
        Case("genie, default + two NADs over TLS, cold", nads, both, node.drop_code_from_cache),
    ]


def _side_by_side(node: Node, two: str, three: str) -> list[Case]:
    """Networks of one pod side by side (`parallel_attachments`), beside the same one after the other."""
    cases = []
    for how, genie in (("genie", node.genie), ("genie serve", node.served)):
        alone = [(genie, node.stdin({"cni": three}))]
        cases += [
            Case(
                f"{how}, two networks side by side",
                [(genie, node.stdin({"cni": two}, parallel_attachments=True))],
                f"{how}, two networks",
            ),
            Case(f"{how}, three networks", alone),
            Case(
                f"{how}, three networks side by side",
                [(genie, node.stdin({"cni": three}, parallel_attachments=True))],
                f"{how}, three networks",
            ),
        ]
    return cases


def _measure(node: Node, cases: list[Case], rounds: int) -> dict[tuple[str, str], list[float]]:
    timings: dict[tuple[str, str], list[float]] = {
        (case.name, verb): [] for case in cases for verb in ("ADD", "DEL")
    }
    for number in range(-2, max(rounds, 20)):  # two rounds to warm up
        # Not counted: what the last case leaves to be done is not billed to the first.
        for verb in ("ADD", "DEL"):
            run(node, verb, 0, *cases[0].calls[0])
        for case in cases:
            for verb, calls in (("ADD", case.calls), ("DEL", case.calls[::-1])):
                case.before()
                spent = sum(run(node, verb, place, *call) for place, call in enumerate(calls))
                if number >= 0:
                    timings[case.name, verb].append(spent)
    return timings


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
            figures = row[verb]
            added, ratio = figures.get("addedMs", ""), figures.get("ratio", "")
            line += f"{figures['medianMs']:>7}{figures['p90Ms']:>7}{added:>7}{ratio:>8}  "
        print(line.rstrip())


if __name__ == "__main__":
    main()
