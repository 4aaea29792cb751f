"""The semantics of policies in few lines, written from the standard; it shares no code with Genie.

A connection goes from (pod, network, address) to (pod, network, address). Pods are Pod objects with `nets`, a dict of
network -> addresses, beside them; the first network is the primary one.
"""

import ipaddress
import json


def allowed(world, source, target, protocol, port):
    """Whether a connection is allowed: both ends must allow it, and CNI-Genie's form too."""
    return (
        end_allows(world, "Egress", source, target, target, protocol, port)
        and end_allows(world, "Ingress", target, source, target, protocol, port)
        and pairs_allow(world, source[1], target[1])
    )


def end_allows(world, direction, mine, other, target, protocol, port):
    policies = [p for p in world.policies if isolates(p, direction, mine, world)]
    rules = [(p, rule) for p in policies for rule in p["spec"].get(direction.lower()) or []]
    side = "to" if direction == "Egress" else "from"
    return not policies or any(
        (not rule.get(side) or any(peer_is(world, p, peer, other) for peer in rule[side]))
        and (
            not rule.get("ports")
            or any(port_is(world, entry, target, protocol, port) for entry in rule["ports"])
        )
        for p, rule in rules
    )


def isolates(policy, direction, mine, world):
    pod, network, _ = mine
    types = policy["spec"].get("policyTypes") or [
        "Ingress",
        *(["Egress"] if policy["spec"].get("egress") else []),
    ]
    same = pod["metadata"]["namespace"] == policy["metadata"]["namespace"]
    return (
        direction in types
        and same
        and is_about(policy, pod, network, world)
        and selects(policy["spec"].get("podSelector"), pod["metadata"]["labels"])
    )


def is_about(policy, pod, network, world):
    text = policy["metadata"].get("annotations", {}).get("k8s.v1.cni.cncf.io/policy-for", "")
    names = [name.strip() for name in text.split(",") if name.strip()]
    space = policy["metadata"]["namespace"]
    whole = [
        n
        if n.count("/") == (2 if n.startswith("logical/") else 1)
        else n.replace("logical/", f"logical/{space}/")
        if "/" in n
        else f"{space}/{n}"
        for n in names
    ]
    return network in whole if names else network != next(iter(world.nets(pod)))


def peer_is(world, policy, peer, other):
    pod, network, address = other
    if "ipBlock" in peer:
        inside = [
            ipaddress.ip_address(address) in ipaddress.ip_network(c)
            for c in [peer["ipBlock"]["cidr"], *peer["ipBlock"].get("except", [])]
        ]
        return inside[0] and not any(inside[1:])
    spaces = peer.get("namespaceSelector")
    space = pod["metadata"]["namespace"]
    near = (
        space == policy["metadata"]["namespace"]
        if spaces is None
        else selects(spaces, world.namespaces[space])
    )
    return (
        near
        and is_about(policy, pod, network, world)
        and selects(peer.get("podSelector"), pod["metadata"]["labels"])
    )


def port_is(world, entry, target, protocol, port):
    if entry.get("protocol", "TCP") != protocol:
        return False
    wanted = entry.get("port")
    if isinstance(wanted, str):
        named = [
            p
            for c in target[0]["spec"]["containers"]
            for p in c.get("ports", [])
            if (p["name"], p.get("protocol", "TCP")) == (wanted, protocol)
        ]
        return port in [p["containerPort"] for p in named]
    return wanted is None or wanted <= port <= entry.get("endPort", wanted)


def selects(selector, labels):
    test = {
        "In": lambda k, v: labels.get(k) in v,
        "NotIn": lambda k, v: labels.get(k) not in v,
        "Exists": lambda k, _: k in labels,
        "DoesNotExist": lambda k, _: k not in labels,
    }
    selector = selector or {}
    return all(labels.get(k) == v for k, v in selector.get("matchLabels", {}).items()) and all(
        test[e["operator"]](e["key"], e.get("values")) for e in selector.get("matchExpressions", [])
    )


def pairs_allow(world, one, other):
    if one == other or not (one.startswith("logical/") and other.startswith("logical/")):
        return True
    entries = [
        (f"logical/{p['metadata']['namespace']}/", e)
        for p in world.network_policies
        for text in p["metadata"]["annotations"].values()
        for e in json.loads(text)
    ]
    listed = {
        (s + e["networkSelector"], s + peer.strip())
        for s, e in entries
        for peer in e.get("peerNetworks", "").split(",")
    }
    selected = {s + e["networkSelector"] for s, e in entries}
    return not selected & {one, other} or bool({(one, other), (other, one)} & listed)
