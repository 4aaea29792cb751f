"""Generated clusters over one fixed node: namespaces, labels, ports and policies differ, the wires stay."""

import json
from dataclasses import dataclass, field

SPACES = ("shop", "bank", "lab")
LABELS = {"app": ("web", "db", "cache"), "tier": ("front", "back")}
NAMES = ("http", "dns", "sig")
PORTS = (80, 81, 443, 5000)
PROTOCOLS = ("TCP", "UDP", "SCTP")
# Network -> (kind of place, number of its subnet). A pod has the first, and some of the others.
NETWORKS = {
    "cni/bridge": ("bridge", 0),
    "shop/one": ("bridge", 1),
    "bank/two": ("macvlan", 2),
    "cni/direct": ("ptp", 3),
    "logical/shop/red": ("bridge", 4),
    "logical/shop/blue": ("bridge", 5),
    "logical/bank/green": ("macvlan", 6),
}
HAS = (
    ("cni/bridge", "shop/one", "bank/two"),
    ("cni/bridge", "shop/one", "cni/direct"),
    ("cni/bridge", "bank/two", "logical/shop/red"),
    ("cni/bridge", "cni/direct", "logical/shop/blue"),
    ("cni/bridge", "shop/one", "logical/bank/green"),
    ("cni/bridge", "logical/shop/red", "bank/two"),
    ("cni/bridge", "logical/bank/green"),
)


def addresses(number, index):
    """The v4 and v6 address of a pod on the network of this number."""
    return [f"10.77.{number}.{index + 10}", f"fd77:{number + 1:x}::{index + 10:x}"]


def bridge_of(number):
    """The node's bridge for a network."""
    return f"br{number}"


def attachment(index, network, position, sandbox="", space="shop", node="n1"):
    """The item of an AttachmentList for pod `index`."""
    kind, number = NETWORKS[network]
    ifname = f"net{position}" if position else "eth0"
    inside = {"name": ifname, "mac": mac(number, index), "sandbox": sandbox or f"/run/netns/pod{index}"}
    outside = {
        "bridge": [{"name": bridge_of(number)}, {"name": port(number, index)}],
        "ptp": [{"name": port(number, index)}],
    }
    links = [*outside.get(kind, []), inside]
    config = {"type": kind, **({"bridge": bridge_of(number)} if kind == "bridge" else {})}
    ips = [
        {"address": f"{ip}/{64 if ':' in ip else 24}", "interface": len(links) - 1}
        for ip in addresses(number, index)
    ]
    return {
        "namespace": space, "name": f"pod{index}", "uid": f"uid{index}", "containerID": f"c{index}",
        "netns": inside["sandbox"], "network": network, "interface": ifname, "config": config,
        "result": {"cniVersion": "1.0.0", "interfaces": links, "ips": ips},
    }  # fmt: skip


def mac(number, index):
    """The MAC of a pod's interface."""
    return f"02:00:00:00:{number:02x}:{index:02x}"


def port(number, index):
    """The host end of a pod's interface."""
    return f"v{number}p{index}"


@dataclass
class World:
    """One cluster. `pods` are Pod objects by index."""

    pods: list
    namespaces: dict
    policies: list
    network_policies: list
    sandboxes: dict = field(default_factory=dict)

    def nets(self, pod):
        """Network -> addresses, the primary one first."""
        index = int(pod["metadata"]["name"][3:])
        return {network: addresses(NETWORKS[network][1], index) for network in HAS[index]}

    def items(self):
        """The items of the node's AttachmentList."""
        return [
            attachment(index, network, position, self.sandboxes.get(index, ""), pod["metadata"]["namespace"])
            for index, pod in enumerate(self.pods)
            for position, network in enumerate(HAS[index])
        ]

    def documents(self):
        """Everything, as `--objects-file` takes it."""
        spaces = [
            {"kind": "Namespace", "metadata": {"name": n, "labels": labels}}
            for n, labels in self.namespaces.items()
        ]
        definitions = [
            {"kind": kind, "metadata": dict(zip(("namespace", "name"), network.split("/")[-2:], strict=True))}
            for network in NETWORKS
            if not network.startswith("cni/")
            for kind in [
                "Logicalnetwork" if network.startswith("logical/") else "NetworkAttachmentDefinition"
            ]
        ]
        return [*self.pods, *spaces, *definitions, *self.policies, *self.network_policies,
                {"kind": "AttachmentList", "node": "n1", "items": self.items()}]  # fmt: skip

    def ends(self):
        """(pod, network, address) of every address."""
        return [
            (pod, network, ip) for pod in self.pods for network, ips in self.nets(pod).items() for ip in ips
        ]


def world(random):
    """A cluster."""
    pods = [_pod(random, index) for index in range(len(HAS))]
    namespaces = {name: {"kubernetes.io/metadata.name": name, "team": random.choice("ab")} for name in SPACES}
    policies = [_policy(random, number) for number in range(random.randint(1, 4))]
    forms = [_pairs(random, number) for number in range(random.choice((0, 0, 1, 2)))]
    return World(pods, namespaces, policies, forms)


