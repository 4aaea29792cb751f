"""Shared by the dialects: a node's networks, and which of them a pod may take. Pure but for its ports."""

from genie_core.dialects import DEFAULT_NETWORK, WORDS
from genie_core.errors import TRY_AGAIN, GenieError, InvalidConfig, NetworkNotFound
from genie_core.jsontext import encode
from genie_core.model import Choice, Selection
from genie_core.select.files import Finder, node_name
from genie_core.select.names import parse_name, parse_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from genie_core.model import NetConf, PodRef
    from genie_core.ports import Log, Objects, World
    from genie_core.select.devices import Allocator
    from genie_core.select.npwg import DefinitionSelection
    from genie_core.settings import Settings

# Where a default network is looked up that is named without a namespace, as in Multus.
SYSTEM_NAMESPACE = "kube-system"
# Of the configurations of a pod's definitions together: each is on the disk and in memory before a plugin runs, and in
# etcd one has room for a megabyte. A plugin's own has a few hundred bytes.
MOST_BYTES = 8 << 20


class Chooser:
    """What the dialects need: the settings and the world. `pod` is None where the runtime names none.

    `has_primary`: a plugin before Genie in the chain has made the pod's first interface.
    """

    def __init__(
        self,
        settings: "Settings",
        world: "World",
        pod: "PodRef | None",
        log: "Log",
        *,
        has_primary: bool = False,
    ) -> None:
        self.settings = settings
        self.world = world
        self.finder = Finder(world.confs(), log)
        self.namespace = pod.namespace if pod else ""
        self.log = log
        self.has_primary = has_primary
        self._objects: Objects | None = None
        self._allocator: Allocator | None = None
        self._bytes = 0

    @property
    def objects(self) -> "Objects":
        """The API objects; what reads them is made when first asked."""
        if self._objects is None:
            self._objects = self.world.objects()
        return self._objects

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
        """The networks that every pod gets by the node's files alone: the default networks, and `default_networks`.

        Definitions are left out: neither STATUS nor GC asks the API server.
        """
        return [*([] if self.has_primary else self.defaults()), *self._everywhere(definitions=False)]

    def pods_default(self, annotations: "Mapping[str, str]") -> list[Choice]:
        """The cluster's default network, or the one that the pod names instead (conformance C42).

        Empty where a plugin before Genie has made the primary interface already.
        """
        value = annotations.get(DEFAULT_NETWORK, "")
        if not value.strip():
            return [] if self.has_primary else self.defaults()
        self.require_word(DEFAULT_NETWORK)
        if self.has_primary:
            raise InvalidConfig(
                f"annotation {DEFAULT_NETWORK}: the pod's default network is made by a plugin before Genie in its "
                "chain",
                hint="leave the annotation out, or make Genie the only plugin of its conflist: `genie install`",
            )
        selection = _one_definition(value, f"annotation {DEFAULT_NETWORK}")
        self.require_definition(selection)
        # it takes the runtime's interface, whatever it asks for
        return [self.by_attachment(selection.replace(ifname=""))]

    def _default_by_name(self, selection: Selection) -> Choice:
        try:
            return self._named(selection)
        except NetworkNotFound as error:
            # at boot the file may be on its way (conformance C40)
            raise error.replace(code=TRY_AGAIN) from None

    def default_networks(self) -> list[Choice]:
        """`default_networks`: the additional networks of every pod outside of the `system_namespaces`.

        Nothing for a container that is no pod: it gets the default network, without an API call (A15).
        """
        if not self.namespace or self.namespace in self.settings.system_namespaces:
            return []
        return self._everywhere(definitions=True)

    def _everywhere(self, *, definitions: bool) -> list[Choice]:
        found = []
        for index, entry in enumerate(self.settings.default_networks, 1):
            origin = f"default_networks, item {index}"
            if "," in entry:
                raise InvalidConfig(
                    f"{origin}: names {entry.count(',') + 1} networks", hint="name exactly one"
                )
            if "/" not in entry:
                found.append(self._named(parse_name(entry, origin)).replace(additional=True))
                continue
            from genie_core.select.npwg import parse_short

            selection = parse_short(entry, SYSTEM_NAMESPACE, origin)  # what is misspelt fails STATUS too
            if definitions:
                found.append(self._attachment(selection, self.finder.named))
        return found

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
            network = self.world.generate(selection.name)
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
        self._bytes += sum(len(plugin.text) for plugin in choice.network.plugins)
        if self._bytes > MOST_BYTES:
            raise InvalidConfig(
                f"{selection.origin}: the configurations up to this one have more than {MOST_BYTES >> 20} MiB together",
                hint="name fewer networks, or shorten the definitions",
            )
        resource = resource_of(definition, selection.label)
        return self._with_device(choice, resource, selection) if resource else choice

    def _with_device(self, choice: Choice, resource: str, selection: "DefinitionSelection") -> Choice:
        from genie_core.select.definitions import names_device
        from genie_core.select.devices import Allocator

        wanted = selection.offers.get("deviceID", "")
        has_own = not wanted and names_device(choice.network)
        self._allocator = self._allocator or Allocator(self.world.allocations())
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

    def require_word(self, key: str) -> None:
        """Raise InvalidConfig where `annotation_dialects` excludes the annotation: the pod would get other networks."""
        word = WORDS[key]
        if word not in self.settings.annotation_dialects:
            raise InvalidConfig(
                f"annotation {key}: pods of this node may not choose networks with it",
                details=f"annotation_dialects: {', '.join(self.settings.annotation_dialects) or 'none'}",
                hint=f'leave it out; "{word}" in annotation_dialects of Genie\'s configuration would allow it',
            )


def _one_definition(value: str, origin: str) -> "DefinitionSelection":
    """The one definition that the text names. Raises InvalidConfig where it names none, or several."""
    from genie_core.select.npwg import parse_selections

    selections = parse_selections(value, SYSTEM_NAMESPACE, origin)
    if len(selections) != 1:
        raise InvalidConfig(f"{origin}: names {len(selections)} networks", hint="name exactly one")
    return selections[0]
