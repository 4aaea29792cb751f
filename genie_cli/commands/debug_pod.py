"""`genie debug pod`."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from genie_cli import candidates, options, wiring
from genie_cli.debugging import PodFlags, PodReport, completed, exit_of, show_checks, show_report
from genie_cli.flags import argument, flag, switch
from genie_cli.progress import Progress
from genie_cli.remote import NodeCommand, NotRun, Remote, note_not_run, run_on_node
from genie_cli.render import note, write
from genie_core.checks.registry import FILES, NETWORK
from genie_core.edges.files import open_private
from genie_core.published import timestamp
from genie_core.survey import cluster
from genie_core.tasks.debug.bundle import require_folder
from genie_core.tasks.debug.pod import debug_pod
from genie_core.tasks.debug.report import DiagnosisReport
from genie_core.tasks.debug.snapshot import from_snapshot, snapshot
from genie_core.tasks.pods import object_name

EXAMPLES = [
    ("what is wrong with this pod's network", "genie debug pod shop/web-0"),
    ("without sending a packet, for a script", "genie debug pod web-0 -n shop --no-probes -o json"),
    ("one target", "genie debug pod shop/web-0 --to service/db:5432"),
    (
        "on this machine, which is the pod's node under another name",
        "genie debug pod shop/web-0 --node worker-1",
    ),
    ("save the facts on the node", "genie debug pod shop/web-0 --save facts.json"),
    ("and diagnose them on another machine", "genie debug pod --from facts.json"),
    ("as a page to mail, with a picture", "genie debug pod shop/web-0 -o html"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(options.Findings, PodReport, PodFlags, Remote):
    """Which pod, which checks, and where everything is."""

    target: str = argument("[NAMESPACE/]POD", "The pod; also pod/NAME.", complete=candidates.pods)
    to: str = flag(
        "--to TARGET",
        "Examine one target only: IP, node/NAME, pod/NS/NAME, service/NS/NAME or NAME.NS.svc, with :PORT.",
        complete=candidates.targets,
    )
    probes: bool = switch("--probes/--no-probes", "Send a few packets from inside the pod.", default=True)
    save: str = flag(
        "--save FILE", "Save the facts, without secrets; - for stdout.", complete=candidates.FILES
    )
    from_: str = flag(
        "--from FILE", "Diagnose saved facts, or a bundle's; - for stdin.", complete=candidates.FILES
    )
    runtime_config: str = options.runtime_config()


def run(flags: Flags) -> int:
    """Finds the cause of a fault in a pod's network: the root cause first, its evidence, a safe remedy.

    It changes nothing and runs on the pod's node: from another machine it starts itself there, in the pod of Genie's
    agent, else in a pod that it makes and removes again; where neither is allowed it prints the command to run there.
    Probes are a few packets from inside the pod's namespace, announced on stderr; --no-probes sends none. The exit
    code is 0 for a healthy network, 1 for findings at or above --fail-on, 3 for a pod whose node cannot be reached or
    that has no sandbox, 124 after --timeout: what was found until then is printed.
    """
    if flags.list_checks:
        return show_checks((*NETWORK, *FILES), flags.output)
    if flags.save:
        require_folder(flags.save, "--save")
    access = wiring.access(flags)
    is_saved = flags.from_ and not flags.target  # of the pod whose facts were saved
    pod = ("", "") if is_saved else object_name(flags.target, flags.namespace, access)
    asked = completed(flags, access, pod)
    with Progress() as progress:
        report = from_snapshot(flags.from_, asked) if flags.from_ else debug_pod(asked, progress)
    if report.state != "not-here" and not flags.from_:
        wiring.warn_of_missing(flags)
    if flags.from_:
        note(f"the facts are of {timestamp(report.facts.time)}")
    if flags.save:
        _save(flags.save, report)
    if flags.save == "-":
        return exit_of(report, flags.fail_on)
    if report.state == "not-here" and not flags.here and not flags.from_:
        try:
            return run_on_node(_on_node(flags, report, pod), access)
        except NotRun as error:
            note_not_run(error)
    show_report(report, flags.output)
    return exit_of(report, flags.fail_on)


def _on_node(flags: Flags, report: DiagnosisReport, pod: tuple[str, str]) -> NodeCommand:
    """The command for the pod's node. Raises NotRun where a flag names a file of this machine."""
    there = replace(flags, target="/".join(pod), namespace="", save="")
    remote = NodeCommand(node=cluster.pod(report.facts.pod_object).node, command="debug pod", flags=there)
    remote.require_no_files(
        {"--save": flags.save, "--pod-file": flags.pod_file, "--objects-file": flags.objects_file}
    )
    return remote


def _save(path: str, report: DiagnosisReport) -> None:
    if path == "-":
        write(snapshot(report))
        return
    descriptor = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)  # the file may be in /tmp
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o600)
            file.write(snapshot(report))
    except OSError as error:  # a full disk: a part of the facts is none
        os.unlink(path)
        raise OSError(error.errno, error.strerror, path) from None
    note(f"facts saved to {path}")
