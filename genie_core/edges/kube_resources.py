"""The kinds of API objects that Genie uses, and their URLs, built from checked and quoted parts only.

A name comes from an annotation, which the pod author writes; unchecked, `../../secrets/x` would be read
with the plugin's rights (conformance X22). Kubelet path.
"""

from genie_core.errors import InvalidConfig
from genie_core.model import Value
from genie_core.spec.names import is_label, is_subdomain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# RFC 3986, 2.3
_UNRESERVED = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")

_CLUSTER_WIDE = ("nodes", "namespaces")


class Resource(Value):
    """A kind of object: its API group and version, its plural in URLs, its kind, and its word in messages."""

    __slots__ = ("group", "kind", "plural", "version", "word")

    def __init__(self, group: str, version: str, plural: str, kind: str, word: str = "") -> None:
        self.group = group
        self.version = version
        self.plural = plural
        self.kind = kind
        self.word = word or kind

    def collection(self, namespace: str) -> tuple[str, ...]:
        """The parts of the URL of all in a namespace. Raises InvalidConfig for what cannot be a name."""
        _require(namespace, is_label(namespace), f"the namespace of a {self.word}")
        return (*self._root, "namespaces", namespace, self.plural)

    def cluster_wide(self, name: str) -> tuple[str, ...]:
        """The parts of the URL of an object without a namespace. Raises InvalidConfig for what cannot be a name."""
        _require(name, is_subdomain(name), f"the name of a {self.word}")
        return (*self._root, self.plural, name)

    @property
    def everywhere(self) -> tuple[str, ...]:
        """The parts of the URL of all in the cluster."""
        return (*self._root, self.plural)

    def scope(self, namespace: str) -> str:
        """Where a list of it is from, in words behind its plural: a namespace's, or ("") the cluster's."""
        if namespace:
            return f" in namespace {namespace}"
        return "" if self.plural in _CLUSTER_WIDE else " in all namespaces"

    @property
    def api_version(self) -> str:
        """The `apiVersion` of such an object."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def type_meta(self) -> dict[str, str]:
        """The members that every such object begins with."""
        return {"apiVersion": self.api_version, "kind": self.kind}

    @property
    def definition(self) -> str:
        """The name of its CustomResourceDefinition."""
        return f"{self.plural}.{self.group}"

    @property
    def _root(self) -> tuple[str, ...]:
        return (*(("apis", self.group) if self.group else ("api",)), self.version)

    def path(self, namespace: str, name: str) -> tuple[str, ...]:
        """The parts of an object's URL. Raises InvalidConfig for what cannot be a name (conformance X22)."""
        _require(name, is_subdomain(name), f"the name of a {self.word}")
        return (*self.collection(namespace), name)


POD = Resource("", "v1", "pods", "Pod", "pod")
NETWORK_ATTACHMENT = Resource(
    "k8s.cni.cncf.io", "v1", "network-attachment-definitions", "NetworkAttachmentDefinition"
)
LOGICAL_NETWORK = Resource("alpha.network.k8s.io", "v1", "logicalnetworks", "Logicalnetwork")
PHYSICAL_NETWORK = Resource("alpha.network.k8s.io", "v1", "physicalnetworks", "Physicalnetwork")
# Those that only commands and the agent use.
NODE = Resource("", "v1", "nodes", "Node")
NAMESPACE = Resource("", "v1", "namespaces", "Namespace")
SERVICE = Resource("", "v1", "services", "Service")
SERVICE_ACCOUNT = Resource("", "v1", "serviceaccounts", "ServiceAccount")
EVENT = Resource("", "v1", "events", "Event")
ENDPOINTS = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
DAEMON_SET = Resource("apps", "v1", "daemonsets", "DaemonSet")
NETWORK_POLICY = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
MULTI_POLICY = Resource("k8s.cni.cncf.io", "v1beta1", "multi-networkpolicies", "MultiNetworkPolicy")


def _require(text: str, good: bool, what: str) -> None:
    if not good:
        raise InvalidConfig(
            f"{what} cannot be {text[:80]!r}",
            hint="lower-case letters, digits, '-' and '.' make a name (DNS-1123)",
        )


def target(parts: "Sequence[str]", query: "Mapping[str, str]") -> str:
    """The path and query of a URL. Raises InvalidConfig for a part that would change the others."""
    for part in parts:
        if part in ("", ".", ".."):
            raise InvalidConfig(f"{part!r} cannot be part of an API path")
    path = "".join("/" + _quote(part) for part in parts)
    pairs = "&".join(f"{_quote(key)}={_quote(value)}" for key, value in query.items())
    return f"{path}?{pairs}" if pairs else path


def _quote(text: str) -> str:
    """Percent-encoded, all but the unreserved."""
    return "".join(
        chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass")
    )
