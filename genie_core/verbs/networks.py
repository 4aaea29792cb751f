"""The networks of a call: where annotations come from, and the wiring of `select` to the node's files."""

import posix

from genie_core.edges.confdir import ConfDirs
from genie_core.errors import GenieError, InvalidConfig, TryAgain
from genie_core.fields import describe, get_object
from genie_core.jsontext import JSONError, decode
from genie_core.model import Value
from genie_core.plan import POD_ANNOTATIONS
from genie_core.select.choose import Chooser
from genie_core.select.files import Finder
from genie_core.spec.request import parse_args, pod_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from genie_core.edges.kubelet_devices import KubeletDevices
    from genie_core.edges.load import LoadMeter
    from genie_core.model import Choice, NetConf, PodRef, Request
    from genie_core.verbs.node import Node
    from genie_core.verbs.objects import NetworkObjects


class Decision(Value):
    """What a call asks for: the pod, None where the runtime names none, its annotations, its networks in order."""

    __slots__ = ("annotations", "choices", "pod")

    def __init__(
        self, pod: "PodRef | None", annotations: "Mapping[str, str]", choices: "list[Choice]"
    ) -> None:
        self.pod = pod
        self.annotations = annotations
        self.choices = choices


def decide(request: "Request", node: "Node", *, has_primary: bool = False) -> Decision:
    """Decide what an ADD would do. Nothing is changed anywhere. Raises GenieError as the ADD does.

    `has_primary`: a plugin before Genie in the chain has made the pod's first interface.
    """
    args = parse_args(request.args)
    pod = pod_of(args)
    with node.cancel:
        annotations = _annotations(request, pod, args, node)
    return Decision(pod, annotations, choices_of(annotations, pod, node, has_primary=has_primary))


def choices_of(
    annotations: "Mapping[str, str]", pod: "PodRef | None", node: "Node", *, has_primary: bool = False
) -> "list[Choice]":
    """The networks that annotations ask for. Raises GenieError as the ADD does."""
    chooser = _chooser(node, pod)
    chooser.has_primary = has_primary
    return chooser.choose(annotations)


def default_of(node: "Node") -> "list[Choice]":
    """The cluster's default networks on this node, from its files alone."""
    return _chooser(node, None).defaults()


def on_every_pod(node: "Node") -> "list[Choice]":
    """The networks that every pod of this node gets, from its files alone."""
    return _chooser(node, None).on_every_pod()


def with_gc_disabled(node: "Node") -> "set[tuple[str, str]]":
    """The (name, file) of the networks whose files say `disableGC`."""
    found = Finder(ConfDirs(node.settings.conf_dirs), node.log).valid()
    return {(network.name, network.source) for network in found if network.disable_gc}


def _chooser(node: "Node", pod: "PodRef | None") -> Chooser:
    return Chooser(
        node.settings,
        Finder(ConfDirs(node.settings.conf_dirs), node.log),
        lambda name: _generated(name, node),
        lambda: _objects(node),
        pod,
        node.log,
        lambda: _meter(node),
        _NodeLinks(),
        lambda: _devices(node, pod),
    )


def _objects(node: "Node") -> "NetworkObjects":
    from genie_core.verbs.objects import NetworkObjects

    return NetworkObjects(node.pods, node)


def _meter(node: "Node") -> "LoadMeter":
    from genie_core.edges.load import LoadMeter

    path = [*node.request_path, *node.settings.bin_dirs]
    settings = node.settings
    return LoadMeter(
        node.store, path, settings.cadvisor_address, settings.smart_selection.indicators, node.log
    )


class _NodeLinks:
    """The port `NodeLinks` of select.choose."""

    def exists(self, name: str) -> bool:
        from genie_core.edges.routes import interface_exists

        return interface_exists(name)

    def routes(self) -> "list[tuple[str, str]]":
        from genie_core.edges.routes import on_link_routes

        return on_link_routes()


def _devices(node: "Node", pod: "PodRef | None") -> "KubeletDevices":
    from genie_core.edges.kubelet_devices import KubeletDevices

    return KubeletDevices(node.settings.kubelet_dir, pod)


def _generated(name: str, node: "Node") -> "NetConf | None":
    if not node.settings.generate_missing:
        return None
    from genie_core.edges.routes import default_interface
    from genie_core.select.generated import NAMES, generate

    if name not in NAMES:
        return None
    node.log.warning("configuration made up", network=name, reason="generate_missing")
    return generate(name, default_interface())


def passed_annotations(request: "Request") -> "Mapping[str, str]":
    """The pod's annotations that came with the call; {} for none. Raises InvalidConfig where they are no annotations.

    The API server is not asked.
    """
    supplied = get_object(request.config, "runtimeConfig")
    if POD_ANNOTATIONS in supplied:
        return _checked(supplied[POD_ANNOTATIONS], f"runtimeConfig[{POD_ANNOTATIONS!r}]")
    args = parse_args(request.args)
    return _from_args(args["K8S_ANNOT"]) if "K8S_ANNOT" in args else {}


def _annotations(
    request: "Request", pod: "PodRef | None", args: "Mapping[str, str]", node: "Node"
) -> "Mapping[str, str]":
    """The pod's annotations: from the runtime, else the API server, else K8S_ANNOT.

    Raises TryAgain where they cannot be had: a pod never starts on a network that it did not ask for.
    """
    supplied = get_object(request.config, "runtimeConfig")
    if POD_ANNOTATIONS in supplied:
        return _checked(supplied[POD_ANNOTATIONS], f"runtimeConfig[{POD_ANNOTATIONS!r}]")
    if pod is None:
        return _from_args(args["K8S_ANNOT"]) if "K8S_ANNOT" in args else {}
    problem: GenieError
    try:
        found = node.pods.annotations(pod)
        if found is not None:
            return found
        problem = TryAgain(
            f"the annotations of pod {pod} cannot be read: the runtime passed none and no API server is configured",
            hint=f'let the configuration declare the capability "{POD_ANNOTATIONS}", or set kubernetes.kubeconfig',
        )
    except GenieError as error:
        problem = error
    if "K8S_ANNOT" in args:
        node.log.warning("annotations from K8S_ANNOT", pod=str(pod), problem=problem.msg)
        return _from_args(args["K8S_ANNOT"])
    raise problem


def _from_args(text: str) -> "Mapping[str, str]":
    try:
        return _checked(decode(text), "K8S_ANNOT in CNI_ARGS")
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


def require_ready(node: "Node") -> None:
    """Raise TryAgain until `readiness_file` is there (conformance C40)."""
    file = node.settings.readiness_file
    if not file:
        return
    try:
        posix.stat(file)
    except OSError:
        raise TryAgain(
            f"the default network is not ready: the readiness file {file} does not exist",
            hint="the network's agent writes it once it is up; see why that one is not running",
        ) from None
