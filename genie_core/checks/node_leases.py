"""GN13xx: leases of addresses: leaked, used up, or left over from a changed configuration.

The containers that exist are known from the runtimes' sandboxes, Genie's state and the cached results whose network
namespace exists. A lease of any other container is leaked where no interface has its address and it is older than a
minute. The pod of a younger one may be starting: it has no interface yet, and the runtime does not list its sandbox.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from genie_core.checks.check import check
from genie_core.checks.parts import fix, seen
from genie_core.checks.subnets import host_local_spans, used_subnets
from genie_core.fields import counted
from genie_core.findings import Code, Confidence, Finding, Severity, Subject
from genie_core.spec.ranges import Span, use_of
from genie_core.survey.facts import Facts, Lease
from genie_core.survey.sandboxes import YOUNG_SECONDS, known_containers

_NEARLY_FULL = 0.9
_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeSet:
    """Alternative ranges: a pod gets one address of each set."""

    spans: tuple[Span, ...]
    held: int
    size: int

    @property
    def free(self) -> int:
        """The number of addresses that are left."""
        return max(self.size - self.held, 0)

    @property
    def name(self) -> str:
        """Its subnets."""
        return ", ".join(str(span.subnet) for span in self.spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One host-local network: its ranges (() where no configuration has it) and its leases.

    `recorded` are further ranges, which attachments in Genie's state have: those of logical networks.
    `leaked` is None where the node's containers are not known.
    """

    network: str
    spans: tuple[Span, ...] = ()
    recorded: tuple[Span, ...] = ()
    leases: tuple[Lease, ...] = ()
    leaked: tuple[Lease, ...] | None = None

    @property
    def size(self) -> int:
        """How many addresses there are, over all ranges; 0 where no configuration has the network."""
        return sum(span.size for span in self.spans)

    @property
    def sets(self) -> list[RangeSet]:
        """The range sets, in order."""
        uses = use_of(list(self.spans), [ipaddress.ip_address(lease.ip) for lease in self.leases])
        return [
            RangeSet(spans=tuple(span for span in self.spans if span.group == group), held=held, size=size)
            for group, (held, size) in sorted(uses.items())
        ]

    @property
    def free(self) -> int:
        """How many more pods can get addresses: the fewest that any set has left; 0 without a configuration."""
        return min((item.free for item in self.sets), default=0)

    @property
    def outside(self) -> tuple[Lease, ...]:
        """Leases in none of the ranges."""
        if not self.spans:
            return ()
        return tuple(
            lease
            for lease in self.leases
            if not any(ipaddress.ip_address(lease.ip) in span for span in (*self.spans, *self.recorded))
        )


def pools(facts: Facts) -> list[Pool]:
    """Every host-local network that a configuration or a lease names.

    Networks without a file, such as those of definitions, come from Genie's state.
    """
    spans: dict[str, list[Span]] = {}
    for used in used_subnets([file for file in facts.conf_files if file.network and not file.ignored]):
        if used.span not in spans.setdefault(used.network, []):
            spans[used.network].append(used.span)
    recorded: dict[str, list[Span]] = {}
    for name, ipam in facts.genie.recorded_ipam:
        own = recorded.setdefault(name, [])
        own += [span for span in host_local_spans(ipam) if not any(span.first in other for other in own)]
    leases: dict[str, list[Lease]] = {}
    for lease in facts.files.leases:
        leases.setdefault(lease.network, []).append(lease)
    known, held = known_containers(facts), held_addresses(facts)
    return [
        Pool(
            network=name,
            spans=tuple(spans.get(name, []) or recorded.get(name, [])),
            recorded=tuple(recorded.get(name, [])),
            leases=tuple(leases.get(name, ())),
            leaked=None
            if known is None
            else tuple(lease for lease in leases.get(name, ()) if _is_leak(lease, known, held)),
        )
        for name in sorted({*spans, *leases})
    ]


def held_addresses(facts: Facts) -> set[str]:
    """The addresses of the interfaces in pods' namespaces; none where these were not read."""
    return {address.ip for tenant in facts.tenants for address in tenant.addresses}


def _is_leak(lease: Lease, known: Mapping[str, str], held: set[str]) -> bool:
    if not lease.container or lease.container in known:
        return False
    return lease.ip not in held and lease.age > YOUNG_SECONDS


GN1301 = Code("GN1301", "leaked leases",
    cause="containers that do not exist hold addresses",
    confirm="genie discover --only leases", fix="genie gc, which checks twice")  # fmt: skip


@check("leases-leaked", GN1301, title="leases belong to sandboxes", needs=("leases", "sandboxes"))
def leaked(facts: Facts) -> Iterator[Finding]:
    for pool in pools(facts):
        if not pool.leaked:
            continue
        total = pool.size or len(pool.leases)
        yield GN1301.warning(
            f'network "{pool.network}": {len(pool.leaked)} of {total} addresses are leased to '
            f"container IDs that no sandbox has",
            Subject(kind="network", name=pool.network, file=_folder(pool.leaked)),
            *(
                seen(lease.file, f"{lease.container} {lease.ifname}".strip(), f"cat {lease.file}")
                for lease in pool.leaked[:_SHOWN]
            ),
            remedy=fix(
                "check again in a minute; if they are still there, `genie gc` frees them",
                ["genie", "discover", "--only", "leases"],
                ["genie", "gc", "--dry-run"],
                risk="an address that a running pod uses must not be freed: gc checks twice",
            ),
            confidence=Confidence.HIGH if facts.sandboxes else Confidence.MEDIUM,
        )


