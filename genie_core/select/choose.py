"""Annotations + configuration -> the networks of a pod, looked up.

One function per dialect, in one table; all of them give choices, and nothing is attached before all of them
succeeded. Pure but for its ports: configuration files and API objects.
"""

from genie_core.errors import TRY_AGAIN, GenieError, InvalidConfig, NetworkNotFound
from genie_core.jsontext import encode
from genie_core.model import Choice, Selection
from genie_core.select.annotations import (
    BY_ATTACHMENT,
    BY_DEFAULT,
    BY_LOAD,
    BY_LOGICAL_NETWORK,
    BY_NAME,
    CNI,
    DEFAULT_NETWORK,
    NETWORKS,
    NPWG_NETWORKS,
    dialect_of,
    parse_names,
)
from genie_core.select.files import Finder, node_name
from genie_core.settings import DIALECTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Protocol

    from genie_core.model import NetConf, PodRef
    from genie_core.ports import Log
    from genie_core.select.devices import Allocations, Allocator
    from genie_core.select.npwg import DefinitionSelection
    from genie_core.select.smart import Meter
    from genie_core.settings import Settings

    # What a dialect chooses, before and behind `default_networks`
    Sides = tuple[list[Choice], list[Choice]]
    # A network that CNI-Genie would have generated a configuration for, or None (conformance D10)
    Generate = Callable[[str], NetConf | None]

    # Given all logical networks and what reads all physical ones; raises InvalidConfig
    Rule = Callable[[Iterable[Mapping[str, Any]], Callable[[], Iterable[Mapping[str, Any]]]], None]

    class NodeLinks(Protocol):
        """The node's interfaces."""

        def exists(self, name: str) -> bool: ...
        def routes(self) -> Iterable[tuple[str, str]]:
            """(interface, subnet) of the routes to what is on the node's links."""

    class Objects(Protocol):
        """The API objects that describe networks. Each raises NetworkNotFound naming `origin`, or TryAgain."""

        def network_attachment(self, namespace: str, name: str, origin: str) -> Mapping[str, Any]: ...
        def logical_network(self, namespace: str, name: str, origin: str) -> Mapping[str, Any]: ...
        def physical_network(self, namespace: str, name: str, origin: str) -> Mapping[str, Any]: ...
        def namespace_labels(self, namespace: str) -> Mapping[str, str]: ...
        def judge(self, key: tuple[str, str], claim: str, origin: str, rule: Rule) -> None:
            """Ask the rule about all networks of the cluster. Raises what it raises, or TryAgain."""


# Where a default network is looked up that is named without a namespace, as in Multus.
SYSTEM_NAMESPACE = "kube-system"


