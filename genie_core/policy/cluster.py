"""Pods for policies, from API objects and attachments: their labels, ports, and addresses on each network.

Documents are Pod, Namespace, Node, NetworkAttachmentDefinition, Logicalnetwork, the policies, and `AttachmentList`:

    {"kind": "AttachmentList", "node": "n1", "items": [{"namespace", "name", "uid", "containerID", "netns",
      "network", "interface", "config": {...}, "result": {...}, "primary"?: bool, "releasing"?: bool}],
      "defaultNetwork"?: "cni/NAME"}

What is being released keeps its rules, but is no peer of others any more: its addresses may be another pod's soon.
The default network is that of pods that ask for none and have no status of several: all that other nodes' pods say of
themselves then is an address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from genie_core.dialects import NETWORK_STATUS, does_ask
from genie_core.errors import InvalidConfig
from genie_core.fields import get_list, get_str, place
from genie_core.jsontext import JSONError, decode
from genie_core.policy.networks import CNI
from genie_core.policy.rules import annotations_of
from genie_core.policy.selectors import Selector, object_at
from genie_core.published import JSON
from genie_core.status import NETWORK_NAME, STATIC_UID
from genie_core.survey.cluster import ENDED, NAME_LABEL

PRIMARY_IFNAME = "eth0"
PodKey = tuple[str, str]


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """One network of one pod, with the pod's addresses on it in canonical form."""

    network: str
    primary: bool
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod, as far as policies need it. `ports` are its containers' named ones: (name, protocol, number).

    `uids` are those that the runtime may have got, empty where the object has none.
    """

    namespace: str
    name: str
    uids: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[tuple[str, str, int], ...] = ()
    members: tuple[Member, ...] = ()
    ended: bool = False
    can_undo: bool = False

    @property
    def key(self) -> PodKey:
        """(namespace, name)."""
        return self.namespace, self.name

    def has(self, attached: Attached) -> bool:
        """Whether an attachment of its name is its own, and not of an earlier pod of that name."""
        return not self.uids or not attached.uid or attached.uid in self.uids


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """One attachment of a container on a node, as its journal has it."""

    node: str
    namespace: str
    name: str
    uid: str
    container: str
    netns: str
    network: str
    interface: str
    primary: bool
    config: JSON = field(hash=False)
    result: JSON = field(hash=False)
    releasing: bool = False

    @property
    def key(self) -> PodKey:
        """(namespace, name) of its pod."""
        return self.namespace, self.name

    @property
    def host_ends(self) -> list[str]:
        """The interfaces of the result that are not in the pod."""
        links = objects_of(self.result.get("interfaces"))
        return [str(link["name"]) for link in links if link.get("name") and not link.get("sandbox")]

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of the result, without prefix."""
        return addresses_in(str(ip.get("address", "")) for ip in objects_of(self.result.get("ips")))


def addresses_in(texts: Iterable[str]) -> tuple[str, ...]:
    """Canonical addresses, in order; what is none is left out."""
    return tuple(dict.fromkeys(found for text in texts if (found := _address(text))))


@lru_cache(maxsize=1 << 16)
def _address(text: str) -> str:
    """The canonical form, an empty text for what is none: a zone (fe80::1%eth0) could be any text of a rule."""
    try:
        return "" if "%" in text else str(ipaddress.ip_address(text.partition("/")[0]))
    except ValueError:
        return ""


