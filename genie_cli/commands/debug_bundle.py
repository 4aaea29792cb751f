"""`genie debug bundle`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from genie_cli import candidates, options, wiring
from genie_cli.candidates import FILES
from genie_cli.debugging import PodFlags, completed
from genie_cli.flags import argument, flag, switch
from genie_cli.options import CLUSTER
from genie_cli.progress import Progress
from genie_cli.remote import NodeCommand, NotRun, Remote, fetch, fetch_all, note_not_run
from genie_cli.render import Block, Heading, Table, Text, emit, note
from genie_cli.views.findings import say_denied
from genie_core.errors import (
    EXIT_INCOMPLETE,
    EXIT_NOT_FOUND,
    EXIT_TIMEOUT,
    GenieError,
    WrongUsage,
)
from genie_core.survey import cluster
from genie_core.survey.user_cluster import Access
from genie_core.tasks.debug.archive import Members, unpacked
from genie_core.tasks.debug.bundle import BundleReport, contents, of_nodes, require_new, write
from genie_core.tasks.debug.node import debug_node
from genie_core.tasks.debug.pod import debug_pod
from genie_core.tasks.pods import object_name
from genie_core.tasks.this_node import names_of_nodes

EXAMPLES = [
    ("facts and diagnosis of a pod, to attach to an issue", "genie debug bundle shop/web-0"),
    ("of the node alone, into a named file", "genie debug bundle -f node1.tar.gz"),
    ("of another node, from any machine", "genie debug bundle --node worker-1"),
    ("of all nodes, a folder for each", "genie debug bundle --all"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(options.Report, PodFlags, Remote):
    """Which pod or nodes, where everything is, and where to write."""

    target: str = argument("[NAMESPACE/]POD", "A pod; without one, the node.", complete=candidates.pods)
    node: str = options.node("The node, where no pod is named; else this node's name. Default: this one.")
    all: bool = switch("--all", "All nodes of the cluster.", CLUSTER)
    file: str = flag(
        "-f --output-file FILE",
        "Where to write, - for stdout. Default: genie-bundle-TIME.tar.gz.",
        complete=FILES,
    )
    probes: bool = switch("--probes/--no-probes", "Send a few packets from inside the pod.")


def run(flags: Flags) -> int:
    """Writes facts, diagnosis, versions and a manifest with hashes into one file of mode 0600.

    The file has only what a fixed list names: no configuration files, kubeconfigs, tokens, environments or logs.
    Review it before you share it: it has names and addresses of your cluster. Those of other nodes are made there, as
    with `genie debug pod`. The exit code is 124 after --timeout: what was found until then is saved; 4 where this user
    may not read everything, 3 for a pod whose node cannot be reached. With --all it is 5 where nodes are missing, and
    the report names them, or where nodes were read in part.
    """
    access = wiring.access(flags)
    flags = replace(
        flags, file=flags.file or time.strftime("genie-bundle-%Y%m%dT%H%M%SZ.tar.gz", time.gmtime())
    )
    require_new(flags.file)
    if flags.file == "-" and sys.stdout.isatty():
        raise WrongUsage(
            "-f -: a bundle is not for a terminal", hint="name a file, or redirect it: -f - >FILE"
        )
    if flags.all:
        if flags.target or flags.node:
            raise WrongUsage("--all excludes a pod and --node")
        return _of_all(flags, access)
    if not (flags.target or wiring.is_here(flags, access)):
        return _of_another(flags, _on_node(flags, flags.node), access)
    pod = object_name(flags.target, flags.namespace, access) if flags.target else ("", "")
    asked = completed(flags, access, pod)
    with Progress() as progress:
        report = debug_pod(asked, progress) if asked.pod else debug_node(asked, progress)
    if report.state == "not-here" and not flags.here:
        node = cluster.pod(report.facts.pod_object).node
        try:
            return _of_another(flags, _on_node(flags, node, "/".join(pod)), access)
        except NotRun as error:
            note_not_run(error)
    _save(flags, contents(report), report.facts.time)
    if report.late:
        return EXIT_TIMEOUT
    if report.denied:
        return say_denied(report.denied, f"genie debug bundle {asked.pod}".rstrip())
    return EXIT_NOT_FOUND if report.state == "not-here" else 0


def _on_node(flags: Flags, node: str, pod: str = "") -> NodeCommand:
    there = replace(flags, target=pod, namespace="", all=False, file="-", output=options.Report().output)
    into = flags.file if flags.file != "-" else ""
    return NodeCommand(node=node, command="debug bundle", flags=there, into=into)


def _of_another(flags: Flags, remote: NodeCommand, access: Access) -> int:
    archive, code = fetch(remote, access)
    _save(flags, unpacked(archive))
    return code


def _of_all(flags: Flags, access: Access) -> int:
    with Progress() as progress, wiring.api(flags, flags.timeout) as api:
        progress("asking the API server for the nodes")
        nodes = names_of_nodes(api)
    if not nodes:
        raise GenieError("the cluster has no Linux node to make a bundle of")
    archives, failed = fetch_all([_on_node(flags, node) for node in nodes], access)
    found: dict[str, Members] = {}
    for node, (archive, _) in archives.items():
        try:
            found[node] = unpacked(archive)
        except GenieError as error:
            failed[node] = error.msg
    if not found:
        raise GenieError(
            "no node could be reached",
            details="\n".join(f"{node}: {reason}" for node, reason in failed.items()),
            hint=f"`genie debug bundle --node {nodes[0]}` shows what would help",
            exit_code=EXIT_INCOMPLETE,
        )
    _save(flags, of_nodes(found), failed=failed)
    codes = {node: archives[node][1] for node in found}
    for node in (node for node, code in codes.items() if code == EXIT_TIMEOUT):
        note(f"node {node} was not read in time: its reports name what is missing")
    return EXIT_INCOMPLETE if failed or any(codes.values()) else 0


def _save(flags: Flags, members: Members, now: float = 0, failed: dict[str, str] | None = None) -> None:
    """Write the file and report it; the report is not printed where the file is stdout."""
    now = now or time.time()
    sys.stdout.flush()
    report = write(members, flags.file, now, failed)
    if flags.file == "-":
        for node, reason in report.failed.items():
            note(f"node {node} is missing: {reason}")
    else:
        emit(report, flags.output, _view, lambda bundle: [bundle.path])


def _view(bundle: BundleReport, wide: bool) -> Iterator[Block]:
    yield Heading(bundle.path)
    yield Table(("MEMBER", "BYTES", "SHA-256"), [(n, str(size), d[:16]) for n, size, d in bundle.members])
    if bundle.failed:
        yield Heading("Nodes that are missing")
        yield Table(("NODE", "WHY"), list(bundle.failed.items()))
    yield Text("Review it before you share it: it names your pods, nodes and addresses.", "warn")
