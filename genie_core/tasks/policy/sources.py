"""The objects: from files, or from the API server and Genie's state on this node."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genie_core.edges import policy_dir
from genie_core.edges.kube import KubeAPI
from genie_core.edges.kube_errors import ObjectNotFound
from genie_core.edges.kube_resources import (
    LOGICAL_NETWORK,
    MULTI_POLICY,
    NAMESPACE,
    NETWORK_ATTACHMENT,
    NETWORK_POLICY,
    NODE,
    POD,
    Resource,
)
from genie_core.edges.store import Store
from genie_core.errors import EXIT_USAGE, DecodingFailure, GenieError, InvalidConfig, WrongUsage
from genie_core.gojson import view
from genie_core.jsontext import decode
from genie_core.model import Attachment, Plan
from genie_core.policy.cluster import Cluster
from genie_core.select.asked import identity_of, network_of
from genie_core.survey.user_cluster import Access, no_server
from genie_core.tasks.named_files import read_documents
from genie_core.tasks.node_state import is_gone, open_context
from genie_core.tasks.pods import open_api
from genie_core.verbs.context import Context
from genie_core.verbs.networks import default_of

KINDS = (MULTI_POLICY, NETWORK_POLICY, POD, NAMESPACE, NODE, NETWORK_ATTACHMENT, LOGICAL_NETWORK)
_SECONDS, _KIND_SECONDS = 10.0, 60.0  # for a page of a list, and for all of a kind


def from_files(names: Sequence[str]) -> Cluster:
    """The objects of YAML or JSON files. Raises GenieError for what cannot be used."""
    found: list[Any] = []
    for name in names:
        documents = read_documents("--objects-file", name)
        _require_known(name, documents)
        found += documents
    try:
        return Cluster(found)
    except (InvalidConfig, DecodingFailure) as error:
        raise error.replace(exit_code=EXIT_USAGE) from None


def _require_known(name: str, documents: Sequence[Any]) -> None:
    """Raise WrongUsage for a file that has nothing of what is asked for: the answer would be "no policies"."""
    kinds = [str(document.get("kind")) for document in documents if isinstance(document, dict)]
    known = [kind.kind for kind in KINDS]
    if not any(kind in known or kind.endswith("List") for kind in kinds):
        raise WrongUsage(
            f"--objects-file {name}: there is no object in it that policies depend on",
            hint=f"{', '.join(known)}, AttachmentList, or a List of them",
        )


def from_api(access: Access, own: Mapping[str, Any], config: Mapping[str, Any], node: str) -> Cluster:
    """The cluster's objects, and this node's journal. Raises GenieError where there is no server or no answer."""
    api = open_api(access, own)
    if api is None:
        raise no_server("policies cannot be read: ", instead="give the objects with --objects-file")
    with api:
        objects = [item for kind in KINDS for item in listed(api, kind)]
    return Cluster([*objects, journal(config, node)])


def engine_problem() -> str:
    """Why the policies may not be enforced on this node, as a sentence; "" where an agent keeps their rules."""
    age = policy_dir.age()
    if age is not None and age <= policy_dir.OLD_SECONDS:
        return ""
    if age is not None:
        return f"genie agent --policy was last at work {age / 60:.0f} minutes ago: later changes are not enforced here"
    if os.path.exists(policy_dir.DIRECTORY) and not os.access(policy_dir.DIRECTORY, os.X_OK):
        return f"whether policies are enforced here is not known: {policy_dir.DIRECTORY} needs root"
    return "no policy is enforced here: genie agent --policy has not run since the node started"


def listed(api: KubeAPI, kind: Resource) -> Iterable[dict[str, Any]]:
    """All objects of a kind; none where the cluster does not have the kind."""
    api.renew(_KIND_SECONDS)
    try:
        return [{**item, "kind": kind.kind} for item in api.list_objects(kind, within=_SECONDS)]
    except ObjectNotFound:
        return []


@dataclass(slots=True)
class Recorded:
    """The containers of this node's journals, by file name, as they were read last.

    A pod does not lose its rules because its journal cannot be read: while the file is there, what was read of it
    before counts. `problems` names the files of which nothing was read yet.
    """

    plans: dict[str, Plan] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def read(self, store: Store) -> Iterable[Plan]:
        """The containers as they are now. Raises IOFailure where the journals cannot be listed."""
        names, known = store.names(), self.plans
        self.plans, self.problems = {}, []
        for name in names:
            try:
                plan = store.load_file(name)
            except GenieError as error:
                plan = known.get(name)
                self.problems += [] if plan else [f"{error.msg}; no policy is enforced on its pod"]
            if plan:
                self.plans[name] = plan
        return self.plans.values()

    def unchanged(self, store: Store, netns: str) -> set[str]:
        """The interfaces of a namespace that have the networks that were read last: a sync may exchange one."""
        same = set()
        for name, plan in self.plans.items():
            if plan.netns == netns:
                try:
                    now = store.load_file(name)
                except GenieError:
                    continue
                same |= _interfaces(plan) & _interfaces(now) if now else set()
        return {interface for interface, _ in same}


def _interfaces(plan: Plan) -> set[tuple[str, str]]:
    items = (item for one in plan.attachments for item in attachment_items(plan, one))
    return {(item["interface"], item["network"]) for item in items}


def journal(config: Mapping[str, Any], node: str, recorded: Recorded | None = None) -> dict[str, Any]:
    """This node's attachments as an AttachmentList, from Genie's state."""
    found = open_context(dict(config))
    recorded = recorded or Recorded()
    living = [plan for plan in recorded.read(found.store) if plan.pod and not is_gone(plan)]
    items = [item for plan in living for one in plan.attachments for item in attachment_items(plan, one)]
    return {"kind": "AttachmentList", "node": node, "items": items, "defaultNetwork": _default(found)}


def _default(context: Context) -> str:
    """The network of pods that ask for none; "" where there is not one that all of them have."""
    try:
        choices = default_of(context)
    except GenieError:
        return ""
    return identity_of(choices[0]) if choices else ""


def attachment_items(plan: Plan, item: Attachment) -> list[dict[str, Any]]:
    """An attachment as an item of an AttachmentList; none where it is not attached.

    What a running pod is about to get counts: without a result yet, its rules are in the pod's own namespace.
    """
    if not (item.result or item.changing) or item.released or plan.pod is None:
        return []
    return [
        {
            "namespace": plan.pod.namespace,
            "name": plan.pod.name,
            "uid": plan.pod.uid,
            "containerID": plan.container_id,
            "netns": plan.netns,
            "network": network_of(item),
            "interface": item.ifname,
            "primary": item.ifname == plan.ifname,
            **({"releasing": True} if item.releasing else {}),
            "config": {"plugins": [dict(view(plugin.text)) for plugin in item.network.plugins]},
            "result": decode(item.result or "{}"),
        }
    ]