class Chooser:
    """What the dialects need: the settings and the ports. `pod` is None where the runtime names none."""

    def __init__(
        self,
        settings: "Settings",
        finder: Finder,
        generate: "Generate",
        objects: "Callable[[], Objects]",
        pod: "PodRef | None",
        log: "Log",
        meter: "Callable[[], Meter]",
        node_links: "NodeLinks",
        allocations: "Callable[[], Allocations]",
    ) -> None:
        self.settings = settings
        self.finder = finder
        self.generate = generate
        self._make_objects = objects
        self._objects: Objects | None = None
        self.namespace = pod.namespace if pod else ""
        self.log = log
        self.meter = meter
        self.has_primary = False  # a plugin before Genie in the chain has made the pod's first interface
        self.node_links = node_links
        self._allocations = allocations
        self._allocator: Allocator | None = None

    @property
    def objects(self) -> "Objects":
        """The API objects; what reads them is made when first asked."""
        if self._objects is None:
            self._objects = self._make_objects()
        return self._objects

    def choose(self, annotations: "Mapping[str, str]") -> list[Choice]:
        """The pod's networks in order. Raises GenieError before anything is attached."""
        dialect = dialect_of(annotations)
        if dialect in _KEYS:
            self.require_dialect(_KEYS[dialect])
        first, then = _CHOOSERS[dialect](self, annotations)
        return [*first, *self.default_networks(), *then]

    # --- the node's own networks -----------------------------------------------------------------------

    def defaults(self) -> list[Choice]:
        """`default_plugin`'s networks, else the first valid configuration that is not Genie's own (D11, D12)."""
        if self.settings.default_plugin.strip():
            return [
                self._default_by_name(selection)
                for selection in parse_names(self.settings.default_plugin, "default_plugin")
            ]
        network = self.finder.default()
        return [Choice(Selection(network.name, "", "the node's default network"), network)]

    def on_every_pod(self) -> list[Choice]:
        """What every pod gets, as far as the node's files say: the default networks, and `default_networks`.

        Definitions are left out: neither STATUS nor GC asks the API server.
        """
        named = [
            (f"default_networks, item {index}", entry)
            for index, entry in enumerate(self.settings.default_networks, 1)
            if "/" not in entry
        ]
        return [*self.defaults(), *(self._setting(entry, origin) for origin, entry in named)]

    def _default_by_name(self, selection: Selection) -> Choice:
        try:
            return self._named(selection)
        except NetworkNotFound as error:
            error.code = TRY_AGAIN  # at boot the file may be on its way (conformance C40)
            raise

    def default_networks(self) -> list[Choice]:
        """`default_networks`: what every pod gets besides, whatever it asks for, but for `system_namespaces`.

        Nothing for a container that is no pod: it gets the default network, without an API call (A15).
        """
        if not self.namespace or self.namespace in self.settings.system_namespaces:
            return []
        return [
            self._setting(entry, f"default_networks, item {index}")
            for index, entry in enumerate(self.settings.default_networks, 1)
        ]

    def _setting(self, entry: str, origin: str) -> Choice:
        """A network that the configuration names: by name, or `namespace/name` of a NetworkAttachmentDefinition."""
        if "/" not in entry:
            return self._named(Selection(entry.strip(), "", origin)).replace(additional=True)
        from genie_core.select.npwg import parse_selections

        return self._attachment(parse_selections(entry, SYSTEM_NAMESPACE, origin)[0], self.finder.named)

    # --- one selection --------------------------------------------------------------------------------------

    def by_name(self, selection: Selection) -> Choice:
        """The network whose configuration file the name fits. Raises InvalidConfig where the pod may not take it."""
        choice = self._named(selection)
        self._require_network(choice.network, selection.origin)
        return choice

    def _named(self, selection: Selection) -> Choice:
        """The same for what the configuration names: the operator may take every network."""
        try:
            return Choice(selection, self.finder.find(selection))
        except NetworkNotFound:
            network = self.generate(selection.name)
            if network is None:
                raise
            return Choice(selection, network)

    def by_attachment(self, selection: "DefinitionSelection") -> Choice:
        """The network that a NetworkAttachmentDefinition describes; one without configuration means a file."""
        return self._attachment(selection, self._permitted_file)

    def _attachment(
        self, selection: "DefinitionSelection", find_file: "Callable[[str, str], NetConf]"
    ) -> Choice:
        from genie_core.select.definitions import choice_of, resource_of

        definition = self.objects.network_attachment(selection.namespace, selection.name, selection.origin)
        choice = choice_of(
            selection,
            definition,
            lambda name: find_file(name, selection.origin),
            self.settings.allow_cni_args,
        )
        resource = resource_of(definition, selection.label)
        return self._with_device(choice, resource, selection) if resource else choice

    def _with_device(self, choice: Choice, resource: str, selection: "DefinitionSelection") -> Choice:
        from genie_core.select.definitions import names_device
        from genie_core.select.devices import Allocator

        wanted = selection.offers.get("deviceID", "")
        has_own = not wanted and names_device(choice.network)
        self._allocator = self._allocator or Allocator(self._allocations())
        return self._allocator.assign(choice, resource, wanted, has_own=has_own)

    def _permitted_file(self, name: str, origin: str) -> "NetConf":
        network = self.finder.named(name, origin)
        self._require_network(network, origin)
        return network

    # --- what the pod may take -------------------------------------------------------------------------

    @property
    def is_restricted(self) -> bool:
        """Whether a pod may take only those of the node's networks that are allowed by name."""
        return self.settings.namespace_isolation or self.settings.allowed_networks is not None

    def may_take(self, network: "NetConf") -> bool:
        """Whether the pod may take a network of the node: one that is allowed by name, or the default network.

        It is judged by its file's name, by whatever name the pod asked for it. Raises TryAgain where that depends on
        labels that cannot be read.
        """
        return not self.is_restricted or self._is_allowed(node_name(network)) or self._is_default(network)

    def _is_allowed(self, name: str) -> bool:
        from genie_core.select.allowed import is_allowed

        rules = self.settings.allowed_networks or {}
        return is_allowed(rules, self.namespace, name, lambda: self.objects.namespace_labels(self.namespace))

    def _is_default(self, network: "NetConf") -> bool:
        try:
            return any(choice.network.source == network.source for choice in self.defaults())
        except GenieError:
            return False

    def _require_network(self, network: "NetConf", origin: str) -> None:
        if not self.may_take(network):
            name = node_name(network)
            raise self._refusal(
                f"{origin}: a pod in namespace {self.namespace} may not use {name}, a network of the node",
                name,
            )

    def require_definition(self, selection: "DefinitionSelection") -> None:
        """Raise InvalidConfig where isolation keeps the pod from that namespace's definition (conformance C37, C38)."""
        own = (self.namespace, *self.settings.global_namespaces)
        if (
            not self.settings.namespace_isolation
            or selection.namespace in own
            or self._is_allowed(selection.label)
        ):
            return
        raise self._refusal(
            f"{selection.origin}: a pod in namespace {self.namespace} may not use a network of namespace "
            f"{selection.namespace}",
            selection.label,
        )

    def _refusal(self, problem: str, name: str) -> InvalidConfig:
        """The error for a network that is not allowed: what is, and which setting would allow it."""
        from genie_core.select.allowed import allowed_by_name

        settings = self.settings
        allowed = allowed_by_name(settings.allowed_networks or {}, self.namespace)
        isolation = "on" if settings.namespace_isolation else "off"
        return InvalidConfig(
            problem,
            details=f"namespace_isolation is {isolation}; global_namespaces: "
            f"{', '.join(settings.global_namespaces) or 'none'}; allowed by name: {', '.join(allowed) or 'none'}",
            hint=f"{encode({self.namespace: [name]})} in allowed_networks of Genie's configuration would allow it",
        )

    def require_dialect(self, key: str) -> None:
        """Raise InvalidConfig where an annotation does not count: the pod would get other networks."""
        word = DIALECTS[key]
        if word not in self.settings.annotation_dialects:
            raise InvalidConfig(
                f"annotation {key}: pods of this node may not choose networks with it",
                details=f"annotation_dialects: {', '.join(self.settings.annotation_dialects) or 'none'}",
                hint=f'leave it out; "{word}" in annotation_dialects of Genie\'s configuration would allow it',
            )


