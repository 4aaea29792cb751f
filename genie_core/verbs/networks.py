"""The networks of a call: where annotations come from, and the wiring of `select` to the node's files."""

import posix

from genie_core.dialects import BY_ATTACHMENT, NETWORK_STATUS, dialect_of, does_ask
from genie_core.edges.confdir import ConfDirs
from genie_core.errors import Cancelled, GenieError, InvalidConfig, IOFailure, TryAgain
from genie_core.fields import describe, get_object
from genie_core.jsontext import JSONError, decode
from genie_core.model import Value
from genie_core.plan import POD_ANNOTATIONS
from genie_core.select import choose
from genie_core.select.chooser import Chooser
from genie_core.select.files import Finder
from genie_core.spec.request import parse_args, pod_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

    from genie_core.dialects import Dialect
    from genie_core.edges.kubelet_devices import KubeletDevices
    from genie_core.edges.meter import LoadMeter
    from genie_core.model import Choice, NetConf, PodRef, Request
    from genie_core.verbs.context import Context
    from genie_core.verbs.objects import NetworkObjects


class Decision(Value):
    """What a call asks for: the pod, None where the runtime names none; its dialect; its networks in order.

    `asks`: whether the pod has an annotation that asks, so that others cannot take it for one with the default network.
    `has_status`: whether it has the status of an earlier sandbox, or of another plugin, which is not true any more.
    """

    __slots__ = ("asks", "choices", "dialect", "has_status", "pod")

    def __init__(
        self,
        pod: "PodRef | None",
        dialect: "Dialect",
        choices: "list[Choice]",
        *,
        asks: bool,
        has_status: bool,
    ) -> None:
        self.pod: Final = pod
        self.dialect: Final = dialect
        self.choices: Final = choices
        self.asks: Final = asks
        self.has_status: Final = has_status

    @property
    def by_attachment(self) -> bool:
        """Whether the pod asks in the multi-network standard's annotation."""
        return self.dialect is BY_ATTACHMENT

    @property
    def needs_status(self) -> bool:
        """Whether the pod gets a status even for one network."""
        return self.by_attachment or self.has_status or any(choice.additional for choice in self.choices)

    @property
    def is_annotated(self) -> bool:
        """The same of any annotation."""
        return self.needs_status or any(choice.annotations for choice in self.choices)


def decide(request: "Request", context: "Context", *, has_primary: bool = False) -> Decision:
    """Decide what an ADD would do. Nothing is changed anywhere. Raises GenieError as the ADD does.

    `has_primary`: a plugin before Genie in the chain has made the pod's first interface.
    """
    args = parse_args(request.args)
    pod = pod_of(args)
    with context.cancel:
        annotations = _annotations(request, pod, args, context)
    dialect = dialect_of(annotations)
    chooser = _chooser(context, pod, has_primary=has_primary)
    return Decision(
        pod,
        dialect,
        choose(chooser, dialect, annotations),
        asks=does_ask(annotations),
        has_status=NETWORK_STATUS in annotations,
    )


def choices_of(
    annotations: "Mapping[str, str]", pod: "PodRef", context: "Context", *, has_primary: bool = False
) -> "list[Choice]":
    """The networks that a running pod's annotations ask for; `has_primary` as in `decide`. Raises as it does."""
    chooser = _chooser(context, pod, has_primary=has_primary)
    return choose(chooser, dialect_of(annotations), annotations)


def default_of(context: "Context") -> "list[Choice]":
    """The cluster's default networks on this node, from its files alone."""
    return _chooser(context, None).defaults()


def on_every_pod(context: "Context", *, has_primary: bool = False) -> "list[Choice]":
    """The networks that every pod of this node gets, from its files alone; `has_primary` as in `decide`."""
    return _chooser(context, None, has_primary=has_primary).on_every_pod()


def is_behind_another(request: "Request", context: "Context") -> bool:
    """Whether another plugin stands before Genie in the node's configuration list by which Genie was called.

    False where the directories cannot be read; the search for a network in them raises the error.
    """
    try:
        finder = Finder(ConfDirs(context.settings.conf_dirs), context.log)
    except IOFailure:
        return False
    return finder.has_before_self(str(request.config["name"]))


def configured(context: "Context") -> "list[NetConf]":
    """The networks of the configuration files; none where a directory cannot be read: DEL and GC go on without."""
    try:
        return Finder(ConfDirs(context.settings.conf_dirs), context.log).valid()
    except IOFailure as error:
        context.log.warning("configurations not read", problem=error.msg)
        return []


def with_gc_disabled(context: "Context") -> "set[tuple[str, str]]":
    """The (name, file) of the networks whose files have `disableGC`."""
    return {network.identity for network in configured(context) if network.disable_gc}


