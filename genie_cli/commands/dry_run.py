"""`genie dry-run`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from genie_cli import candidates, options, wiring
from genie_cli.candidates import FILES
from genie_cli.flags import flag, several, switch
from genie_cli.holding import hold
from genie_cli.options import CLUSTER, NODE
from genie_cli.output import OutputFormat
from genie_cli.progress import Progress
from genie_cli.render import emit, note
from genie_cli.views.dry_run import view
from genie_core.errors import WrongUsage
from genie_core.settings import IPAM_DIR
from genie_core.survey.namespaces import NETNS_DIRS
from genie_core.tasks.dry_run.configuration import AnyNode, Samples
from genie_core.tasks.dry_run.options import MOST_PODS, DryRunOptions
from genie_core.tasks.dry_run.policies import is_policy
from genie_core.tasks.dry_run.run import dry_run, plan_only
from genie_core.tasks.dry_run.searched import Searched
from genie_core.tasks.dry_run.subject import Subject, SubjectOptions, find_subject
from genie_core.tasks.named_files import read_documents
from genie_core.tasks.node_state import own_entry

EXAMPLES = [
    ("two networks for one pod, the second as interface net1", "genie dry-run --cni 'bridge,macvlan@net1'"),
    ("what a pod without annotations gets", "genie dry-run"),
    ("the pod of a manifest, also of a Deployment", "genie dry-run --pod web.yaml"),
    ("a pod of the cluster, with the networks that it names there", "genie dry-run --pod shop/web-0"),
    ("network attachments of a manifest", "genie dry-run --nad nets.yaml --networks storage@net1"),
    ("try a configuration before it goes to a node", "genie dry-run -f blue.conflist"),
    ("only the plan; and whether two pods reach each other", "genie dry-run --cni bridge --plan"),
    ("", "genie dry-run --cni bridge --pods 2"),
    ("what a policy does between two pods", "genie dry-run --cni bridge --policy policy.yaml"),
    ("with plugins from elsewhere, for a script", "genie dry-run --cni ptp --bin-dir ~/cni -o json"),
]


class Verb(StrEnum):
    """How far to go."""

    CYCLE = "cycle"
    ADD = "add"
    CHECK = "check"
    DEL = "del"


@dataclass(frozen=True, kw_only=True)
class Flags(options.Namespaced, options.ConfDirs, options.BinDirs, options.Report, SubjectOptions):
    """Which pod, how far to go, and where."""

    cni: str | None = flag(
        "--cni NETWORKS",
        "Networks by name: the pod's annotation `cni`.",
        default=None,
        complete=candidates.networks,
    )
    networks: str | None = flag(
        "--networks OBJECTS",
        "NetworkAttachmentDefinitions, or LogicalNetworks where --nad has only such.",
        default=None,
        complete=candidates.objects,
    )
    annotation: tuple[str, ...] = several(
        "-a --annotation KEY=VALUE",
        "Another annotation of the pod; may be repeated.",
        complete=candidates.annotation_keys,
    )
    pod: str = flag(
        "--pod FILE|NS/NAME",
        "The pod of a manifest (- for stdin) or of the cluster.",
        complete=candidates.or_files(candidates.pods),
    )
    nad: tuple[str, ...] = several(
        "--nad FILE", "Manifest with network objects, - for stdin; may be repeated.", CLUSTER, complete=FILES
    )
    verb: Verb = flag(
        "--verb", "Go as far as ADD, CHECK or DEL; cycle: also a second DEL, and GC.", default=Verb.CYCLE
    )
    plan: bool = switch("--plan", "Only show the plan.")
    pods: int = flag("--pods NUMBER", "Attach so many pods side by side.", default=1, min=1, max=MOST_PODS)
    policy: tuple[str, ...] = several(
        "--policy FILE",
        "Try the policies of a manifest between two pods, - for stdin; may be repeated.",
        CLUSTER,
        complete=FILES,
    )
    keep: bool = switch(
        "--keep",
        "Open a shell in the pod before it is released; without a terminal, wait for the end of input.",
    )
    samples: bool | None = flag(
        "--samples/--no-samples",
        "Add sample configurations for bridge, macvlan and ptp. Default: only where the node has none.",
        default=None,
        show_default=False,
    )
    conf: tuple[str, ...] = several(
        "-f --conf FILE",
        "One more configuration file, also YAML, - for stdin; tried where no network is named.",
        NODE,
        complete=FILES,
    )
    node_like_this: bool = switch(
        "--node-like-this",
        "Give the private node this node's interfaces: names, MTUs and addresses.",
        NODE,
    )
    on_host: bool = switch(
        "--on-host",
        "Run the plugins on this node itself, in a throw-away namespace: for those that need a daemon.",
        NODE,
    )
    yes: bool = options.yes()
    timeout: float = options.timeout(60.0)


def run(flags: Flags) -> int:
    """Shows what a pod would get: the plan, each plugin's run, the pod's interfaces, reachability, what DEL leaves.

    The real plugins run with the real configuration, in a private copy of the node: namespaces of its own with
    an uplink eth0, and leases and state in memory. Nothing on the node changes. It needs no root.

    The exit code is 0 if the pod was attached and nothing was left after its release, 1 if not, 124 after
    --timeout.
    """
    access, searched = wiring.access(flags), wiring.searched(flags, flags.bin_dirs)
    with Progress() as progress:
        subject = find_subject(flags, access, own_entry(searched.conf_dirs), progress)
    for warning in subject.warnings:
        note(f"warning: {warning}")
    wanted = _wanted(flags, subject, searched)
    if flags.on_host:
        _warn(yes=flags.yes)
    visible = (searched.conf_dirs, searched.bin_dirs)
    where = wiring.host_node() if flags.on_host else wiring.private_node(*visible, alike=flags.node_like_this)
    with Progress() as progress, where as node:
        if flags.plan:
            report = plan_only(wanted, node, progress)
        else:
            report = dry_run(wanted, node, progress, partial(_held, progress) if flags.keep else None)
    emit(report, flags.output, view, lambda report: [planned.network for planned in report.plan])
    return report.exit_code


def _wanted(flags: Flags, subject: Subject, searched: Searched) -> DryRunOptions:
    policies = _policies(flags)
    made_up: Samples = "auto" if flags.samples is None else "always" if flags.samples else "never"
    return DryRunOptions(
        annotations=subject.annotations,
        conf_dirs=searched.conf_dirs,
        bin_dirs=searched.bin_dirs,
        runtime=searched.runtime,
        conf_files=subject.conf_files,
        samples="never" if flags.on_host else made_up,
        verb=flags.verb.value,
        objects=subject.objects,
        pods=max(flags.pods, 2) if policies else flags.pods,
        policies=policies,
        record=flags.output is OutputFormat.WIDE or flags.output.for_machines,
        namespace=subject.namespace,
        pod=subject.name,
        timeout=flags.timeout,
    )


def _policies(flags: Flags) -> list[dict[str, Any]]:
    """The policies of --policy. Raises WrongUsage where a file has none."""
    found: list[dict[str, Any]] = []
    for name in flags.policy:
        documents = [one for one in read_documents("--policy", name) if is_policy(one)]
        if not documents:
            raise WrongUsage(f"--policy {name}: no MultiNetworkPolicy and no NetworkPolicy is in it")
        found += documents
    return found


def _held(progress: Progress, node: AnyNode, netns: Sequence[str]) -> None:
    progress.rest()
    hold(node, netns)


def _warn(*, yes: bool) -> None:
    """Warn of what --on-host changes. Raises WrongUsage without --yes."""
    touched = (
        "the real plugins will run on this node: they make interfaces, addresses, routes, firewall rules and leases "
        "for a pod in a throw-away namespace, and their DEL removes them again, however this command ends; what a "
        "network makes once for all its pods (its bridge, IP forwarding) stays"
    )
    if not yes:
        raise WrongUsage(f"--on-host: {touched}", hint="--yes confirms it")
    note(f"warning: --on-host: {touched}")
    wiring.warn_of_container(IPAM_DIR, NETNS_DIRS[0])
