"""The annotation `k8s.v1.cni.cncf.io/networks` -> selections, in both grammars (NPWG standard v1.3, section 4.1).

Everything that the annotation can say is checked here, before anything is looked up; an error names the entry
and the key (conformance C01-C27). The standard would ignore an invalid annotation, which starts a pod on the
wrong networks: here it fails the ADD (C12). Pure; on the kubelet path.

What plugins get is built here from values that were read and checked; no object of the annotation is passed on. A key
that no plugin should see could be one that the plugin takes for another: Go compares keys without regard to case.
"""

from genie_core.errors import InvalidConfig
from genie_core.fields import describe
from genie_core.gojson import fold, refuse_ambiguous
from genie_core.jsontext import MOST_LEVELS, JSONError, decode, encode, is_deep
from genie_core.model import Selection
from genie_core.select.names import check_count, check_ifname, printable
from genie_core.spec.addresses import canonical_address, canonical_prefix, is_v4, unusable
from genie_core.spec.names import is_label, is_subdomain
from genie_core.spec.request import is_identifier

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

MAX_PORT = 65535
# What kubelet sets where a rate is asked for without a burst: the reference plugin needs both.
DEFAULT_BURST = 2**31 - 1
_PROTOCOLS = ("tcp", "udp", "sctp")
_RATES = (("ingressRate", "ingressBurst"), ("egressRate", "egressBurst"))
_MAPPING_KEYS = ("hostPort", "containerPort", "protocol", "hostIP")
_ENTRY_KEYS = (
    "name", "namespace", "interface", "interfaceRequest", "ips", "mac", "infiniband-guid", "portMappings",
    "bandwidth", "deviceID", "cni-args", "default-route", "ipam-claim-reference",
)  # fmt: skip
_FOLDED = {fold(key): key for key in _ENTRY_KEYS}
_HEX = frozenset("0123456789abcdefABCDEF")


class DefinitionSelection(Selection):
    """A NetworkAttachmentDefinition that a pod names.

    `capabilities` maps capability names to raw JSON; each must be offered by a plugin of the network (C15).
    `offers` are those that are passed where a plugin takes them, and are no error elsewhere (C24).
    `cni_args` goes into `args.cni` of every plugin (C22). `default_route` is None where the key is absent; []
    keeps the network's own default route (C26).
    """

    __slots__ = ("capabilities", "cni_args", "default_route", "namespace", "offers")

    def __init__(
        self,
        name: str,
        ifname: str,
        origin: str,
        namespace: str,
        capabilities: "Mapping[str, str] | None" = None,
        offers: "Mapping[str, str] | None" = None,
        cni_args: "Mapping[str, Any] | None" = None,
        default_route: "list[str] | None" = None,
    ) -> None:
        super().__init__(name, ifname, origin)
        self.namespace = namespace
        self.capabilities = capabilities or {}
        self.offers = offers or {}
        self.cni_args = cni_args or {}
        self.default_route = default_route

    @property
    def label(self) -> str:
        """What status annotations call it: `namespace/name`."""
        return f"{self.namespace}/{self.name}"


def parse_selections(value: str, pod_namespace: str, origin: str) -> list[DefinitionSelection]:
    """The annotation's entries, in order; [] for a blank one. Raises InvalidConfig naming the entry (C01-C11)."""
    if not value.strip():
        return []
    if any(char in value for char in '[{"'):
        return _parse_json(value, pod_namespace, origin)
    items = value.split(",")
    check_count(len(items), origin)
    return [
        parse_short(item, pod_namespace, f"{origin}, item {index}") for index, item in enumerate(items, 1)
    ]


def parse_short(text: str, pod_namespace: str, where: str) -> DefinitionSelection:
    """`[namespace/]name[@ifname]`. Raises InvalidConfig; `where` is the item's place."""
    item = text.strip()
    if not item:
        raise InvalidConfig(
            f"{where} is empty", hint="remove the extra comma, or write [namespace/]name[@interface]"
        )
    origin = f'{where} ("{printable(item)}")'
    network, at, ifname = (part.strip() for part in item.partition("@"))
    namespace, slash, name = (part.strip() for part in network.rpartition("/"))
    if "/" in namespace or "/" in ifname:
        raise InvalidConfig(f"{origin}: too many '/'", hint="write [namespace/]name[@interface]")
    if at:
        check_ifname(ifname, origin)
    if slash and not namespace:
        raise InvalidConfig(f"{origin}: no namespace before the '/'")
    _check_names(namespace, name, origin)
    return DefinitionSelection(name, ifname, origin, namespace or pod_namespace)


def _check_names(namespace: str, name: str, origin: str) -> None:
    if not is_subdomain(name):
        raise InvalidConfig(
            f"{origin}: {name!r} is no name of a NetworkAttachmentDefinition",
            hint="a name has lower-case letters, digits, '-' and '.', with a letter or digit at both ends",
        )
    if namespace and not is_label(namespace):
        raise InvalidConfig(f"{origin}: {namespace!r} is no name of a namespace")


