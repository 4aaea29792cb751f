"""NetworkPolicies applied to the pod's conversations: the pods at both ends, and the policies that deny them."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.net.flows import Flow
from genie_core.net.model import Model
from genie_core.net.policy import EGRESS, INGRESS, Attempt, End, Ruling

Denial = tuple[Ruling, Attempt, Flow]


def denials(model: Model, flow: Flow) -> Iterator[Denial]:
    """The policies that deny a conversation, at the pod's end or at the other."""
    for wanted in connections(model, flow):
        for direction in (EGRESS, INGRESS):
            ruling = model.policies.rule(direction, wanted)
            if ruling.allowed is False:
                yield ruling, wanted, flow


def connections(model: Model, flow: Flow) -> Iterator[Attempt]:
    """A conversation as policies see it: client, server and port; for a service one for each endpoint.

    None where no policy can apply: NetworkPolicies are about the primary network.
    """
    if (
        flow.iface
        or not model.policies.policies
        or flow.role == "node"
        or flow.protocol not in ("tcp", "udp", "sctp")
    ):
        return  # a pod's own node is always allowed; no policy rule is about ICMP
    mine = End(ip=model.address(flow.family), pod=model.facts.pod_object | {"kind": "Pod"})
    if flow.role == "service":
        fronts = (
            f
            for f in model.frontends
            if (f.ip, f.port, f.protocol) == (flow.target, flow.port, flow.protocol)
        )
        for ip, port in (endpoint for front in fronts for endpoint in front.endpoints):
            yield Attempt(source=mine, target=_end(model, ip), protocol=flow.protocol, port=port)
        return
    other = _end(model, flow.target)
    ends = (other, mine) if flow.inbound else (mine, other)
    yield Attempt(source=ends[0], target=ends[1], protocol=flow.protocol, port=flow.port)


def _end(model: Model, ip: str) -> End:
    """The pod of an address; in the pods' prefixes an address without a known pod is a pod that is not known."""
    item = model.policies.pod_at.get(ip)
    return End(ip=ip, pod=item, known=item is not None or not model.in_cluster(ip))
