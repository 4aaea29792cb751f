"""Where a command can run on a node: in the node's agent, else in a pod made of the image that Genie's pods have.

Only pods in Genie's own namespace count. Labels are no proof: any tenant can write them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_resources import POD
from genie_core.published import JSON
from genie_core.survey.api import pages
from genie_core.survey.cluster import ENDED
from genie_core.survey.whole_cluster import NAME_LABEL

AGENT, PLUGIN, DEBUG = "genie-agent", "genie", "genie-debug"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """`pod` and `container` are the agent's, "" where the node has none that can be used.

    `image` is for a new pod, "" where no pod of Genie names one. `ended` are debug pods that have ended and are left.
    """

    pod: str = ""
    container: str = ""
    image: str = ""
    ended: tuple[str, ...] = ()


def find(api: KubeAPI, namespace: str, node: str) -> Place:
    """What there is for this node. Raises one of kube_errors."""
    names = f"{NAME_LABEL} in ({AGENT},{PLUGIN},{DEBUG})"
    here = _pods(api, namespace, {"labelSelector": names, "fieldSelector": f"spec.nodeName={node}"})
    agent = next((pod for pod in here if _is_usable(pod)), None)
    own = [pod for pod in here if _app(pod) in (AGENT, PLUGIN)]
    if agent is None and not own:
        own = _pods(api, namespace, {"labelSelector": f"{NAME_LABEL} in ({AGENT},{PLUGIN})"}, most=1)
    return Place(
        pod=_name(agent) if agent else "",
        container=_container(agent)["name"] if agent else "",
        image=next(filter(None, map(image_of, own)), ""),
        ended=tuple(_name(pod) for pod in here if _app(pod) == DEBUG and _phase(pod) in ENDED),
    )


def image_of(pod: JSON) -> str:
    """The image of a pod's first container, by its digest where the runtime reports one.

    "" for an image without a digest whose tag is `latest` or missing: another may come by that name.
    """
    for status in (pod.get("status") or {}).get("containerStatuses") or ():
        name, _, digest = str(status.get("imageID") or "").removeprefix("docker-pullable://").partition("@")
        if name and digest.startswith("sha256:"):
            return f"{name}@{digest}"
    image = str(_container(pod).get("image") or "")
    tag = image.rpartition("/")[2].partition(":")[2]
    return image if "@sha256:" in image or tag not in ("", "latest") else ""


def _pods(api: KubeAPI, namespace: str, query: Mapping[str, str], most: float = 500) -> list[JSON]:
    return [pod for page, _ in pages(api, POD, query, namespace, 100, most) for pod in page]


def _is_usable(pod: JSON) -> bool:
    """Whether a command in the pod can reach the node's namespaces."""
    specification = pod.get("spec") or {}
    privileged = (_container(pod).get("securityContext") or {}).get("privileged")
    is_deleted = (pod.get("metadata") or {}).get("deletionTimestamp")
    return bool(
        _app(pod) == AGENT
        and _phase(pod) == "Running"
        and not is_deleted
        and specification.get("hostPID")
        and privileged
    )


def _container(pod: JSON) -> dict[str, Any]:
    found = (pod.get("spec") or {}).get("containers") or [{}]
    return dict(found[0])


def _app(pod: JSON) -> str:
    return str(((pod.get("metadata") or {}).get("labels") or {}).get(NAME_LABEL) or "")


def _name(pod: JSON) -> str:
    return str((pod.get("metadata") or {}).get("name") or "")


def _phase(pod: JSON) -> str:
    return str((pod.get("status") or {}).get("phase") or "")
