"""Networks whose subnets have addresses of the cluster: their pods look for these on their own link."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import at, fix, seen, some
from genie_core.checks.subnets import Used, used_subnets
from genie_core.findings import Code, Finding
from genie_core.net.addresses import within
from genie_core.net.case import Case

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
