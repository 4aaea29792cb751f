"""Networks whose subnets have addresses of the cluster, and prefixes of pods that belong to two nodes or to none."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import at, fix, seen, some, subject
from genie_core.checks.subnets import Used, used_subnets
from genie_core.findings import Code, Effect, Finding, Severity
from genie_core.net.addresses import within
from genie_core.net.case import Case
from genie_core.net.prefixes import supernet
from genie_core.spec.addresses import version
from genie_core.survey.selection import in_use

GN1038 = Code("GN1038", "a network's subnet has addresses of services or of other nodes' pods",
    cause="pods of the network take these addresses for neighbours on its link, and do not reach them",
    confirm="kubectl get services -A; kubectl get nodes -o yaml | grep podCIDR",
    fix="a subnet outside the cluster's ranges")  # fmt: skip


@check(
    "subnet-cluster",
    GN1038,
    title="networks do not cover services or other nodes' pods",
    needs=("objects: Service", "objects: Node"),
)
def covered(case: Case) -> Iterator[Finding]:
    for used in used_subnets([file for file in case.facts.conf_files if file.network and not file.ignored]):
        found = list(dict.fromkeys(_of_cluster(case, used)))
        if found:
            yield GN1038.error(
                f'{used.file.file}: subnet {used.span.subnet} of network "{used.network}" covers '
                f"{some(found)}: its pods look for them on its own link",
                at(used.file, f"{used.span.path}.subnet"),
                *(seen("objects", one) for one in found[:3]),
                remedy=fix("choose a subnet outside the cluster's ranges, and recreate the network's pods"),
            )


def _of_cluster(case: Case, used: Used) -> Iterator[str]:
    """What the subnet covers. A flat network of all nodes has this node's prefix too, and hides no other."""
    for front in case.frontends:
        if within(front.ip, str(used.span.subnet)):
            yield f"{front.ip} of service {front.service}"
    own = case.this_node
    if own is not None and not used.on_lan and not any(_overlaps(used, cidr) for cidr in own.cidrs):
        yield from (
            f"{c} of {n.name}'s pods" for n in case.other_nodes for c in n.cidrs if _overlaps(used, c)
        )


def _overlaps(used: Used, cidr: str) -> bool:
    other = ipaddress.ip_network(cidr, strict=False)
    return other.version == used.span.subnet.version and other.overlaps(used.span.subnet)


GN0716 = Code("GN0716", "a prefix of pods belongs to two nodes, or to none",
    cause="Node objects disagree with each other, or with the network's configuration on the node",
    confirm="kubectl get nodes -o custom-columns=N:.metadata.name,P:.spec.podCIDRs; grep subnet the configuration",
    fix="one prefix for each node; the configuration names its node's", breaks=(Effect.PACKETS,))  # fmt: skip


@check("node-prefixes", GN0716, title="each prefix of pods belongs to one node", needs=("objects: Node",))
def prefixes(case: Case) -> Iterator[Finding]:
    own = case.this_node
    if own is None:
        return
    for node in case.nodes:
        for cidr in own.cidrs if node is not own else ():
            if cidr in node.cidrs:
                yield GN0716.error(
                    f"{own.name} and {node.name} have the same prefix of pods {cidr}: both give out its addresses, and "
                    "packets to them stay on the node that sends them",
                    subject("node", node.name),
                    seen("objects", f"{own.name}: podCIDR {cidr}; {node.name}: podCIDR {cidr}"),
                    remedy=fix(
                        "give one of the nodes another prefix: drain it, delete its Node object, let it register again"
                    ),
                )
    yield from _moved(case, own.name, own.cidrs)


def _moved(case: Case, name: str, own: tuple[str, ...]) -> Iterator[Finding]:
    """A network's subnet that was this node's prefix once: it lies among those of the nodes, and is none of them."""
    every = [cidr for node in case.nodes for cidr in node.cidrs]
    for used in used_subnets([file for file in case.facts.conf_files if file.network and not file.ignored]):
        family = used.span.subnet.version
        mine = [cidr for cidr in own if version(cidr) == family]
        same = [cidr for cidr in every if version(cidr) == family]
        over = supernet(same) if len(same) > 1 else ""
        among = bool(over) and within(str(used.span.subnet.network_address), over)
        if not mine or used.on_lan or not among or any(_overlaps(used, cidr) for cidr in same):
            continue
        yield GN0716.found(
            Severity.ERROR if used.file.path in in_use(case.facts) else Severity.WARNING,
            f'{used.file.file}: network "{used.network}" gives out addresses of {used.span.subnet}, but the prefix of '
            f"{name} is {', '.join(mine)}: other nodes send nothing for them here",
            at(used.file, f"{used.span.path}.subnet"),
            seen("objects", f"{name}: podCIDR {', '.join(mine)}"),
            remedy=fix(
                "have the file made again with the node's prefix (the plugin's agent, kubeadm), and recreate the pods; "
                "or delete the Node object and let it register with its old prefix"
            ),
        )
