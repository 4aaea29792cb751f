"""API objects as far as they matter for packets: nodes, pods, services and their endpoints, policies."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from genie_core.dialects import NETWORK_STATUS
from genie_core.errors import NotFound
from genie_core.jsontext import decode
from genie_core.published import JSON
from genie_core.spec.addresses import canonical_address, canonical_prefix, without_host_bits

FLANNEL = "flannel.alpha.coreos.com"
TUNNELS = (f"{FLANNEL}/backend-data", f"{FLANNEL}/backend-v6-data")
# Where other nodes' flannel sends to; an overwriting annotation counts before the one that flannel writes.
ENDS = tuple(f"{FLANNEL}/public-{name}" for name in ("ip-overwrite", "ip", "ipv6-overwrite", "ipv6"))
OTHER_PROXY = "service.kubernetes.io/service-proxy-name"  # a label: kube-proxy leaves the service to that one
NAME_LABEL = "kubernetes.io/metadata.name"  # of each Namespace object
ENDED = ("Succeeded", "Failed")  # the phases of a pod that has no network any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node: its addresses, the prefixes of its pods, and flannel's tunnel ends as it announces them.

    `addresses` has the internal ones first. `tunnel` carries the IPv4 prefix, `tunnel6` the IPv6 one, and `ends` are
    the addresses to which they are sent.
    `public_ip` is the address that flannel announces, "" where an annotation overwrites it on purpose.
    """

    name: str
    addresses: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    tunnel: JSON = field(default_factory=dict)
    tunnel6: JSON = field(default_factory=dict)
    ends: tuple[str, ...] = ()
    public_ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod. `ports` are its containers' (protocol, port), `host_ports` (protocol, hostPort, port, hostIP).

    `sysctls` are the names of those that its securityContext sets.
    """

    name: str
    node: str = ""
    ips: tuple[str, ...] = ()
    host_network: bool = False
    phase: str = ""
    ports: tuple[tuple[str, int], ...] = ()
    host_ports: tuple[tuple[str, int, int, str], ...] = ()
    sysctls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontend:
    """One port of a service on one of its addresses, and the ready endpoints (address, port) behind it.

    `local`: only those of the pod's own node count (internalTrafficPolicy).
    """

    service: str
    ip: str
    port: int
    protocol: str
    name: str = ""
    endpoints: tuple[tuple[str, int], ...] = ()
    known: bool = True
    local: bool = False


def key(item: JSON) -> str:
    """NS/NAME of an object."""
    meta = item.get("metadata") or {}
    return f"{meta.get('namespace') or 'default'}/{meta.get('name', '')}"


def notes_of(item: JSON) -> JSON:
    """An object's annotations."""
    notes: JSON = (item.get("metadata") or {}).get("annotations") or {}
    return notes


def of_kind(objects: Iterable[JSON], kind: str) -> Iterator[JSON]:
    """The objects of one kind."""
    return (item for item in objects if item.get("kind") == kind)


def one_form(text: object) -> str:
    """An address as the kernel's are printed, other text as it is."""
    try:
        return canonical_address(str(text))
    except ValueError:
        return str(text)


def _prefix(text: str) -> str:
    try:
        return without_host_bits(canonical_prefix(text))
    except ValueError:
        return text


def pod(item: JSON) -> Pod:
    """A Pod object."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    ips = [entry.get("ip", "") for entry in status.get("podIPs") or ()] or [status.get("podIP", "")]
    declared = [
        (str(port.get("protocol") or "TCP").lower(), port)
        for container in spec.get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("containerPort")
    ]
    return Pod(
        name=key(item),
        node=spec.get("nodeName", ""),
        ips=tuple(one_form(ip) for ip in ips if ip),
        host_network=bool(spec.get("hostNetwork")),
        phase=status.get("phase", ""),
        ports=tuple((protocol, int(port["containerPort"])) for protocol, port in declared),
        host_ports=tuple(
            (protocol, int(port["hostPort"]), int(port["containerPort"]), str(port.get("hostIP") or ""))
            for protocol, port in declared
            if port.get("hostPort")
        ),
        sysctls=tuple(
            str(one.get("name", "")) for one in (spec.get("securityContext") or {}).get("sysctls") or ()
        ),
    )


def conditions(item: JSON) -> list[JSON]:
    """The conditions of an object's status."""
    held = (item.get("status") or {}).get("conditions")
    return [entry for entry in held if isinstance(entry, dict)] if isinstance(held, list) else []