def objects_of(value: object) -> list[JSON]:
    """The items of a list that are objects; none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def flat(documents: Iterable[Any]) -> Iterator[JSON]:
    """The objects, those in Lists too. Raises InvalidConfig for what is no object."""
    for document in documents:
        item = object_at(document, "a document")
        kind = str(item.get("kind") or "")
        if kind.endswith("List") and kind != "AttachmentList":
            inner = kind.removesuffix("List")
            for entry in get_list(item, "items", where=kind):
                yield from flat([{"kind": inner, **entry} if inner and isinstance(entry, dict) else entry])
        else:
            yield item


class Cluster:
    """All objects, indexed. `attached` are the attachments of every node that is given.

    `earlier` is a Cluster of mostly the same documents: what it has read of those is taken over.
    """

    def __init__(self, documents: Iterable[Any], earlier: Cluster | None = None) -> None:
        self.objects: dict[str, list[JSON]] = {}
        for item in flat(documents):
            self.objects.setdefault(str(item.get("kind") or ""), []).append(item)
        self.attached = sorted(
            (one for item in self.objects.get("AttachmentList", ()) for one in read_attachments(item)),
            key=lambda one: (one.node, one.namespace, one.name, one.container, one.interface),
        )
        self.namespaces = {
            _name(item): {**_labels(item), NAME_LABEL: _name(item)}
            for item in self.objects.get("Namespace", ())
        }
        here: dict[PodKey, list[Attached]] = {}
        for one in self.attached:
            here.setdefault(one.key, []).append(one)
        lists = self.objects.get("AttachmentList", ())
        self.default_network = next(filter(None, (str(one.get("defaultNetwork") or "") for one in lists)), "")
        held: dict[
            str, set[tuple[str, str]]
        ] = {}  # by node, the addresses of its containers and their networks
        for one in self.attached:
            held.setdefault(one.node, set()).update((one.network, address) for address in one.addresses)
        known = earlier.read if earlier and earlier.default_network == self.default_network else {}
        # by the documents' identities, which they keep as long as they are held here
        self.read: dict[int, tuple[JSON, Pod | None]] = {}
        self.pods: dict[PodKey, Pod] = {}
        for item in self.objects.get("Pod", ()):
            _, pod = known.get(id(item)) or (item, read_pod(item, {}, self.default_network))
            self.read[id(item)] = item, pod
            node = str(_dict(item, "spec").get("nodeName") or "")
            if pod and (pod.key in here or node in held):
                pod = read_pod(item, here, self.default_network, held.get(node))
            if pod:
                self.pods[pod.key] = pod
        self._by_namespace: dict[str, list[Pod]] = {}
        self._by_label: dict[tuple[str, str], list[Pod]] = {}
        for pod in self.pods.values():
            self._by_namespace.setdefault(pod.namespace, []).append(pod)
            for pair in pod.labels.items():
                self._by_label.setdefault(pair, []).append(pod)

    def labels_of(self, namespace: str) -> Mapping[str, str]:
        """A namespace's labels; its name is one of them, whether or not its object is known."""
        return self.namespaces.get(namespace) or {NAME_LABEL: namespace}

    def spaces(self, selector: Selector) -> set[str]:
        """The namespaces that a selector means.

        Of one whose object is not known yet only the name is: it is no namespace without some label.
        """
        known = {name for name, labels in self.namespaces.items() if selector.selects(labels)}
        if selector.absent - {NAME_LABEL}:
            return known
        unseen = self._by_namespace.keys() - self.namespaces
        return known | {name for name in unseen if selector.selects(self.labels_of(name))}

    def select(self, namespace: str, selector: Selector) -> Iterator[Pod]:
        """The pods of a namespace, "" for all, that a selector means. Ended ones have no addresses any more."""
        found = self._by_namespace.get(namespace, []) if namespace else list(self.pods.values())
        for pair in selector.labels:
            narrow = self._by_label.get(pair, [])
            found = narrow if len(narrow) < len(found) else found
        return (
            pod
            for pod in found
            if not pod.ended
            and (not namespace or pod.namespace == namespace)
            and selector.selects(pod.labels)
        )

    def nodes(self) -> list[str]:
        """The nodes whose attachments are given."""
        return sorted({one.node for one in self.attached if one.node})

    def node_addresses(self, node: str) -> tuple[str, ...]:
        """The addresses of a Node object."""
        for item in self.objects.get("Node", ()):
            status = item.get("status")
            if _name(item) == node and isinstance(status, dict):
                return addresses_in(
                    str(one.get("address", "")) for one in objects_of(status.get("addresses"))
                )
        return ()

    def known_networks(self) -> set[str]:
        """Every network that has an object, or that a pod has."""
        known = {member.network for pod in self.pods.values() for member in pod.members}
        known |= {one.network for one in self.attached}
        known |= {_key(item) for item in self.objects.get("NetworkAttachmentDefinition", ())}
        for kind in ("Logicalnetwork", "LogicalNetwork"):
            known |= {f"logical/{_key(item)}" for item in self.objects.get(kind, ())}
        return known - {""}


def read_attachments(document: JSON) -> list[Attached]:
    """The items of an AttachmentList. Raises InvalidConfig naming the place."""
    node = get_str(document, "node", where="AttachmentList")
    items = get_list(document, "items", where="AttachmentList")
    return [
        _attached(object_at(one, place("items", index)), node, place("items", index))
        for index, one in enumerate(items)
    ]


def _attached(item: JSON, node: str, where: str) -> Attached:
    words = ("namespace", "name", "uid", "containerID", "netns", "network", "interface")
    text = {word: get_str(item, word, where=where) for word in words}
    for word in ("namespace", "name", "network", "interface"):
        if not text[word]:
            raise InvalidConfig(f"{where}.{word} is missing")
    primary = item.get("primary")
    return Attached(
        node=node,
        namespace=text["namespace"],
        name=text["name"],
        uid=text["uid"],
        container=text["containerID"],
        netns=text["netns"],
        network=qualified(text["network"]),
        interface=text["interface"],
        primary=primary if isinstance(primary, bool) else text["interface"] == PRIMARY_IFNAME,
        config=_document(item.get("config"), f"{where}.config"),
        result=_document(item.get("result"), f"{where}.result"),
        releasing=item.get("releasing") is True,
    )