def _pod(random, index):
    labels = {key: random.choice(values) for key, values in LABELS.items() if random.random() < 0.8}
    ports = [
        {"name": name, "containerPort": random.choice(PORTS), "protocol": random.choice(PROTOCOLS)}
        for name in NAMES
        if random.random() < 0.6
    ]
    return {
        "kind": "Pod",
        "metadata": {
            "namespace": random.choice(SPACES),
            "name": f"pod{index}",
            "uid": f"uid{index}",
            "labels": labels,
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "ports": ports}]},
    }


def _selector(random, labels):
    if random.random() < 0.35:
        return {}
    key = random.choice(list(labels))
    if random.random() < 0.6:
        return {"matchLabels": {key: random.choice(labels[key])}}
    operator = random.choice(("In", "NotIn", "Exists", "DoesNotExist"))
    values = (
        {"values": random.sample(labels[key], random.randint(1, len(labels[key])))}
        if operator.endswith("In")
        else {}
    )
    return {"matchExpressions": [{"key": key, "operator": operator, **values}]}


def _policy(random, number):
    space = random.choice(SPACES)
    metadata = {"namespace": space, "name": f"policy{number}"}
    if random.random() < 0.8:
        names = random.sample(list(NETWORKS), random.randint(1, 3))
        metadata["annotations"] = {
            "k8s.v1.cni.cncf.io/policy-for": ", ".join(_written(name, space) for name in names)
        }
    spec = {"podSelector": _selector(random, LABELS)}
    if random.random() < 0.7:
        spec["policyTypes"] = random.choice((["Ingress"], ["Egress"], ["Ingress", "Egress"]))
    for kind, side in (("ingress", "from"), ("egress", "to")):
        if random.random() < 0.7:
            spec[kind] = [_rule(random, side) for _ in range(random.randint(0, 2))]
    return {"kind": "MultiNetworkPolicy", "metadata": metadata, "spec": spec}


def _written(network, space):
    if network.startswith("logical/"):
        own, name = network.split("/")[1:]
        return f"logical/{name}" if own == space else network
    own, _, name = network.partition("/")
    return name if own == space else network


def _rule(random, side):
    rule = {}
    if random.random() < 0.85:
        rule[side] = [_peer(random) for _ in range(random.randint(1, 2))]
    if random.random() < 0.6:
        rule["ports"] = [_port(random) for _ in range(random.randint(1, 2))]
    return rule


def _peer(random):
    if random.random() < 0.35:
        number = random.randint(0, len(NETWORKS) - 1)
        if random.random() < 0.5:
            block = {"cidr": random.choice((f"10.77.{number}.0/24", "10.77.0.0/16", "0.0.0.0/0"))}
            holes = [f"10.77.{number}.{random.randint(10, 16)}/32", f"10.77.{number}.12/30", "10.77.3.0/24"]
        else:
            block = {"cidr": random.choice((f"fd77:{number + 1:x}::/64", "fd77::/16", "::/0"))}
            holes = [f"fd77:{number + 1:x}::{random.randint(10, 16):x}/128", f"fd77:{number + 1:x}::c/126"]
        if random.random() < 0.6:
            block["except"] = random.sample(holes, random.randint(1, 2))
        return {"ipBlock": block}
    peer = {}
    if random.random() < 0.7:
        peer["podSelector"] = _selector(random, LABELS)
    if random.random() < 0.5 or not peer:
        peer["namespaceSelector"] = _selector(
            random, {"team": ("a", "b"), "kubernetes.io/metadata.name": SPACES}
        )
    return peer


def _port(random):
    entry = {"protocol": random.choice(PROTOCOLS)} if random.random() < 0.7 else {}
    kind = random.random()
    if kind < 0.4:
        entry["port"] = random.choice(PORTS)
    elif kind < 0.6:
        entry |= {"port": random.choice((79, 80, 81)), "endPort": random.choice((81, 442, 5000))}
    elif kind < 0.8:
        entry["port"] = random.choice(NAMES)
    return entry


def _pairs(random, number):
    space = random.choice(("shop", "bank"))
    logical = {"shop": ("red", "blue"), "bank": ("green",)}[space]
    entries = [
        {
            "networkSelector": random.choice(logical),
            "peerNetworks": random.choice(("", "red", "blue", "red, blue")),
        }
        for _ in range(random.randint(1, 2))
    ]
    key = random.choice(("genieNetworkPolicy", "genieNetworkpolicy"))
    metadata = {"namespace": space, "name": f"form{number}", "annotations": {key: json.dumps(entries)}}
    return {"kind": "NetworkPolicy", "metadata": metadata, "spec": {"podSelector": {}}}