def _folder(leases: Sequence[Lease]) -> str:
    return leases[0].file.rpartition("/")[0] if leases else ""


GN1306 = Code("GN1306", "an empty lease file",
    cause="the disk was full, or the node went down while host-local wrote it: the address counts as given out, to no "
    "container",
    confirm="find /var/lib/cni/networks -size 0", fix="delete the file, once no pod has the address")  # fmt: skip


@check("leases-written", GN1306, title="lease files name their container", needs=("leases",))
def empty(facts: Facts) -> Iterator[Finding]:
    held = held_addresses(facts)
    for lease in facts.files.leases:
        if lease.container or lease.age < YOUNG_SECONDS / 10 or lease.ip in held:
            continue
        yield GN1306.warning(
            f'the lease file of {lease.ip} in network "{lease.network}" is empty: no pod gets the address, and no DEL '
            "frees it",
            Subject(kind="file", name=lease.network, file=lease.file),
            seen(lease.file, "empty", f"ls -l {lease.file}"),
            remedy=fix(
                "delete the file, once no pod has the address",
                ["rm", lease.file],
                risk="host-local gives the address out again: look for it in `ip -all netns exec ip addr` first",
            ),
        )


GN1302 = Code("GN1302", "no address is left",
    cause="every address of the range is leased",
    confirm="ls the lease directory | wc -l", fix="genie gc frees leaked ones; else a larger range")  # fmt: skip
GN1303 = Code("GN1303", "few addresses are left",
    cause="the range is nearly full",
    confirm="ls the lease directory | wc -l", fix="genie gc frees leaked ones; else a larger range")  # fmt: skip


@check("leases-free", GN1302, GN1303, title="addresses are left", needs=("conf", "leases"))
def exhausted(facts: Facts) -> Iterator[Finding]:
    for pool in pools(facts):
        for item in pool.sets:
            if item.size > 0 and item.held >= item.size * _NEARLY_FULL:
                yield _exhausted(pool, item)


def _exhausted(pool: Pool, item: RangeSet) -> Finding:
    full = not item.free
    leaked = [ipaddress.ip_address(lease.ip) for lease in pool.leaked or ()]
    lost = sum(any(address in span for span in item.spans) for address in leaked)
    ranges = ", ".join(f"{span.first} to {span.last}" for span in item.spans)
    return (GN1302 if full else GN1303).found(
        Severity.FATAL if full else Severity.WARNING,
        f'network "{pool.network}": {item.held} of {item.size} addresses of {item.name} are leased'
        + (f", {lost} of them leaked" if lost else "")
        + (": new pods get none" if full else ""),
        Subject(kind="network", name=pool.network, file=_folder(pool.leases)),
        seen(
            _folder(pool.leases),
            f"{counted(item.held, 'lease')}, range {ranges}",
            f"ls {_folder(pool.leases)} | wc -l",
        ),
        remedy=fix(
            "free what leaked, or give the network a larger range"
            if lost
            else "give the network a larger range, or drain pods from this node",
            *([["genie", "gc", "--dry-run"]] if lost else []),
        ),
    )


GN1304 = Code("GN1304", "leases outside the range",
    cause="the subnet was changed while pods ran",
    confirm="ls the lease directory", fix="restart those pods")  # fmt: skip


@check("leases-outside", GN1304, title="leases are within their subnets", needs=("conf", "leases"))
def outside(facts: Facts) -> Iterator[Finding]:
    for pool in pools(facts):
        if pool.outside:
            ranges = ", ".join(str(span.subnet) for span in pool.spans)
            held = counted(len(pool.outside), "lease is", "leases are")
            yield GN1304.info(
                f'network "{pool.network}": {held} outside its subnets ({ranges})',
                Subject(kind="network", name=pool.network, file=_folder(pool.outside)),
                *(
                    seen(lease.file, f"{lease.container} {lease.ifname}".strip())
                    for lease in pool.outside[:_SHOWN]
                ),
                remedy=fix("their pods were attached before the configuration changed: restart them"),
            )


GN1305 = Code("GN1305", "leases of an unknown network",
    cause="no configuration has it",
    confirm="ls the lease directory", fix="remove them when nothing uses the network")  # fmt: skip


@check("leases-unconfigured", GN1305, title="leases have a configuration", needs=("conf", "leases"))
def unconfigured(facts: Facts) -> Iterator[Finding]:
    for pool in pools(facts):
        if pool.leases and not pool.spans:
            yield GN1305.info(
                f'{counted(len(pool.leases), "lease")} of network "{pool.network}", '
                "which no configuration here has with host-local",
                Subject(kind="network", name=pool.network, file=_folder(pool.leases)),
                remedy=fix(
                    "a NetworkAttachmentDefinition may have it; else it is left over from an earlier network"
                ),
            )