def _document(value: object, where: str) -> JSON:
    """An object, or the JSON text of one."""
    if isinstance(value, str):
        try:
            value = decode(value) if value else {}
        except JSONError as error:
            raise InvalidConfig(f"{where}: {error}") from None
    return object_at({} if value is None else value, where)


def qualified(name: str) -> str:
    """A network's whole name: what has no slash is a network of the node."""
    return name if "/" in name else f"{CNI}/{name}"


def read_pod(
    item: JSON,
    attached: Mapping[PodKey, list[Attached]],
    default: str = "",
    held: Collection[tuple[str, str]] | None = None,
) -> Pod | None:
    """A Pod object; None where it shares the node's network. What the journals say of it comes before its status.

    `default` is the network of pods that ask for none, "" where it is not known. `held` are the containers' networks
    and addresses on a node whose journals are known.
    """
    spec, status = _dict(item, "spec"), _dict(item, "status")
    if spec.get("hostNetwork"):
        return None
    meta = _dict(item, "metadata")
    namespace, name = str(meta.get("namespace") or "default"), str(meta.get("name") or "")
    kinds = ("containers", "initContainers", "ephemeralContainers")
    containers = [one for kind in kinds for one in objects_of(spec.get(kind))]
    uids = (meta.get("uid"), annotations_of(item).get(STATIC_UID))
    pod = Pod(
        namespace=namespace,
        name=name,
        uids=frozenset(str(uid) for uid in uids if uid),
        labels=_labels(item),
        ports=tuple(sorted({port for one in containers for port in _ports(one)})),
        ended=status.get("phase") in ENDED,
        can_undo=any(_can_undo(one) for one in containers),
    )
    own = [one for one in attached.get(pod.key, ()) if pod.has(one)]
    members = [Member(one.network, one.primary, one.addresses) for one in own if not one.releasing]
    if not own:
        members = _reported(item, status, default)
        if held is not None:
            members = [] if "deletionTimestamp" in meta else [_still_its_own(one, held) for one in members]
    return replace(pod, members=tuple(members))


def _still_its_own(member: Member, held: Collection[tuple[str, str]]) -> Member:
    """What the status says of a pod without a journal, where journals are known.

    The pod is from before Genie was installed, or its container has gone: then these addresses are free, or another
    container's. One that is being deleted gets no other container.
    """
    return replace(member, addresses=tuple(ip for ip in member.addresses if (member.network, ip) not in held))


def _reported(item: JSON, status: JSON, default: str) -> list[Member]:
    """The pod's networks by its status annotation; without one its addresses are the primary network's."""
    annotations = annotations_of(item)
    try:
        entries = objects_of(decode(str(annotations.get(NETWORK_STATUS) or "[]")))
    except JSONError:
        entries = []
    found = []
    for entry in entries:
        name = str(entry.get(NETWORK_NAME) or qualified(str(entry.get("name") or "")))
        ips = entry.get("ips")
        texts = [str(ip) for ip in ips] if isinstance(ips, list) else []
        found.append(Member(name, bool(entry.get("default")), addresses_in(texts)))
    if not any(member.primary for member in found):
        ips = [str(one.get("ip", "")) for one in objects_of(status.get("podIPs"))] or [
            str(status.get("podIP") or "")
        ]
        taken = {address for member in found for address in member.addresses}
        addresses = tuple(ip for ip in addresses_in(ips) if ip not in taken)
        name = "" if does_ask(annotations) else default
        found += [Member(name, True, addresses)] if addresses else []
    return found


def _ports(container: JSON) -> Iterator[tuple[str, str, int]]:
    for port in objects_of(container.get("ports")):
        number = port.get("containerPort")
        if port.get("name") and isinstance(number, int) and 0 < number < 65536:
            yield str(port["name"]), str(port.get("protocol") or "TCP"), number


def _can_undo(container: JSON) -> bool:
    """Whether a container may change the rules in its own network namespace."""
    context = _dict(container, "securityContext")
    added = _dict(context, "capabilities").get("add")
    words = {str(word).upper().removeprefix("CAP_") for word in added} if isinstance(added, list) else set()
    return bool(context.get("privileged")) or bool(words & {"NET_ADMIN", "ALL"})


def _dict(data: JSON, key: str) -> JSON:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _labels(item: JSON) -> dict[str, str]:
    return {str(key): str(value) for key, value in _dict(_dict(item, "metadata"), "labels").items()}


def _name(item: JSON) -> str:
    return str(_dict(item, "metadata").get("name") or "")


def _key(item: JSON) -> str:
    return f"{_dict(item, 'metadata').get('namespace') or 'default'}/{_name(item)}"
