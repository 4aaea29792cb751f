"""The plan of an ADD: the only place that gives interfaces their names. Pure; on the kubelet path."""

from genie_core.dialects import DEFAULT_NETWORK
from genie_core.errors import InvalidConfig
from genie_core.fields import get_object
from genie_core.jsontext import encode, members
from genie_core.model import Attachment, Plan
from genie_core.spec.conf import DEVICE_INFO, offered_by
from genie_core.spec.versions import require_readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from genie_core.model import Choice, NetConf, PodRef, Request, Result

    # The files of a network's plugins, in order
    Find = Callable[[NetConf], Sequence[str]]

# The capability by which containerd and CRI-O hand over the pod's annotations (internal/cri/annotations).
POD_ANNOTATIONS = "io.kubernetes.cri.pod-annotations"
# What container runtimes call a pod's first interface. Only the calls that name none, and DEL without state, need it.
FIRST_INTERFACE = "eth0"
DEVICE_INFO_DIRECTORY = "/var/run/k8s.cni.cncf.io/devinfo/cni"


def name_interfaces(
    choices: "Sequence[Choice]", primary: str, prefix: str = "", *, has_primary: bool = False
) -> list[str]:
    """One interface name per choice, in order (conformance C43, C44, D34, X18).

    `primary` is the runtime's CNI_IFNAME: the first choice without a name of its own gets it, unless another one
    asks for it. "eth" is counted over the names given out, from 1; "net" by the place in the list, as Multus does.
    A name that is asked for anywhere in the list is skipped. `prefix` replaces both. Raises InvalidConfig where a
    name is asked for twice or no network gets `primary`.
    """
    taken = requested_names(choices, primary, has_primary=has_primary)
    if primary not in taken and all(choice.selection.ifname for choice in choices):
        first = choices[0].selection
        raise InvalidConfig(
            f"{first.origin}: no network of this pod gets the interface {primary}, which the runtime needs",
            hint=f"leave one network without an interface, or give {primary} to one of them",
        )
    names = []
    for place, choice in enumerate(choices):
        name = choice.selection.ifname
        if not name:
            name = free_name(prefix or choice.prefix, place, primary, taken)
            taken.add(name)
        names.append(name)
    return names


def requested_names(choices: "Sequence[Choice]", primary: str, *, has_primary: bool = False) -> set[str]:
    """The interface names that are asked for. Raises InvalidConfig for one that cannot be given, or is there twice.

    `has_primary`: a plugin before Genie in the chain has made the primary interface, whose name is taken, too.
    """
    if has_primary:
        _refuse_name(choices, primary)
    _refuse_primary(choices, primary)
    taken = {primary} if has_primary else set()
    for choice in choices:
        selection = choice.selection
        if selection.ifname and selection.ifname in taken:
            raise InvalidConfig(
                f"{selection.origin}: Repeated request for same interface name: {selection.ifname}",
                hint="give each network an interface of its own",
            )
        if selection.ifname:
            taken.add(selection.ifname)
    return taken


def _refuse_name(choices: "Sequence[Choice]", primary: str) -> None:
    """The primary interface is made by a plugin before Genie in its chain."""
    for choice in choices:
        if choice.selection.ifname == primary:
            raise InvalidConfig(
                f"{choice.selection.origin}: interface {primary} is made by a plugin before Genie in its chain",
                hint="ask for another name, or make Genie the only plugin of its conflist: `genie install`",
            )


def _refuse_primary(choices: "Sequence[Choice]", primary: str) -> None:
    """A network attachment comes beside the default network, which has the runtime's interface (C18, C39)."""
    for choice in choices:
        if choice.additional and choice.selection.ifname == primary:
            raise InvalidConfig(
                f"{choice.selection.origin}: interface {primary} belongs to the default network",
                hint="ask for another name, or make this network the default one: "
                f"annotation {DEFAULT_NETWORK}",
            )


def free_name(prefix: str, place: int, primary: str, taken: set[str]) -> str:
    """A name for the choice at `place` that is not taken: `primary` where that is free."""
    if primary not in taken:
        return primary
    # eth0 is the primary's place, even where the runtime calls that interface something else
    number = max(place, 1) if prefix == "net" else 1
    while f"{prefix}{number}" in taken:
        number += 1
    return f"{prefix}{number}"


