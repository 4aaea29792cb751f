"""The plan of an ADD: the only place that gives interfaces their names. Pure; on the kubelet path."""

from .errors import InvalidConfig
from .jsontext import members
from .model import Attachment, Plan
from .spec.conf import capabilities_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .model import NetConf, PodRef, Request, Wish

# The capability by which containerd and CRI-O hand over the pod's annotations (internal/cri/annotations).
POD_ANNOTATIONS = "io.kubernetes.cri.pod-annotations"


def name_interfaces(wishes: "Sequence[Wish]", primary: str, prefix: str = "") -> list[str]:
    """One interface name per wish, in order (conformance C43, C44, D34, X18).

    `primary` is the runtime's CNI_IFNAME: the first wish without a name of its own gets it, unless another
    one asks for it. The others are counted from 1 with `prefix` ("eth" by default), skipping every name that
    is asked for anywhere in the list. Raises InvalidConfig where a name is asked for twice or nobody gets `primary`.
    """
    taken = _explicit_names(wishes)
    free = _free_names(primary, prefix or "eth", taken)
    names = [wish.ifname or next(free) for wish in wishes]
    if primary not in names:
        raise InvalidConfig(
            f"{wishes[0].origin}: no network of this pod gets the interface {primary}, which the runtime needs",
            hint=f"leave one network without '@', or write {wishes[0].name}@{primary}",
        )
    return names


def _explicit_names(wishes: "Sequence[Wish]") -> set[str]:
    taken: set[str] = set()
    for wish in wishes:
        if wish.ifname and wish.ifname in taken:
            raise InvalidConfig(
                f"{wish.origin}: Repeated request for same interface name: {wish.ifname}",
                hint="give each network an interface of its own",
            )
        taken.add(wish.ifname)
    return taken


def _free_names(primary: str, prefix: str, taken: set[str]) -> "Iterator[str]":
    if primary not in taken:
        yield primary
    number = 0  # eth0 is the primary's place, even where the runtime calls that interface something else
    while True:
        number += 1
        name = f"{prefix}{number}"
        if name not in taken and name != primary:
            yield name


def runtime_capabilities(request: "Request") -> dict[str, str]:
    """What the runtime supplied in runtimeConfig, as raw JSON by capability, without the pod's annotations."""
    raw = members(request.text).get("runtimeConfig", "null")
    if raw == "null":
        return {}
    return {key: value for key, value in members(raw).items() if key != POD_ANNOTATIONS}


def make_plan(
    request: "Request",
    pod: "PodRef | None",
    boot_id: str,
    chosen: "Sequence[tuple[Wish, NetConf]]",
    prefix: str = "",
) -> Plan:
    """Everything that the ADD will do. Raises InvalidConfig where names cannot be given out."""
    names = name_interfaces([wish for wish, _ in chosen], request.ifname, prefix)
    supplied = runtime_capabilities(request)
    attachments = [
        Attachment(
            network=network,
            ifname=ifname,
            label=network.name,
            args=request.args,
            # What the runtime asks for concerns the pod's primary network alone (NPWG 7.5, conformance B47)
            capabilities=_offered(network, supplied) if ifname == request.ifname else {},
        )
        for (_, network), ifname in zip(chosen, names, strict=True)
    ]
    return Plan(
        container_id=request.container_id,
        ifname=request.ifname,
        netns=request.netns,
        path=request.path,
        pod=pod,
        boot_id=boot_id,
        attachments=attachments,
    )


def _offered(network: "NetConf", supplied: "Mapping[str, str]") -> dict[str, str]:
    offered: set[str] = set().union(*(capabilities_of(plugin) for plugin in network.plugins))
    return {key: raw for key, raw in supplied.items() if key in offered}


def primary_of(plan: Plan) -> Attachment:
    """The attachment that has the runtime's interface name."""
    return next(attachment for attachment in plan.attachments if attachment.ifname == plan.ifname)


def primary_first(plan: Plan) -> list[Attachment]:
    """The attachments with the primary one in front (conformance A48)."""
    return sorted(plan.attachments, key=lambda attachment: attachment.ifname != plan.ifname)
