"""`genie debug pod`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from genie_cli import debug_flags as flags
from genie_cli import options, wiring
from genie_cli.options import FailOn
from genie_cli.progress import Progress
from genie_cli.render import note
from genie_core.checks.registry import FILES, NETWORK
from genie_core.edges.files import open_private
from genie_core.survey.records import CACHE_DIR, IPAM_DIR
from genie_core.tasks.debug.pod import debug_pod
from genie_core.tasks.debug.question import SECONDS
from genie_core.tasks.debug.report import DiagnosisReport
from genie_core.tasks.debug.snapshot import from_snapshot, snapshot

EXAMPLES = [
    ("what is wrong with this pod's network", "genie debug pod shop/web-0"),
    ("without sending a packet, for a script", "genie debug pod web-0 -n shop --no-probes -o json"),
    ("one target", "genie debug pod shop/web-0 --to service/db:5432"),
    ("take the facts here", "genie debug pod shop/web-0 --save facts.json"),
    ("and look at them elsewhere", "genie debug pod --from facts.json"),
]


def run(
    pod: Annotated[
        str, typer.Argument(metavar="[NAMESPACE/]POD", help="The pod; also pod/NAME.", show_default=False)
    ] = "",
    namespace: options.Namespace = "",
    netns: flags.Netns = "",
    pod_file: flags.PodFile = "",
    objects_file: flags.ObjectsFile = "",
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="TARGET",
            help="Ask about one target only: IP, node/NAME, pod/NS/NAME, service/NS/NAME or NAME.NS.svc, with :PORT.",
        ),
    ] = "",
    probes: flags.Probes = True,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Keep the facts, without secrets.")
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Diagnose saved facts.")
    ] = None,
    only: options.Only = None,
    skip: options.Skip = None,
    list_checks: options.ListChecks = False,
    fail_on: options.FailOnOption = FailOn.ERROR,
    conf_dir: flags.ConfDir = "",
    bin_dir: options.BinDirs = None,
    state_dir: flags.StateDir = "",
    ipam_dir: flags.IpamDir = IPAM_DIR,
    cache_dir: flags.CacheDir = CACHE_DIR,
    runtime_config: flags.RuntimeConfig = "",
    cri_socket: options.CRISocket = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
    node: options.NodeName = "",
    root: options.Root = Path("/"),
    timeout: options.Timeout = SECONDS,
    output: flags.Output = flags.ReportFormat.TABLE,
) -> int:
    """Says what is wrong with a pod's network on this node: the root cause first, its evidence, a safe remedy.

    It runs on the pod's node and changes nothing. Probes are a few packets from inside the pod's namespace,
    announced on stderr; --no-probes does without. The exit code is 0 for a healthy network, 1 for findings at or above
    --fail-on, 3 for a pod that is not on this node or has no sandbox, 124 if --timeout ran out: what was found until
    then is printed.
    """
    if list_checks:
        return flags.show_checks((*NETWORK, *FILES), output)
    access = wiring.access(kubeconfig, context)
    asked = flags.question(
        ("", "") if from_ else wiring.pod_name(pod, namespace, access),
        node=node,
        bin_dirs=bin_dir,
        only=only,
        skip=skip,
        access=access,
        timeout=timeout,
        root=root,
        conf_dir=conf_dir,
        state_dir=state_dir,
        ipam_dir=ipam_dir,
        cache_dir=cache_dir,
        runtime_config=runtime_config,
        cri_socket=cri_socket,
        netns=netns,
        pod_file=pod_file,
        objects_file=objects_file,
        to=to,
        probes=probes,
    )
    with Progress() as progress:
        report = from_snapshot(str(from_), asked) if from_ else debug_pod(asked, progress)
    if save is not None:
        _save(save, report)
    flags.show_report(report, output)
    return flags.exit_of(report, fail_on)


def _save(path: Path, report: DiagnosisReport) -> None:
    descriptor = open_private(str(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)  # it may lie in /tmp
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        file.write(snapshot(report))
    note(f"facts saved to {path}")