def runtime_capabilities(request: "Request") -> dict[str, str]:
    """What the runtime supplied in runtimeConfig, as raw JSON by capability."""
    if not get_object(request.config, "runtimeConfig"):
        return {}
    return members(members(request.text)["runtimeConfig"])


def makes_primary(previous: "Result | None", ifname: str) -> bool:
    """Whether the plugins before Genie in its chain have made the runtime's interface, by their result."""
    return previous is not None and any(
        link["name"] == ifname and link.get("sandbox") for link in previous.interfaces
    )


def make_plan(
    request: "Request",
    pod: "PodRef | None",
    boot_id: str,
    choices: "Sequence[Choice]",
    *,
    netns_id: str = "",
    prefix: str = "",
    previous: "Result | None" = None,
    find: "Find" = lambda _: (),
) -> Plan:
    """Everything that the ADD will do. Raises InvalidConfig where names cannot be given out, and what `find` raises.

    `previous` is the result of the plugins before Genie in its chain, where they have made the primary interface.
    `find` gives the files of a network's plugins, in order; nothing where it is not known.
    """
    names = name_interfaces(choices, request.ifname, prefix, has_primary=previous is not None)
    if any(choice.default_route is not None for choice in choices):
        from genie_core.routes import refuse_conflicts

        refuse_conflicts((choice.selection.origin, choice.default_route) for choice in choices)
    require_versions(choices)
    supplied = runtime_capabilities(request)
    # What the runtime asks for concerns the pod's primary network alone (NPWG 7.5, conformance B47)
    attachments = [
        attachment_of(
            choice,
            ifname,
            request.container_id,
            request.args,
            supplied if ifname == request.ifname else {},
            find,
        )
        for choice, ifname in zip(choices, names, strict=True)
    ]
    return Plan(
        container_id=request.container_id,
        ifname=request.ifname,
        netns=request.netns,
        path=request.path,
        pod=pod,
        boot_id=boot_id,
        netns_id=netns_id,
        attachments=attachments,
        previous=previous,
        previous_network="" if previous is None else str(request.config.get("name") or ""),
    )


def require_versions(choices: "Sequence[Choice]") -> None:
    """Raise IncompatibleVersion where a network's version lets no ADD of it succeed, others being attached by then."""
    for choice in choices:
        require_readable(choice.network, choice.selection.origin, exactly=len(choices) > 1)


def attachment_of(
    choice: "Choice",
    ifname: str,
    container_id: str,
    args: str,
    supplied: "Mapping[str, str]",
    find: "Find" = lambda _: (),
) -> Attachment:
    """One network of a plan; `supplied` are the capability arguments that the runtime gave for it, as raw JSON.

    Raises IncompatibleVersion for a network whose results could not be read: its ADD would fail behind the others.
    """
    from genie_core.select.asked import asked_by  # DEL makes no plan

    require_readable(choice.network, choice.selection.origin)
    return Attachment(
        network=choice.network,
        ifname=ifname,
        label=choice.label,
        args=args,
        capabilities={
            **_described(choice, _device_file(container_id, choice, ifname)),
            **_offered(choice.network, supplied),
            **choice.capabilities,
        },
        default_route=choice.default_route,
        origin=choice.selection.origin,
        subnet=choice.subnet,
        device=choice.device,
        asked=asked_by(choice),
        binaries=find(choice.network),
    )


def _device_file(container_id: str, choice: "Choice", ifname: str) -> str:
    """Where the attachment's device is described, as raw JSON (conformance C54)."""
    name = f"{choice.label}-{container_id}_{ifname}".replace("/", "-")
    return encode(f"{DEVICE_INFO_DIRECTORY}/{name}")


def _described(choice: "Choice", device_file: str) -> dict[str, str]:
    """The attachment's file, where a plugin may write it, or a device plugin has: each plugin gets what it takes."""
    file = {DEVICE_INFO: device_file}
    return file if choice.device else _offered(choice.network, file)


def _offered(network: "NetConf", supplied: "Mapping[str, str]") -> dict[str, str]:
    offered = offered_by(network)
    return {key: raw for key, raw in supplied.items() if key in offered}


def primary_first(plan: Plan) -> list[Attachment]:
    """The attachments with the primary one in front (conformance A48)."""
    return sorted(plan.attachments, key=lambda attachment: attachment.ifname != plan.ifname)
