"""Leases of the pod's own addresses."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import fix, seen, the_pod
from genie_core.findings import Code, Finding
from genie_core.net.case import Case
from genie_core.survey.facts import Cached, ConfFile, Lease

SHOWN = 5


GN0208 = Code("GN0208", "the address has no lease, or that of another container",
    cause="host-local's file of the address is missing or names another container: it may give the address out again",
    confirm="cat /var/lib/cni/networks/NETWORK/ADDRESS",
    fix="recreate the pod; find what removed the lease")  # fmt: skip


@check("lease-held", GN0208, title="the pod's addresses are leased to it", needs=("pod",))
def address_not_leased(case: Case) -> Iterator[Finding]:
    by_name = {conf.name: conf for conf in case.facts.files.confs}
    leases = {(lease.network, lease.ip): lease for lease in case.facts.files.leases}
    if "leases" in case.facts.missing:
        return
    for cached in case.results:
        conf = by_name.get(cached.network)
        local = conf is not None and _leases_here(case, conf)
        for entry in (cached.result.get("ips") or ()) if local else ():
            ip = str(entry.get("address", "")).split("/")[0]
            lease = leases.get((cached.network, ip))
            if lease is None or (cached.container and lease.container != cached.container):
                yield _unheld(case, cached, ip, lease)


GN0210 = Code("GN0210", "an unused address is leased",
    cause="the pod's container holds a lease of an address that is on none of its interfaces: an ADD "
    "was repeated, or a file was copied",
    confirm="grep -l CONTAINER /var/lib/cni/networks/*/*",
    fix="DEL of the pod frees it; recreate the pod where addresses are few")  # fmt: skip


@check("lease-once", GN0210, title="the pod's container has no unused lease", needs=("pod",))
def unused_leases(case: Case) -> Iterator[Finding]:
    pod = case.facts.pod
    promised = {ip for intended in case.intended for ip in intended.ips}
    here = {a.ip for a in pod.addresses} if pod else set()
    for cached in case.results:
        mine = [
            lease
            for lease in case.facts.files.leases
            if lease.network == cached.network
            and cached.container
            and lease.container == cached.container
            and lease.ifname in ("", cached.ifname, *_absent(case, lease.ifname))
        ]
        idle = [lease for lease in mine if lease.ip not in promised | here]
        right = [lease.ip for lease in mine if lease not in idle]
        if idle and right:
            yield _idle(case, cached, idle, right)


def _absent(case: Case, ifname: str) -> tuple[str, ...]:
    """The interface's name, where the pod has no such interface and no record promises one."""
    here = {a.link.name for a in case.attachments} | {i.ifname for i in case.intended}
    return () if ifname in here else (ifname,)


def _idle(case: Case, cached: Cached, idle: list[Lease], right: list[str]) -> Finding:
    spare = ", ".join(lease.ip for lease in idle)
    return GN0210.warning(
        f'{spare} of network "{cached.network}" is leased to the pod\'s {cached.ifname} as well, which has '
        f"{', '.join(right)}: it is unused, and no other pod gets it",
        the_pod(case, cached.ifname),
        *(
            seen("lease", f"{lease.network}/{lease.ip}: {lease.container} {lease.ifname}".rstrip())
            for lease in idle[:SHOWN]
        ),
        remedy=fix("DEL of the pod frees it: recreate the pod where addresses are few"),
    )


def _leases_here(case: Case, conf: ConfFile) -> bool:
    """Whether the network's addresses come from host-local, with its leases in the directory that was read."""
    ipams = [p.get("ipam") or {} for p in conf.plugins]
    elsewhere = any(ipam.get("dataDir") for ipam in ipams)
    seen_any = any(lease.network == conf.name for lease in case.facts.files.leases)
    return any(ipam.get("type") == "host-local" for ipam in ipams) and (seen_any or not elsewhere)


def _unheld(case: Case, cached: Cached, ip: str, lease: Lease | None) -> Finding:
    state = f"is leased to container {lease.container}" if lease else "has no lease"
    owner = next((c.pod for c in case.facts.files.cached if lease and c.container == lease.container), "")
    state += f" ({owner})" if owner else ""
    return GN0208.warning(
        f'{ip} of the pod\'s {cached.ifname} {state} in network "{cached.network}": '
        "host-local may give it to another pod",
        the_pod(case, cached.ifname),
        seen("cache", f"{cached.file}: {ip} for container {cached.container}"),
        seen("lease", f"{lease.ip} {lease.container}" if lease else f"no file {ip}"),
        remedy=fix("recreate the pod, which leases an address again; find what changed the lease's file"),
    )
