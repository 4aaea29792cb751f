"""`genie explain`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from genie_cli import candidates, options, wiring
from genie_cli.flags import Candidate, Completion, argument
from genie_cli.progress import Progress
from genie_cli.remote import NodeCommand, NotRun, Remote, run_on_node
from genie_cli.render import emit
from genie_cli.views.explain import code_view, key_view, network_view, selection_view
from genie_core.catalog import PLUGINS
from genie_core.edges.confdir import list_files
from genie_core.errors import EXIT_DENIED, EXIT_NOT_FOUND, GenieError, NotFound, WrongUsage
from genie_core.survey.user_cluster import Access
from genie_core.tasks.explain import (
    ALL,
    explain,
    explain_key,
    explain_network,
    explain_selection,
    is_check,
    is_code,
    key_names,
    similar,
)
from genie_core.tasks.explain.selection import Selection, pods_here
from genie_core.tasks.pods import PodObject, did_you_mean, fetch_pod, object_name, pod_of_file
from genie_core.tasks.this_node import another

EXAMPLES = [
    ("what a finding's code means, how to confirm it by hand, how to fix it", "genie explain GN0402"),
    ("what the codes are that a check reports", "genie explain bridge-port"),
    ("what the code of a CNI error means, in Genie's log or a dry run", "genie explain CNI7"),
    ("what an event of a running pod means", "genie explain NetworkFault"),
    ("why this pod has these networks", "genie explain pod shop/web-0"),
    ("who uses a network, with which addresses, and what it overlaps", "genie explain network shop/orders"),
    ("a key of Genie's configuration, or of a plugin's", "genie explain default_plugin"),
    ("", "genie explain bridge.ipMasq"),
    ("all codes", "genie explain"),
]
_PODS = ("pod", "pods", "po")
_NETWORKS = ("network", "networks", "net")
_KINDS = (*_PODS, *_NETWORKS, "code", "key")
_CODE = re.compile(r"(GN|CNI-?)?\d+", re.IGNORECASE)


def _topics(asked: Completion) -> list[Candidate]:
    """Codes, configuration keys, `pod` and `network`; after these two words the cluster's pods or networks.

    A word with a slash is a pod.
    """
    kind = asked.before[0] if asked.before else "pod" if "/" in asked.current else ""
    if len(asked.before) < 2 and kind in _PODS:
        return candidates.pods(asked)
    if len(asked.before) < 2 and kind in _NETWORKS:
        return candidates.definitions(asked)
    if kind:
        return []
    return [
        Candidate("pod", "why a pod has its networks"),
        Candidate("network", "who uses a network"),
        *(Candidate(code, code.fault) for code in ALL.values()),
        *(Candidate(name) for name in key_names()),
        *candidates.checks(asked),
    ]


@dataclass(frozen=True, kw_only=True)
class Flags(options.Namespaced, options.OwnFiles, options.BinDirs, options.NodeName, options.Report, Remote):
    """What to explain, and where to look."""

    topic: tuple[str, ...] = argument(
        "CODE | KEY | pod [NAMESPACE/]POD | network [NAMESPACE/]NETWORK",
        "A code, a check's id, a configuration key, a pod, or a network.",
        default=(),
        complete=_topics,
    )
    pod_file: str = options.pod_file("The pod's manifest, - for stdin.")


def run(flags: Flags) -> int:
    """Explains a code, a configuration key, why a pod has its networks, or who uses a network.

    Codes are those of `genie debug` and `genie discover` (GN0402), CNI's own (CNI7 or 7), and the reasons of events of
    running pods (NetworkFault); they are stable. The id of a check (bridge-port) stands for the codes that it reports.
    For a pod it shows which annotation decides, by which rule, and which file each network comes from: as recorded in
    this node's state, and as an ADD would choose now. For a network (a logical one, a NetworkAttachmentDefinition, or
    by its name alone one of this node's files) it lists the pods that have it or ask for it, with their addresses, and
    the logical networks whose subnets overlap. A pod is explained on its node: from another machine, the command
    starts itself there.
    """
    words = flags.topic
    subject = words[-1] if words else ""
    if len(words) > 2 or (len(words) == 2 and words[0] not in _KINDS):
        raise WrongUsage(
            f"{' '.join(words)!r} is no topic: CODE, KEY, pod NAMESPACE/NAME or network NAMESPACE/NAME"
        )
    kind = words[0] if len(words) == 2 else _kind_of(subject, flags.pod_file)
    if kind in _NETWORKS:
        return _explain_network(subject, flags)
    if kind in _PODS:
        return _explain_pod(subject, flags)
    if kind == "code":
        emit(explain(subject), flags.output, code_view, lambda report: list(report.items))
    else:
        emit(explain_key(subject), flags.output, key_view, lambda report: [report.path])
    return 0


def _explain_network(subject: str, flags: Flags) -> int:
    access = wiring.access(flags)
    own, config = wiring.configuration(flags)
    space, name = object_name(subject, flags.namespace, access, "network")
    with Progress() as progress:
        progress("asking the API server for the network and its pods")
        is_plain = "/" not in subject and not flags.namespace
        report = explain_network(space, name, access=access, own=own, config=config, is_plain=is_plain)
    emit(report, flags.output, network_view, lambda report: [user.pod for user in report.pods])
    return 0


def _kind_of(subject: str, pod_file: str) -> str:
    """The kind of a single word: codes have digits, keys are known, and pods have a slash."""
    if subject in _KINDS and not pod_file:
        raise WrongUsage(
            f"which {'pod' if subject in _PODS else 'network' if subject in _NETWORKS else subject}?",
            hint="genie explain pod NAMESPACE/NAME, genie explain network NAMESPACE/NAME, genie explain CODE, "
            "genie explain KEY",
        )
    if pod_file or "/" in subject:
        return "pod"
    if not subject or _CODE.fullmatch(subject) or is_code(subject):
        return "code"
    if "." in subject or "_" in subject or subject in key_names():
        return "key"
    if subject in PLUGINS and PLUGINS[subject].fields:
        raise NotFound(
            f"{subject!r} is a plugin, and its keys are explained one by one",
            hint=f"genie explain {subject}.{PLUGINS[subject].fields[0].name}; "
            f"genie generate-config {subject} --schema lists them",
        )
    if is_check(subject):
        return "code"
    near = similar(subject)
    raise NotFound(
        f"{subject!r} is neither a code, a check nor a configuration key",
        hint=f"did you mean {' or '.join(near)}?"
        if near
        else f"for a pod: genie explain pod NAMESPACE/{subject}; all codes: genie explain",
    )


def _explain_pod(subject: str, flags: Flags) -> int:
    access = wiring.access(flags)
    own, config = wiring.configuration(flags)
    pod, problem = _pod(subject, flags, access, own)
    if not flags.here and (here := _elsewhere(pod, access, own, flags.node)):
        return _explain_there(pod, here, flags, access)
    report = explain_selection(
        pod.namespace,
        pod.name,
        annotations=None if problem else pod.annotations,
        problem=problem.msg if problem else "",
        config=config,
        path=wiring.search_path(flags.bin_dirs),
        uid=pod.uid,
    )
    if report.attached is None and report.annotations is None:
        is_answer = isinstance(problem, NotFound)
        known = (problem.details, "" if is_answer else problem.hint) if problem else ()
        raise GenieError(
            f"pod {report.pod} is not in this node's state, and its annotations are not known: {report.problem}",
            details="\n".join(filter(None, known)),
            hint=problem.hint
            if problem and is_answer
            else did_you_mean(report.pod, pods_here(config))
            or "run it on the pod's node, or give the manifest with --pod-file",
            exit_code=EXIT_DENIED if problem and problem.exit_code == EXIT_DENIED else EXIT_NOT_FOUND,
        )
    if report.attached is None and not own and not any(map(list_files, config["conf_dirs"])):
        raise NotFound(
            f"pod {report.pod} is not attached here, and this machine has no CNI configuration in {flags.conf_dir}",
            hint="run it on a node of the cluster",
        )
    emit(report, flags.output, selection_view, _networks)
    return 1 if report.annotations is not None and report.now is None else 0


def _elsewhere(pod: PodObject, access: Access, own: dict[str, Any], named: str) -> str:
    """This node's name where the pod is on another one: this machine's files do not concern it. Else ""."""
    name, is_explicit = wiring.node_of(named)
    return another(pod.node, name, access, own, is_explicit=is_explicit)


def _explain_there(pod: PodObject, here: str, flags: Flags, access: Access) -> int:
    """Explain the pod on its node. Raises NotFound where that is not possible."""
    there = replace(flags, topic=("pod", f"{pod.namespace}/{pod.name}"), namespace="")
    try:
        return run_on_node(NodeCommand(node=pod.node, command="explain", flags=there), access)
    except NotRun as error:
        raise NotFound(
            f"pod {pod.namespace}/{pod.name} is on node {pod.node}, this is {here}: run genie explain pod there",
            details="\n".join(filter(None, (error.msg, error.details))),
            hint=f"{error.hint}; --node gives this node's name, where that is wrong",
        ) from None


def _pod(
    subject: str, flags: Flags, access: Access, own: dict[str, Any]
) -> tuple[PodObject, GenieError | None]:
    """The pod, and why its annotations are not known."""
    if flags.pod_file:
        return pod_of_file("--pod-file", flags.pod_file), None
    space, name = object_name(subject, flags.namespace, access)
    try:
        with Progress() as progress:
            progress("asking the API server for the pod")
            return fetch_pod(space, name, access, own), None
    except GenieError as error:
        return PodObject(namespace=space, name=name, annotations={}), error


def _networks(report: Selection) -> list[str]:
    """The pod's networks as recorded on this node, else those that an ADD would choose now."""
    return [chosen.network for chosen in report.attached or report.now or ()]
