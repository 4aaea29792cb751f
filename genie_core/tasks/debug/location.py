"""Where a pod's network namespace is: on this node and at which path, on another node, or nowhere."""

from __future__ import annotations

from genie_core.errors import EXIT_DENIED, Denied, GenieError, NotFound
from genie_core.published import JSON
from genie_core.survey import api, cluster
from genie_core.survey.namespaces import canonical, locate
from genie_core.survey.user_cluster import find_cluster
from genie_core.tasks.debug.diagnosis import Diagnosis
from genie_core.tasks.debug.options import DebugOptions
from genie_core.tasks.pods import did_you_mean
from genie_core.tasks.this_node import are_alike

ENDED = {"Succeeded": "has completed", "Failed": "has failed or was evicted"}
# The sources that know where a pod's namespace is: keys of `missing`.
RECORDS = ("runtime", "state", "cache")


def elsewhere(
    options: DebugOptions, answers: api.Answers, here: str, command: str = "debug pod"
) -> tuple[str, str]:
    """(state, reason) for a pod that has no network namespace on this node, else ("", "").

    `command` is the one that is to be run on the pod's node.
    """
    pod, about, title = answers.pod, cluster.pod(answers.pod), options.pod
    if about.phase in ENDED:
        return "no-sandbox", f"pod {title} {ENDED[about.phase]} ({why(pod)}): it has no network any more"
    known = {cluster.node(n).name for n in cluster.of_kind(answers.objects, "Node")}
    is_sure = options.node_explicit or known
    strange = about.node and about.node != here and (is_sure or not are_alike(about.node, here))
    if strange and (options.node_explicit or about.node in known or not options.netns):
        return "not-here", f"pod {title} is on node {about.node}, this is {here}: run genie {command} there"
    return "", ""


def why(pod: JSON) -> str:
    """The first reason that Kubernetes gives for a pod's state, else its phase."""
    status = pod.get("status") or {}
    waiting = [
        c.get("state", {}).get("waiting", {}).get("reason", "") for c in status.get("containerStatuses") or ()
    ]
    conditions = [c.get("message", "") for c in status.get("conditions") or () if c.get("status") == "False"]
    said = [str(x) for x in (status.get("reason"), status.get("message"), *waiting, *conditions) if x]
    return said[0] if said else status.get("phase", "?")


def find_netns(diagnosis: Diagnosis, pod: JSON) -> str:
    """The path of the pod's namespace, "" where no source of this node has it, or the pod has none of its own.

    By --netns, else by the runtime, by Genie's state, by libcni's cache. The records of a Pending pod may be of
    an earlier attempt: where the runtime answers, it alone counts.
    """
    about = cluster.pod(pod)
    if diagnosis.options.netns:
        return canonical(diagnosis.options.netns)
    if about.host_network:
        return ""
    known = diagnosis.survey.recorded
    is_known = about.phase == "Pending" and "runtime" not in diagnosis.todo.missing
    records = () if is_known else known.files.cached
    netns, diagnosis.source = locate(
        diagnosis.options.pod, known.sandboxes or (), records, diagnosis.survey.root
    )
    return netns


def not_known(diagnosis: Diagnosis, answers: api.Answers, reason: str) -> NotFound:
    """The error for a pod whose namespace no source of this node has, with those that could not be asked.

    Its exit code is 4 where the API server, which knows the pod's node, did not accept the credentials.
    """
    missing = diagnosis.todo.missing
    sources = {"the API server": missing.get("pod object"), "the container runtime": missing.get("runtime")}
    unasked = {name: why for name, why in sources.items() if why}
    hint = "run it on the pod's node, or name the namespace with --netns"
    if answers.refused:
        hint += f"; to have it find the node and run there: {answers.refused.hint}"
    elif "objects" in missing:
        with_it = "once the API server answers" if _is_named(diagnosis.options) else "with --kubeconfig"
        hint += f"; {with_it} it finds the node and runs there"
    elif diagnosis.options.node_explicit:
        hint += (
            f"; this machine is taken for node {diagnosis.options.node}, as --node or $NODE_NAME says: "
            "without it the command runs on the pod's node"
        )
    near = _near(diagnosis) if "pod object" in missing else ""
    return NotFound(
        reason + (f" ({' and '.join(unasked)} could not be asked)" if unasked else ""),
        details="\n".join(f"{name}: {why}" for name, why in unasked.items()),
        hint=f"{near} Else {hint}" if near else hint,
        exit_code=EXIT_DENIED if answers.refused else NotFound.exit_code,
    )


def _is_named(options: DebugOptions) -> bool:
    """Whether an API server is known, by a flag or otherwise."""
    try:
        return find_cluster(options.access) is not None
    except GenieError:
        return False


def _near(diagnosis: Diagnosis) -> str:
    """A question about this node's pods whose names are like the one that was asked for."""
    known = diagnosis.survey.recorded
    pods = [*(one.pod for one in known.sandboxes or ()), *(one.pod for one in known.files.cached)]
    return did_you_mean(diagnosis.options.pod, pods)


def require_records(diagnosis: Diagnosis, command: str) -> None:
    """Raise Denied where no source has the pod's namespace and this user may not read all; `command` is to be run."""
    unread = [diagnosis.todo.missing[name] for name in RECORDS if name in diagnosis.todo.denied]
    if unread and "runtime" in diagnosis.todo.missing:
        raise Denied(
            f"whether pod {diagnosis.options.pod} has a sandbox on this node could not be read: {'; '.join(unread)}",
            hint=f"run it as root: sudo genie {command}",
        )