def node(item: JSON) -> Node:
    """A Node object."""
    meta, spec, status = item.get("metadata") or {}, item.get("spec") or {}, item.get("status") or {}
    notes = meta.get("annotations") or {}
    cidrs = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
    return Node(
        name=meta.get("name", ""),
        addresses=tuple(
            one_form(a["address"])
            for kind in ("InternalIP", "ExternalIP")
            for a in status.get("addresses") or ()
            if a.get("type") == kind
        ),
        cidrs=tuple(map(_prefix, cidrs)),
        tunnel=json_object(notes.get(TUNNELS[0], "")),
        tunnel6=json_object(notes.get(TUNNELS[1], "")),
        ends=tuple(one_form(notes[key]) for key in ENDS if notes.get(key)),
        public_ip=""
        if notes.get(f"{FLANNEL}/public-ip-overwrite")
        else str(notes.get(f"{FLANNEL}/public-ip", "")),
    )


def json_object(text: str) -> JSON:
    """The object that a text holds as JSON, {} where it holds none."""
    try:
        return as_object(decode(text))
    except ValueError:
        return {}


def as_object(value: object) -> JSON:
    """A member of an object, where it is an object itself; else {}."""
    return value if isinstance(value, dict) else {}


def members(data: JSON, names: tuple[str, ...]) -> JSON:
    """The members of an object with these names."""
    return {name: data[name] for name in names if name in data}


def network_status(item: JSON) -> list[JSON]:
    """The entries of the pod's network-status annotation; [] where it is absent or unreadable.

    The pod's author may have written it: what is no address is left out.
    """
    notes = notes_of(item)
    try:
        value = decode(notes.get(NETWORK_STATUS) or "[]")
    except ValueError:
        return []
    entries = (entry for entry in value if isinstance(entry, dict)) if isinstance(value, list) else ()
    return [
        {
            "name": str(entry.get("name") or ""), "interface": str(entry.get("interface") or ""),
            "default": entry.get("default") is True, "ips": _addresses(entry.get("ips")),
            "gateway": _addresses(entry.get("gateway")),
        }
        for entry in entries
    ]  # fmt: skip


def _addresses(value: object) -> list[str]:
    return (
        [one_form(text) for text in value if isinstance(text, str) and _is_address(text)]
        if isinstance(value, list)
        else []
    )


def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def frontends(objects: Iterable[JSON], node: str = "") -> tuple[Frontend, ...]:
    """Every service port on every cluster address, with its endpoints from EndpointSlices (or Endpoints).

    Of a service with internalTrafficPolicy Local, those on the node; without those that another proxy serves.
    """
    items = list(objects)
    services = [s for s in of_kind(items, "Service") if OTHER_PROXY not in _labels_of(s)]
    narrow = node and any(_is_local(service) for service in services)
    anywhere, here = _backing(items), _backing(items, node) if narrow else {}
    found: list[Frontend] = []
    for service in services:
        spec, local = service.get("spec") or {}, bool(node) and _is_local(service)
        backing = here if local else anywhere
        addresses = spec.get("clusterIPs") or [spec.get("clusterIP", "")]
        for ip in (one_form(a) for a in addresses if a and a != "None"):
            ports = spec.get("ports") or ()
            made = (_frontend(key(service), ip, port, backing.get(key(service))) for port in ports)
            found += [replace(front, local=local) for front in made]
    return tuple(found)


def published(objects: Iterable[JSON], node: str) -> tuple[Frontend, ...]:
    """Every service port as clients outside reach it: a port of the node's addresses, an external or a balancer's one.

    The address of a node port is `0.0.0.0` or `::`. With externalTrafficPolicy Local, only the node's endpoints count.
    """
    items = list(objects)
    services = [s for s in of_kind(items, "Service") if OTHER_PROXY not in _labels_of(s)]
    anywhere, here = _backing(items), _backing(items, node)
    found: list[Frontend] = []
    for service in services:
        spec = service.get("spec") or {}
        local = spec.get("externalTrafficPolicy") == "Local"
        slices = (here if local else anywhere).get(key(service))
        cluster_ips = spec.get("clusterIPs") or [spec.get("clusterIP") or ""]
        anys = dict.fromkeys("::" if ":" in ip else "0.0.0.0" for ip in cluster_ips if ip)
        outside = dict.fromkeys(map(one_form, [*(spec.get("externalIPs") or ()), *_balanced(service)]))
        for port in spec.get("ports") or ():
            ends = [(ip, port["nodePort"]) for ip in anys if port.get("nodePort")]
            ends += [(ip, port["port"]) for ip in outside]
            made = (_frontend(key(service), ip, {**port, "port": number}, slices) for ip, number in ends)
            found += [replace(front, local=local) for front in made]
    return tuple(found)


