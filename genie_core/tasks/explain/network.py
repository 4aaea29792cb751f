"""The users of a network: its pods on this node and in the cluster, with their addresses, and its overlaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network
from typing import Any, ClassVar

from genie_core.edges.confdir import ConfDirs
from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import Forbidden, ObjectNotFound
from genie_core.edges.kube_resources import LOGICAL_NETWORK, NETWORK_ATTACHMENT, PHYSICAL_NETWORK, POD
from genie_core.errors import GenieError, InvalidConfig, NotFound
from genie_core.jsontext import encode
from genie_core.model import NetConf, Selection
from genie_core.published import Published
from genie_core.select.files import Finder
from genie_core.select.overlap import (
    Claim,
    LogicalNetwork,
    PhysicalNetwork,
    is_files_own,
    overlapping,
    placement,
    read_logical,
    read_physical,
    readable,
)
from genie_core.select.underlay import bridge_name, parse_subnet, underlay_of, with_master
from genie_core.spec.addresses import host
from genie_core.spec.conf import parse_network
from genie_core.spec.result import recorded_result
from genie_core.survey.user_cluster import Access
from genie_core.survey.whole_cluster import pod_row
from genie_core.tasks.node_state import open_context, plans
from genie_core.tasks.pods import open_api
from genie_core.tasks.status.usage import users_of


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Published):
    """A pod of the network. `here`: it is in this node's state; `interface` "" and no addresses: not known."""

    pod: str
    here: bool
    node: str = ""
    interface: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap(Published):
    """A logical network on the same underlying network that has addresses of this one."""

    network: str
    subnet: str
    older: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkUsage(Published):
    """The answer. `object` is the kind of the API object, "" where it is not known; `problem` says why."""

    kind: ClassVar[str] = "NetworkUsage"
    network: str
    object: str = ""
    plugin: str = ""
    physical: str = ""
    subnet: str = ""
    bridge: str = ""
    created: str = ""
    pods: tuple[User, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    problem: str = ""


def explain_network(
    namespace: str,
    name: str,
    *,
    access: Access,
    own: Mapping[str, Any],
    config: Mapping[str, Any],
    is_plain: bool = False,
) -> NetworkUsage:
    """The users of the logical network or NetworkAttachmentDefinition NAMESPACE/NAME.

    Where no namespace was named (`is_plain`) and there is no such object, a network of this node's files is meant.
    `own` is Genie's entry of its conflist, {} for none; `config` is the configuration to read this node by. Raises
    NotFound where neither the cluster nor this node knows the network, and where only this node could be asked and
    does not know it, the GenieError that says why.
    """
    label = f"{namespace}/{name}"
    here = {user.pod: user for user in _recorded(label, config)}
    usage = NetworkUsage(network=label)
    error: GenieError | None = None
    try:
        api = open_api(access, own)
        if api is None:
            raise NotFound("no API server is known", hint="name one with --kubeconfig")
        with api:
            usage = _of_cluster(api, namespace, name, config)
    except GenieError as failure:
        error = failure
    if error and not here and is_plain and (found := _recorded(name, config)):
        problem = (
            f"{name} is a network of the nodes' files; `genie networks {name}` lists the pods of all nodes"
        )
        pods = tuple(sorted(found, key=lambda user: user.pod))
        return NetworkUsage(network=name, pods=pods, problem=problem)
    if error and not here:
        is_known = isinstance(error, ObjectNotFound)
        cluster = "not in the cluster" if is_known else "it could not be read from the cluster"
        raise error.replace(
            msg=f"network {label} is in no pod's state on this node, and {cluster}: {error.msg}"
        )
    users = {user.pod: user for user in usage.pods} | here
    pods = tuple(users[pod] for pod in sorted(users))
    return replace(usage, pods=pods, problem=str(error) if error else "")


def _recorded(label: str, config: Mapping[str, Any]) -> list[User]:
    """The pods of this node that have the network now."""
    found = []
    for plan in plans(open_context(dict(config))):
        for item in plan.attachments:
            if item.label != label or item.released or plan.pod is None:
                continue
            ips = recorded_result(item).result.ips if item.result else []
            addresses = tuple(host(ip["address"]) for ip in ips)
            found.append(User(pod=str(plan.pod), here=True, interface=item.ifname, addresses=addresses))
    return found


# --- from the API server --------------------------------------------------------------------------------


def _of_cluster(api: KubeAPI, namespace: str, name: str, config: Mapping[str, Any]) -> NetworkUsage:
    """The answer from the API server. Raises ObjectNotFound where it has neither of the two objects.

    Raises Forbidden where one of them may not be read, and the other does not exist.
    """
    try:
        definition = api.get_object(LOGICAL_NETWORK, namespace, name)
    except (ObjectNotFound, Forbidden) as missing:
        try:
            found = api.get_object(NETWORK_ATTACHMENT, namespace, name)
        except ObjectNotFound:
            if isinstance(missing, Forbidden):
                raise missing from None
            kinds = f"neither a {LOGICAL_NETWORK.kind} nor a {NETWORK_ATTACHMENT.kind}"
            raise ObjectNotFound(
                f"there is {kinds} {namespace}/{name}", hint="`genie networks` lists the cluster's networks"
            ) from None
        created = str((found.get("metadata") or {}).get("creationTimestamp") or "")
        return NetworkUsage(
            network=f"{namespace}/{name}",
            object=NETWORK_ATTACHMENT.kind,
            created=created,
            pods=tuple(_users(api, "", f"{namespace}/{name}")),
        )
    logical = read_logical(definition, namespace, name)
    physical = None
    if logical.physical:
        found = api.get_object(PHYSICAL_NETWORK, namespace, logical.physical)
        physical = read_physical(found, namespace, logical.physical)
    plugin, subnet = placement(logical, physical)
    find = _finder(config)
    claim = _claim(logical, physical, find)
    return NetworkUsage(
        network=logical.label,
        object=LOGICAL_NETWORK.kind,
        plugin=plugin,
        physical=logical.physical,
        subnet=subnet,
        bridge=_bridge_of(logical.label, plugin, claim.subnet, find) if claim else "",
        created=logical.created,
        pods=tuple(_users(api, namespace, logical.label)),
        overlaps=tuple(_overlaps(api, claim, find)) if claim else (),
    )


def _finder(config: Mapping[str, Any]) -> Callable[[Selection], NetConf]:
    """The finder of plugins in this node's files; a name without a file is taken for the plugin's type."""
    context = open_context(dict(config))
    finder = Finder(ConfDirs(context.settings.conf_dirs), context.log)

    def find(selection: Selection) -> NetConf:
        try:
            return finder.find(selection)
        except GenieError:
            return parse_network(encode({"name": "none", "type": selection.name}), selection.origin)

    return find


def _bridge_of(
    label: str, plugin: str, subnet: IPv4Network | IPv6Network, find: Callable[[Selection], NetConf]
) -> str:
    """The network's own bridge on a node with these files; "" where it has none."""
    network = find(Selection(plugin, "", ""))
    own = network.plugins[0].type == "bridge" and not is_files_own(network, subnet, ())
    return bridge_name(label, subnet) if own else ""


def _claim(
    logical: LogicalNetwork, physical: PhysicalNetwork | None, find: Callable[[Selection], NetConf]
) -> Claim | None:
    """The network's subnet on its underlay; None where it has no subnet, or one that no pod could get."""
    plugin, text = placement(logical, physical)
    if not text or not plugin:
        return None
    network = with_master(find(Selection(plugin, "", "")), physical.nic if physical else "")
    try:
        return Claim(logical, parse_subnet(text, logical.label), underlay_of(network))
    except InvalidConfig:
        return None


def _overlaps(api: KubeAPI, claim: Claim, find: Callable[[Selection], NetConf]) -> Iterator[Overlap]:
    own = claim.network
    others = [
        network for network in readable(api.list_objects(LOGICAL_NETWORK)) if network.label != own.label
    ]
    found = overlapping(claim, others, lambda: api.list_objects(PHYSICAL_NETWORK), find)
    for network, subnet in found:
        yield Overlap(network=network.label, subnet=subnet, older=network.age < own.age)


def _users(api: KubeAPI, within: str, label: str) -> Iterator[User]:
    """The pods of the namespace `within`, "" for all, that have the network or ask for it, and have not ended."""
    pods = (pod_row(item) for item in api.list_objects(POD, within))
    for user in users_of(pods).get(label, ()):
        yield User(
            pod=user.pod, here=False, node=user.node, interface=user.interface, addresses=user.addresses
        )
