"""The networks of a call: where annotations come from, and the wiring of `select` to the node's files."""

import posix

from ..edges.confdir import ConfDirs
from ..errors import GenieError, InvalidConfig, TryAgain
from ..fields import describe, get_object
from ..jsontext import JSONError, decode
from ..plan import POD_ANNOTATIONS
from ..select.choose import Chooser
from ..select.files import Finder
from .objects import NetworkObjects
from .pods import PodReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..edges.load import LoadMeter
    from ..model import Choice, NetConf, PodRef, Request
    from .node import Node


def chooser_of(node: "Node", reader: "PodReader", pod: "PodRef | None") -> Chooser:
    """What looks networks up on this node, for this pod."""
    return Chooser(
        node.settings,
        Finder(ConfDirs(node.settings.conf_dirs), node.log),
        lambda name: _generated(name, node),
        NetworkObjects(reader, node),
        pod,
        node.log,
        lambda: _meter(node),
    )


def _meter(node: "Node") -> "LoadMeter":
    from ..edges.load import LoadMeter

    path = [*node.request_path, *node.settings.bin_dirs]
    return LoadMeter(node.store, path, node.settings.cadvisor_address)


def default_of(node: "Node") -> "list[Choice]":
    """The cluster's default networks on this node, from its files alone."""
    return chooser_of(node, PodReader(node), None).defaults()


def _generated(name: str, node: "Node") -> "NetConf | None":
    if not node.settings.generate_missing:
        return None
    from ..edges.routes import default_interface
    from ..select.generated import NAMES, generate

    if name not in NAMES:
        return None
    node.log.warning("configuration made up", network=name, reason="generate_missing")
    return generate(name, default_interface())


def annotations_of(
    request: "Request", pod: "PodRef | None", args: "Mapping[str, str]", reader: "PodReader", node: "Node"
) -> "Mapping[str, str]":
    """The pod's annotations: from the runtime, else the API server, else K8S_ANNOT (design, section 3).

    Raises TryAgain where they cannot be had: a pod never starts on a network that it did not ask for.
    """
    supplied = get_object(request.config, "runtimeConfig")
    if POD_ANNOTATIONS in supplied:
        return _checked(supplied[POD_ANNOTATIONS], f"runtimeConfig[{POD_ANNOTATIONS!r}]")
    if pod is None:
        return {}
    problem: GenieError
    try:
        found = reader.annotations(pod)
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