def _choose_default(chooser: Chooser, annotations: "Mapping[str, str]") -> "Sides":
    return _overridden_defaults(chooser, annotations), []


def _choose_by_name(chooser: Chooser, annotations: "Mapping[str, str]") -> "Sides":
    return [
        chooser.by_name(selection) for selection in parse_names(annotations[CNI], f"annotation {CNI}")
    ], []


def _choose_by_attachment(chooser: Chooser, annotations: "Mapping[str, str]") -> "Sides":
    """The default network first, then each entry (NPWG 6.2; conformance C11)."""
    from genie_core.select.npwg import parse_selections

    selections = parse_selections(
        annotations[NPWG_NETWORKS], chooser.namespace, f"annotation {NPWG_NETWORKS}"
    )
    for selection in selections:
        chooser.require_definition(selection)
    defaults = _overridden_defaults(chooser, annotations)
    return defaults, [chooser.by_attachment(selection) for selection in selections]


def _overridden_defaults(chooser: Chooser, annotations: "Mapping[str, str]") -> list[Choice]:
    """The cluster's default network, or the one that the pod names instead (conformance C42).

    None of them where a plugin before Genie has made the primary interface already.
    """
    value = annotations.get(DEFAULT_NETWORK, "")
    if not value.strip():
        return [] if chooser.has_primary else chooser.defaults()
    chooser.require_dialect(DEFAULT_NETWORK)
    if chooser.has_primary:
        raise InvalidConfig(
            f"annotation {DEFAULT_NETWORK}: the pod's default network is made by a plugin before Genie in its chain",
            hint="leave the annotation out, or make Genie the only plugin of its conflist: `genie install`",
        )
    from genie_core.select.npwg import parse_selections

    origin = f"annotation {DEFAULT_NETWORK}"
    selections = parse_selections(value, SYSTEM_NAMESPACE, origin)
    if len(selections) != 1:
        raise InvalidConfig(f"{origin}: names {len(selections)} networks", hint="name exactly one")
    selection = selections[0]
    chooser.require_definition(selection)
    selection.ifname = ""  # it takes the runtime's interface, whatever it asks for
    return [chooser.by_attachment(selection)]


def _choose_by_logical_network(chooser: Chooser, annotations: "Mapping[str, str]") -> "Sides":
    from genie_core.select.logical import choose

    return choose(chooser, annotations[NETWORKS]), []


def _choose_by_load(chooser: Chooser, _annotations: "Mapping[str, str]") -> "Sides":
    if chooser.has_primary:  # there is nothing to choose
        return [], []
    from genie_core.select.smart import choose

    return choose(chooser, chooser.meter()), []


_CHOOSERS: "dict[str, Callable[[Chooser, Mapping[str, str]], Sides]]" = {
    BY_ATTACHMENT: _choose_by_attachment,
    BY_NAME: _choose_by_name,
    BY_LOGICAL_NETWORK: _choose_by_logical_network,
    BY_LOAD: _choose_by_load,
    BY_DEFAULT: _choose_default,
}

# The annotation that speaks each dialect.
_KEYS = {BY_ATTACHMENT: NPWG_NETWORKS, BY_NAME: CNI, BY_LOGICAL_NETWORK: NETWORKS, BY_LOAD: CNI}
