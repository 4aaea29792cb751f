"""What policies between networks cost: compiling and loading many, and one pod's change in a large cluster."""

import ipaddress
import json
import time
from statistics import median, quantiles

from genie_core.policy.cluster import Cluster
from genie_core.policy.compile import compile_node
from genie_core.tasks.policy.kernel import Kernel
from tests.policy.engine_node import EngineNode, until
from tests.policy.generated import attachment
from tests.system.node import install_plugin

POLICIES, PEERS, PODS, HERE = 50, 200, 10_000, 100
_FIRST = int(ipaddress.ip_address("10.64.0.10"))


def measure(rounds: int = 5) -> list[dict]:
    """Rows of what was measured, with its milliseconds: the median of the rounds, from the objects to the kernel."""
    few = [_pod(index) for index in range(PEERS + HERE)]
    rows = [
        (f"{POLICIES} policies with {PEERS} peers each, by address", [*few, *_rest(_blocks)]),
        (f"{POLICIES} policies with {PEERS} peers each, by labels", [*few, *_rest(_selectors)]),
    ]
    found = [{"name": name, "medianMs": _whole(documents, rounds)} for name, documents in rows]
    name = f"one pod's change in a cluster of {PODS} pods"
    return [*found, {"name": name, "medianMs": _change(rounds)}]


def applied(folder, changes: int = 200, pods: int = HERE) -> dict:
    """A label changes on the API server: milliseconds until the first packet is judged by it, on `pods` pods."""
    node = EngineNode(folder / "node", install_plugin(folder / "installed"))
    try:
        node.start_engine()
        for number in range(pods):
            node.pod(f"db{number}", app="db")
        node.pod("peer", app="other")
        peers = [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}]}]
        node.policy(podSelector={"matchLabels": {"app": "db"}}, ingress=peers)
        until(lambda: not node.ping("peer", "db0"))
        spent = [_judged(node, f"db{turn % pods}", allowed=turn % 2 == 0) for turn in range(changes)]
    finally:
        node.close()
    name = f"one of {changes} changes, {pods} pods selected, until a packet is judged by it"
    p99 = quantiles(spent, n=100)[-1]
    return {"name": name, "medianMs": round(median(spent), 1), "p99Ms": round(p99, 1)}


def _judged(node, target, *, allowed):
    began = time.perf_counter()
    node.label("peer", app="web" if allowed else "other")
    while node.ping("peer", target, 0.02) is not allowed:
        pass
    return (time.perf_counter() - began) * 1000


def _whole(documents, rounds):
    spent = []
    for _ in range(rounds):
        kernel = Kernel()
        began = time.perf_counter()
        kernel.load(compile_node(Cluster(documents), "n1").host)
        spent.append((time.perf_counter() - began) * 1000)
    return round(median(spent), 1)


def _change(rounds):
    documents = [*(_pod(index) for index in range(PODS)), *_rest(lambda _: [{"podSelector": {}}])]
    kernel, earlier, spent = Kernel(), Cluster(documents), []
    kernel.load(compile_node(earlier, "n1").host)
    for index in range(rounds):
        kernel.foreign()  # as the engine does between two changes
        documents.append(_pod(PODS + index))
        began = time.perf_counter()
        earlier = Cluster(documents, earlier)
        kernel.load(compile_node(earlier, "n1").host)
        spent.append((time.perf_counter() - began) * 1000)
    return round(median(spent), 1)


def _pod(index):
    entry = {
        "name": "shop/one",
        "interface": "net1",
        "ips": [_address(index)],
        "genie.cni.dev/network": "shop/one",
    }
    notes = {"k8s.v1.cni.cncf.io/network-status": json.dumps([entry])}
    labels = {"app": f"app{index % POLICIES}", "number": str(index)}
    metadata = {
        "namespace": "shop",
        "name": f"p{index}",
        "uid": f"u{index}",
        "labels": labels,
        "annotations": notes,
    }
    return {"kind": "Pod", "metadata": metadata, "spec": {"containers": []}}


def _address(index):
    return str(ipaddress.ip_address(_FIRST + index))


def _rest(peers):
    definition = {"kind": "NetworkAttachmentDefinition", "metadata": {"namespace": "shop", "name": "one"}}
    items = [_attachment(index) for index in range(HERE)]
    return [*(_policy(n, peers(n)) for n in range(POLICIES)), definition,
            {"kind": "AttachmentList", "node": "n1", "items": items}]  # fmt: skip


def _attachment(index):
    made = attachment(0, "shop/one", 1, f"/run/netns/p{index}")
    made |= {"name": f"p{index}", "uid": f"u{index}", "containerID": f"c{index}"}
    made["result"]["interfaces"][1]["name"] = f"v{index}"
    made["result"]["ips"] = [{"address": f"{_address(index)}/16", "interface": 2}]
    return made


def _policy(number, peers):
    notes = {"k8s.v1.cni.cncf.io/policy-for": "one"}
    spec = {
        "podSelector": {"matchLabels": {"app": f"app{number}"}},
        "ingress": [{"from": peers, "ports": [{"port": 80}]}],
    }
    metadata = {"namespace": "shop", "name": f"policy{number}", "annotations": notes}
    return {"kind": "MultiNetworkPolicy", "metadata": metadata, "spec": spec}


def _blocks(number):
    return [{"ipBlock": {"cidr": f"172.{16 + number}.{index}.0/24"}} for index in range(PEERS)]


def _selectors(number):
    numbers = ((number * 7 + index) % (PEERS + HERE) for index in range(PEERS))
    return [{"podSelector": {"matchLabels": {"number": str(one)}}} for one in numbers]