def _balanced(service: JSON) -> list[str]:
    """The addresses of its load balancer whose packets come to the nodes untranslated (`ipMode` VIP, the default)."""
    if (service.get("spec") or {}).get("type") != "LoadBalancer":
        return []
    entries = as_object((service.get("status") or {}).get("loadBalancer")).get("ingress") or ()
    return [str(e["ip"]) for e in entries if as_object(e).get("ip") and e.get("ipMode") != "Proxy"]


def _labels_of(item: JSON) -> JSON:
    return as_object((item.get("metadata") or {}).get("labels"))


def _is_local(service: JSON) -> bool:
    return (service.get("spec") or {}).get("internalTrafficPolicy") == "Local"


def endpoints_of(objects: Iterable[JSON], service: str) -> list[tuple[str, str, int, str]]:
    """(address, protocol, port, port's name) of NS/NAME's ready endpoints, as a headless service's DNS has them."""
    return [
        (end, str(port.get("protocol") or "TCP").lower(), int(port["port"]), str(port.get("name") or ""))
        for port, addresses in _backing(list(objects)).get(service, ())
        if port.get("port")
        for end in map(one_form, addresses)
    ]


def _frontend(name: str, ip: str, port: JSON, slices: list[tuple[JSON, list[str]]] | None) -> Frontend:
    protocol = str(port.get("protocol") or "TCP").lower()
    endpoints = [
        (end, int(target["port"]))
        for target, addresses in slices or ()
        if _serves(target, port, protocol)
        for end in map(one_form, addresses)
        if (":" in end) == (":" in ip)
    ]
    return Frontend(
        service=name,
        ip=ip,
        port=int(port["port"]),
        protocol=protocol,
        name=port.get("name", ""),
        endpoints=tuple(endpoints),
        known=slices is not None,
    )


def _serves(target: JSON, port: JSON, protocol: str) -> bool:
    same_name = (target.get("name") or "") == (port.get("name") or "")
    return same_name and str(target.get("protocol") or "TCP").lower() == protocol and bool(target.get("port"))


def _backing(items: list[JSON], node: str = "") -> dict[str, list[tuple[JSON, list[str]]]]:
    """Service -> (port, addresses of ready endpoints); with `node`, of those on it."""
    found: dict[str, list[tuple[JSON, list[str]]]] = {}
    for item in (one for one in of_kind(items, "EndpointSlice") if one.get("addressType") != "FQDN"):
        meta = item.get("metadata") or {}
        name = (meta.get("labels") or {}).get("kubernetes.io/service-name", "")
        into = found.setdefault(f"{meta.get('namespace') or 'default'}/{name}", [])
        ready = [
            e
            for e in item.get("endpoints") or ()
            if (e.get("conditions") or {}).get("ready") is not False
            and (not node or e.get("nodeName") == node)
        ]
        addresses = [address for endpoint in ready for address in endpoint.get("addresses") or ()]
        into += [(port, addresses) for port in item.get("ports") or ()]
    for item in of_kind(items, "Endpoints"):
        if key(item) in found:
            continue
        into = found.setdefault(key(item), [])
        for part in item.get("subsets") or ():
            named = part.get("addresses") or ()
            addresses = [a["ip"] for a in named if not node or a.get("nodeName") == node]
            into += [(port, addresses) for port in part.get("ports") or ()]
    return found


def subnets(plugins: tuple[dict[str, object], ...]) -> list[str]:
    """The subnets in the ipam sections of a chain."""
    found = []
    for plugin in plugins:
        ipam = plugin.get("ipam")
        if not isinstance(ipam, dict):
            continue
        found += [ipam["subnet"]] if isinstance(ipam.get("subnet"), str) else []
        for ranges in ipam.get("ranges") or ():
            found += [r["subnet"] for r in ranges if isinstance(r, dict) and "subnet" in r]
    return found


# What kubectl takes before a slash, besides pods.
_WORKLOADS = (
    "deploy", "deployment", "deployments", "sts", "statefulset", "statefulsets", "ds", "daemonset", "daemonsets",
    "rs", "replicaset", "replicasets", "job", "jobs", "cronjob", "cronjobs", "svc", "service", "services",
)  # fmt: skip


def no_such_pod(namespace: str, name: str) -> NotFound:
    """The error for a pod that the API server does not have; `deploy/web` has been read as a pod of a namespace."""
    hint = "check -n and the name"
    if namespace in _WORKLOADS:
        hint = f"{namespace} is taken for a namespace: name one of the pods, as kubectl get pods lists them"
    return NotFound(f"pod {namespace}/{name} does not exist", hint=hint)
