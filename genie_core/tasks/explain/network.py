"""The users of a network: its pods on this node and in the cluster, with their addresses, and its overlaps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any, ClassVar

from genie_core.dialects import BY_ATTACHMENT, BY_LOGICAL_NETWORK, DEFAULT_NETWORK, NPWG_NETWORKS, dialect_of
from genie_core.edges.confdir import ConfDirs
from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import ObjectNotFound
from genie_core.edges.kube_resources import LOGICAL_NETWORK, NETWORK_ATTACHMENT, PHYSICAL_NETWORK, POD
from genie_core.errors import GenieError, InvalidConfig, NotFound
from genie_core.jsontext import encode
from genie_core.model import NetConf, Selection
from genie_core.published import Published
from genie_core.select import selections_of
from genie_core.select.chooser import SYSTEM_NAMESPACE
from genie_core.select.files import Finder
from genie_core.select.npwg import parse_selections
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
from genie_core.spec.conf import parse_network
from genie_core.spec.result import recorded_result
from genie_core.status import NETWORK_STATUS
from genie_core.survey.user_cluster import Access
from genie_core.tasks.node_state import open_context, plans
from genie_core.tasks.pods import open_api


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
    namespace: str, name: str, *, access: Access, own: Mapping[str, Any], config: Mapping[str, Any]
) -> NetworkUsage:
    """The users of the logical network or NetworkAttachmentDefinition NAMESPACE/NAME.

    `own` is Genie's entry of its conflist, {} for none; `config` is the configuration to read this node by. Raises
    NotFound where neither the cluster nor this node knows the network.
    """
    label = f"{namespace}/{name}"
    here = {user.pod: user for user in _recorded(label, config)}
    problem, usage = "", NetworkUsage(network=label)
    try:
        api = open_api(access, own)
        if api is None:
            problem = "no API server is known; name one with --kubeconfig"
        else:
            with api:
                usage = _of_cluster(api, namespace, name, config)
    except ObjectNotFound as error:
        problem = error.msg
    except GenieError as error:
        problem = str(error)
    if not usage.object and not here:
        raise NotFound(
            f"network {label} is in no pod's state on this node, and not in the cluster: {problem}"
        )
    users = {user.pod: user for user in usage.pods} | here
    return NetworkUsage(
        network=label,
        object=usage.object,
        plugin=usage.plugin,
        physical=usage.physical,
        subnet=usage.subnet,
        bridge=usage.bridge,
        created=usage.created,
        pods=tuple(users[pod] for pod in sorted(users)),
        overlaps=usage.overlaps,
        problem=problem,
    )


def _recorded(label: str, config: Mapping[str, Any]) -> Iterator[User]:
    """The pods of this node that have the network now."""
    for plan in plans(open_context(dict(config))):
        for item in plan.attachments:
            if item.label != label or item.released or plan.pod is None:
                continue
            ips = recorded_result(item).result.ips if item.result else []
            addresses = tuple(str(ip["address"]).partition("/")[0] for ip in ips)
            yield User(pod=str(plan.pod), here=True, interface=item.ifname, addresses=addresses)


# --- from the API server --------------------------------------------------------------------------------


def _of_cluster(api: KubeAPI, namespace: str, name: str, config: Mapping[str, Any]) -> NetworkUsage:
    """The answer from the API server. Raises ObjectNotFound where it has neither of the two objects."""
    try:
        definition = api.get_object(LOGICAL_NETWORK, namespace, name)
    except ObjectNotFound:
        found = api.get_object(NETWORK_ATTACHMENT, namespace, name)
        created = str((found.get("metadata") or {}).get("creationTimestamp") or "")
        return NetworkUsage(
            network=f"{namespace}/{name}",
            object=NETWORK_ATTACHMENT.kind,
            created=created,
            pods=tuple(_asking(api, "", lambda pod: _asks_attachment(pod, namespace, name), namespace, name)),
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
        pods=tuple(_asking(api, namespace, lambda pod: _asks_logical(pod, name), namespace, name)),
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


def _asking(
    api: KubeAPI, within: str, asks: Callable[[Mapping[str, Any]], bool], namespace: str, name: str
) -> Iterator[User]:
    """The pods that ask for the network and have not ended, in the namespace `within`, "" for all."""
    for pod in api.list_objects(POD, within):
        status = pod.get("status") or {}
        if status.get("phase") in ("Succeeded", "Failed"):
            continue
        try:
            if not asks(pod):
                continue
        except InvalidConfig:  # the error is reported to the pod
            continue
        interface, addresses = _reported(pod, f"{namespace}/{name}")
        yield User(
            pod=f"{pod['metadata'].get('namespace')}/{pod['metadata'].get('name')}",
            here=False,
            node=str((pod.get("spec") or {}).get("nodeName") or ""),
            interface=interface,
            addresses=addresses,
        )


def _annotations(pod: Mapping[str, Any]) -> Mapping[str, str]:
    return pod["metadata"].get("annotations") or {}


def _asks_logical(pod: Mapping[str, Any], name: str) -> bool:
    annotations = _annotations(pod)
    if dialect_of(annotations) is not BY_LOGICAL_NETWORK:
        return False
    return any(selection.name == name for selection in selections_of(annotations, ""))


def _asks_attachment(pod: Mapping[str, Any], namespace: str, name: str) -> bool:
    annotations = _annotations(pod)
    own = str(pod["metadata"].get("namespace"))
    selections = []
    if dialect_of(annotations) is BY_ATTACHMENT:
        selections += parse_selections(annotations[NPWG_NETWORKS], own, NPWG_NETWORKS)
    if annotations.get(DEFAULT_NETWORK, "").strip():
        selections += parse_selections(annotations[DEFAULT_NETWORK], SYSTEM_NAMESPACE, DEFAULT_NETWORK)
    return any((selection.namespace, selection.name) == (namespace, name) for selection in selections)


def _reported(pod: Mapping[str, Any], label: str) -> tuple[str, tuple[str, ...]]:
    """Interface and addresses by the pod's network-status; of a pod with this network alone, the pod's own."""
    try:
        entries = json.loads(_annotations(pod).get(NETWORK_STATUS) or "[]")
        entry = next(item for item in entries if item.get("name") == label)
        return str(entry.get("interface", "")), tuple(map(str, entry.get("ips") or ()))
    except (ValueError, AttributeError, TypeError, StopIteration):
        pass
    annotations = _annotations(pod)
    if dialect_of(annotations) is BY_LOGICAL_NETWORK and len(selections_of(annotations, "")) == 1:
        ips = (pod.get("status") or {}).get("podIPs") or ()
        return "eth0", tuple(str(item.get("ip")) for item in ips if isinstance(item, dict))
    return "", ()