def _parse_json(value: str, pod_namespace: str, origin: str) -> list[DefinitionSelection]:
    try:
        entries = decode(value)
    except JSONError as error:
        raise InvalidConfig(f"{origin}: {error}", hint="correct the JSON at that place") from None
    if not isinstance(entries, list):
        raise InvalidConfig(
            f"{origin}: an array was expected, not {describe(entries)}", hint='write [{"name": "net1"}]'
        )
    check_count(len(entries), origin)
    return [
        _Entry(entry, f"{origin}, entry {index}").selection(pod_namespace)
        for index, entry in enumerate(entries, 1)
    ]


class _Entry:
    """One object of the JSON form; each method reads one key (standard, sections 4.1.2.1.1 to 4.1.2.1.11)."""

    def __init__(self, data: "Any", where: str) -> None:
        self.where = where
        if not isinstance(data, dict):
            raise InvalidConfig(
                f"{where}: an object was expected, not {describe(data)}", hint='write {"name": "net1"}'
            )
        self.data: dict[str, Any] = data
        name = data.get("name")
        if isinstance(name, str):
            self.where = f'{where} ("{printable(name)}")'

    def selection(self, pod_namespace: str) -> DefinitionSelection:
        self._refuse_respelled()
        name, namespace = self._string("name"), self._string("namespace")
        if not name and "name" not in self.data:
            raise InvalidConfig(f"{self.where}: the key name is missing", hint='write {"name": "net1"}')
        if "/" in name:
            raise InvalidConfig(
                f"{self.where}: name must not hold a '/'", hint='use the key "namespace" beside it'
            )
        _check_names(namespace, name, self.where)
        return DefinitionSelection(
            name,
            self._interface(),
            self.where,
            namespace or pod_namespace,
            capabilities=self._capabilities(),
            offers=self._device(),
            cni_args=self._cni_args(),
            default_route=self._default_route(),
        )

    def _refuse_respelled(self) -> None:
        """The standard ignores unknown keys; but one that differs from a known key by case alone is a mistake."""
        for key in self.data:
            known = _FOLDED.get(fold(key), key)
            if known != key:
                raise self._refuse(printable(key), "an unknown key", f"write {known}: case matters in keys")

    def _refuse_unknown(self, value: "dict[str, Any]", known: "Sequence[str]", where: str) -> None:
        for key in value:
            if key not in known:
                raise self._refuse(
                    f"{where}.{printable(key)}", "an unknown key", f"it takes {', '.join(known)}, spelled so"
                )

    def _refuse(self, key: str, problem: str, hint: str = "") -> InvalidConfig:
        return InvalidConfig(f"{self.where}: {key}: {problem}", hint=hint)

    def _string(self, key: str) -> str:
        value = self.data.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._refuse(key, f"a string was expected, not {describe(value)}")
        return value

    def _interface(self) -> str:
        ifname = self._string("interface") or self._string("interfaceRequest")
        if ifname:
            check_ifname(ifname, f"{self.where}: interface")
        return ifname

    def _capabilities(self) -> dict[str, str]:
        readers: Sequence[tuple[str, str, Callable[[], Any]]] = (
            ("ips", "ips", self._ips),
            ("mac", "mac", self._mac),
            ("infiniband-guid", "infinibandGUID", self._guid),
            ("portMappings", "portMappings", self._port_mappings),
            ("bandwidth", "bandwidth", self._bandwidth),
        )
        return {
            capability: encode(read()) for key, capability, read in readers if self.data.get(key) is not None
        }

    def _array(self, key: str) -> "list[Any]":
        value = self.data[key]
        if not isinstance(value, list):
            raise self._refuse(key, f"an array was expected, not {describe(value)}")
        return value

    def _ips(self) -> list[str]:
        ips = self._array("ips")
        if self.data.get("ipam-claim-reference"):
            raise self._refuse("ips", "it cannot stand beside ipam-claim-reference", "keep one of the two")
        if not ips:
            raise self._refuse("ips", "the array is empty", "name an address, or leave the key out")
        return [self._ip(ip) for ip in ips]

    def _ip(self, text: "Any") -> str:
        """An address that a pod may have, canonical, with its prefix length where it was written with one."""
        try:
            address = (canonical_prefix if "/" in text else canonical_address)(text)
        except (TypeError, ValueError):
            raise self._refuse(
                "ips", f"{text!r} is no IP address", 'write "10.1.2.3", "10.1.2.3/24" or "2001:db8::5"'
            ) from None
        if problem := unusable(address):
            raise self._refuse(
                "ips", f"{text} is {problem}", "ask for an address that an interface of the pod can have"
            )
        return address

    def _mac(self) -> str:
        return self._octets("mac", self._string("mac"))

    def _octets(self, key: str, mac: "Any") -> str:
        if not isinstance(mac, str) or not _is_octets(mac, 6, ":-"):
            raise self._refuse(key, f"{mac!r} is no Ethernet address", "write six octets: c2:b0:57:49:47:f1")
        return mac

    def _guid(self) -> str:
        guid = self._string("infiniband-guid")
        if not _is_octets(guid, 8, ":-"):
            raise self._refuse(
                "infiniband-guid", f"{guid!r} is no GUID", "write eight octets: c2:11:22:33:44:55:66:77"
            )
        return guid

    def _device(self) -> dict[str, str]:
        """Plugins put it into a path below /sys (conformance C24): it is one name, such as a PCI address."""
        device = self._string("deviceID")
        if device and not is_identifier(device.replace(":", "")):
            raise self._refuse("deviceID", f"{device!r} is no device", 'write a PCI address: "0000:03:02.0"')
        return {"deviceID": encode(device)} if device else {}

    def _port_mappings(self) -> "list[dict[str, Any]]":
        mappings = self._array("portMappings")
        if not mappings:
            raise self._refuse("portMappings", "the array is empty", "name a port, or leave the key out")
        return [
            self._port_mapping(mapping, f"portMappings[{index}]") for index, mapping in enumerate(mappings)
        ]

    def _port_mapping(self, mapping: "Any", key: str) -> "dict[str, Any]":
        if not isinstance(mapping, dict):
            raise self._refuse(key, f"an object was expected, not {describe(mapping)}")
        for port in ("hostPort", "containerPort"):
            if not _is_integer(mapping.get(port), 1, MAX_PORT):
                raise self._refuse(f"{key}.{port}", f"a number from 1 to {MAX_PORT} was expected")
        self._refuse_unknown(mapping, _MAPPING_KEYS, key)
        protocol = "tcp" if mapping.get("protocol") is None else mapping["protocol"]
        if not isinstance(protocol, str) or protocol.lower() not in _PROTOCOLS:
            raise self._refuse(f"{key}.protocol", "TCP, UDP or SCTP was expected")
        built = {
            "hostPort": mapping["hostPort"],
            "containerPort": mapping["containerPort"],
            "protocol": protocol.lower(),
        }
        host_ip = mapping.get("hostIP")
        if host_ip not in (None, ""):
            try:
                built["hostIP"] = canonical_address(host_ip)
            except (TypeError, ValueError):
                raise self._refuse(
                    f"{key}.hostIP",
                    "an IP address without a prefix length was expected",
                    'write "192.0.2.1", or leave the key out for all addresses of the node',
                ) from None
        return built

    def _bandwidth(self) -> dict[str, int]:
        value = self.data["bandwidth"]
        if not isinstance(value, dict) or not value:
            raise self._refuse("bandwidth", "an object with ingressRate or egressRate was expected")
        self._refuse_unknown(value, [key for pair in _RATES for key in pair], "bandwidth")
        limits = {key: value[key] for pair in _RATES for key in pair if value.get(key) is not None}
        for key, number in limits.items():
            if not _is_integer(number, 1, 2**63 - 1):
                raise self._refuse(f"bandwidth.{key}", "a number of bits above 0 was expected")
        for rate, burst in _RATES:
            if burst in limits and rate not in limits:
                raise self._refuse(f"bandwidth.{burst}", f"it needs {rate} beside it")
            if rate in limits:
                limits.setdefault(burst, DEFAULT_BURST)
        if not limits:
            raise self._refuse("bandwidth", "an object with ingressRate or egressRate was expected")
        return limits

    def _cni_args(self) -> "dict[str, Any]":
        value = self.data.get("cni-args")
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._refuse("cni-args", f"an object was expected, not {describe(value)}")
        if is_deep(value):
            raise self._refuse("cni-args", f"nested more than {MOST_LEVELS} levels deep")
        refuse_ambiguous(encode(value), f"{self.where}: cni-args")
        return {key: self._cni_arg(fold(key), item) for key, item in value.items()}

    def _cni_arg(self, folded: str, item: "Any") -> "Any":
        """The value of a key; of one that the standard has too, built as for that one."""
        if folded == "ips":
            if not isinstance(item, list):
                raise self._refuse("cni-args.ips", f"an array was expected, not {describe(item)}")
            return [self._ip(ip) for ip in item]
        return self._octets("cni-args.mac", item) if folded == "mac" else item

    def _default_route(self) -> list[str] | None:
        if self.data.get("default-route") is None:
            return None
        gateways = [self._gateway(gateway) for gateway in self._array("default-route")]
        if len({is_v4(gateway) for gateway in gateways}) != len(gateways):
            raise self._refuse("default-route", "more than one gateway of one family", "name one per family")
        return gateways

    def _gateway(self, text: "Any") -> str:
        try:
            address = canonical_address(text)
        except (TypeError, ValueError):
            raise self._refuse(
                "default-route", f"{text!r} is no gateway's address", 'write ["10.1.2.1"]'
            ) from None
        if problem := unusable(address):
            raise self._refuse("default-route", f"{text} is {problem}", "name a router of that network")
        return address


def _is_octets(text: str, count: int, separators: str) -> bool:
    for separator in separators:
        octets = text.split(separator)
        if len(octets) == count:
            return all(len(octet) == 2 and _HEX.issuperset(octet) for octet in octets)
    return False


def _is_integer(value: "Any", least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