def _chooser(context: "Context", pod: "PodRef | None", *, has_primary: bool = False) -> Chooser:
    return Chooser(context.settings, _World(context, pod), pod, context.log, has_primary=has_primary)


class _World:
    """The port `World`: this node and its cluster. What only few pods need is imported when it is asked for."""

    def __init__(self, context: "Context", pod: "PodRef | None") -> None:
        self._context = context
        self._pod = pod

    def confs(self) -> ConfDirs:
        return ConfDirs(self._context.settings.conf_dirs)

    def objects(self) -> "NetworkObjects":
        from genie_core.verbs.objects import NetworkObjects

        context = self._context
        return NetworkObjects(context.api, context.settings.state_dir, context.cancel, context.log)

    def meter(self) -> "LoadMeter":
        from genie_core.edges.meter import LoadMeter

        context, settings = self._context, self._context.settings
        path = [*context.path, *settings.bin_dirs]
        indicators = settings.smart_selection.indicators
        return LoadMeter(context.store, path, settings.cadvisor_address, indicators, context.log)

    def allocations(self) -> "KubeletDevices":
        from genie_core.edges.kubelet_devices import KubeletDevices

        return KubeletDevices(self._context.settings.kubelet_dir, self._pod)

    def generate(self, name: str) -> "NetConf | None":
        if not self._context.settings.generate_missing:
            return None
        from genie_core.edges.routes import default_interface
        from genie_core.select.generated import NAMES, generate

        if name not in NAMES:
            return None
        self._context.log.warning("configuration made up", network=name, reason="generate_missing")
        return generate(name, default_interface())

    def has_interface(self, name: str) -> bool:
        from genie_core.edges.routes import interface_exists

        return interface_exists(name)

    def routes(self) -> "list[tuple[str, str]]":
        from genie_core.edges.routes import on_link_routes

        return on_link_routes()


def passed_annotations(request: "Request") -> "Mapping[str, str]":
    """The pod's annotations that came with the call; {} for none. Raises InvalidConfig where they are no annotations.

    The API server is not asked.
    """
    found = _supplied(request)
    return _from_args(parse_args(request.args)) if found is None else found


def _supplied(request: "Request") -> "Mapping[str, str] | None":
    """The annotations in runtimeConfig; None where the runtime passed none there. Raises InvalidConfig."""
    supplied = get_object(request.config, "runtimeConfig")
    if POD_ANNOTATIONS not in supplied:
        return None
    return _checked(supplied[POD_ANNOTATIONS], f"runtimeConfig[{POD_ANNOTATIONS!r}]")


def _annotations(
    request: "Request", pod: "PodRef | None", args: "Mapping[str, str]", context: "Context"
) -> "Mapping[str, str]":
    """The pod's annotations: from the runtime, else the API server, else K8S_ANNOT.

    Raises TryAgain where they cannot be had: a pod never starts on a network that it did not ask for.
    """
    found = _supplied(request)
    if found is not None:
        return found
    if pod is None:
        return _from_args(args)
    problem: GenieError
    try:
        found = context.api.annotations(pod)
        if found is not None:
            return found
        problem = TryAgain(
            f"the annotations of pod {pod} cannot be read: the runtime passed none and no API server is configured",
            hint=f'let the configuration declare the capability "{POD_ANNOTATIONS}", or set kubernetes.kubeconfig',
        )
    except Cancelled:
        raise
    except GenieError as error:
        problem = error
    if "K8S_ANNOT" in args:
        context.log.warning("annotations from K8S_ANNOT", pod=str(pod), problem=problem.msg)
        return _from_args(args)
    raise problem


def _from_args(args: "Mapping[str, str]") -> "Mapping[str, str]":
    """The annotations in CNI_ARGS; {} for none. Raises InvalidConfig."""
    try:
        return _checked(decode(args.get("K8S_ANNOT", "null")), "K8S_ANNOT in CNI_ARGS")
    except JSONError as error:
        raise InvalidConfig(
            f"K8S_ANNOT in CNI_ARGS: {error}", hint="it is a JSON object of annotations"
        ) from None


def _checked(value: "Any", where: str) -> "Mapping[str, str]":
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidConfig(f"{where} must be an object of annotations, not {describe(value)}")
    for key, text in value.items():
        if not isinstance(text, str):
            raise InvalidConfig(f"{where}: annotation {key!r} must be a string, not {describe(text)}")
    return value


def require_ready(context: "Context") -> None:
    """Raise TryAgain until `readiness_file` exists (conformance C40)."""
    file = context.settings.readiness_file
    if not file:
        return
    try:
        posix.stat(file)
    except OSError:
        raise TryAgain(
            f"the default network is not ready: the readiness file {file} does not exist",
            hint="the network's agent writes it once it is up; see why that one is not running",
        ) from None
