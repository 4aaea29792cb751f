"""`genie sync pod`."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from typing import Any

import typer

from genie_cli import candidates, options, terminal, wiring
from genie_cli.flags import argument, switch
from genie_cli.progress import Progress
from genie_cli.render import emit, show
from genie_cli.views.sync import view
from genie_core.edges.kube_errors import APIError
from genie_core.errors import WrongUsage
from genie_core.survey.user_cluster import Access
from genie_core.tasks.named_files import read_documents
from genie_core.tasks.node_state import open_context
from genie_core.tasks.pods import object_name, open_api
from genie_core.tasks.sync import SyncOptions, sync
from genie_core.tasks.sync.change import TimedOut, apply, limit, timed_out
from genie_core.tasks.sync.report import SyncReport, Target
from genie_core.tasks.sync.target import LivePod, open_pod

EXAMPLES = [
    ("see what would change", "genie sync pod shop/web-0 --dry-run"),
    ("change it", "genie sync pod shop/web-0 --yes"),
    ("with the pod from a file, and no API server", "genie sync pod shop/web-0 --pod-file pod.json --yes"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(options.Namespaced, options.OwnFiles, options.Runtime, options.Report, SyncOptions):
    """The options of the task, and which pod."""

    pod: str = argument("POD", "NAMESPACE/NAME, or NAME with -n.", default=..., complete=candidates.pods)
    dry_run: bool = switch("--dry-run", "Only list what would change.")
    primary: bool = switch(
        "--primary", "Allow another network on the pod's first interface, with the same address."
    )
    yes: bool = options.yes()
    pod_file: str = options.pod_file(
        "The Pod object instead of the API server's, - for stdin; then no server is written to."
    )
    timeout: float = options.timeout(60.0, "Give up after so long, at whatever step.")


def run(flags: Flags) -> int:
    """Changes a running pod's networks to what its annotations ask for now.

    Networks that are no longer asked for are released, new ones attached, and an interface with another network or
    with other arguments is replaced; the others are not changed. Everything is found and checked before anything is
    changed, and where a part fails the whole change is rolled back. The pod's first interface is not replaced without
    --primary: kubelet does not read a sandbox's address again.
    It has to run on the pod's node, as root. The exit code is 1 if the change was refused or failed, 3 if Genie has
    not attached this pod here, 4 without permission, 5 if it could be rolled back only in part, 124 after --timeout.
    """
    if not (flags.dry_run or flags.yes or terminal.can_ask()):
        raise WrongUsage(
            "a pod may be changed, and there is no terminal to confirm it on",
            hint=f"`genie sync pod {flags.pod} --dry-run` shows what would change; --yes changes it",
        )
    access = wiring.access(flags)
    own, config = wiring.configuration(flags)
    genie = open_context(config)
    wanted = replace(flags, deadline=time.monotonic() + flags.timeout)
    try:
        with limit(wanted.deadline), Progress() as progress:
            found = _pod(flags, access, own)
            report = sync(found, genie, wanted, dry_run=True, announce=progress)
        if not flags.dry_run and (not report.moves or flags.yes or _agreed(report)):
            if report.moves and not flags.yes:  # the person took some time
                wanted = replace(wanted, deadline=time.monotonic() + flags.timeout)
            with limit(wanted.deadline), Progress() as progress:
                report = apply(found, genie, wanted, report, progress)
    except APIError as error:
        namespace, name = object_name(flags.pod, flags.namespace, access)
        report = SyncReport(target=Target(namespace=namespace, name=name), status="failed", error=error)
    except TimedOut:
        raise timed_out(flags.pod, flags.timeout) from None
    emit(report, flags.output, view, lambda found: [item.network for item in found.state])
    return report.exit_code


def _pod(flags: Flags, access: Access, own: dict[str, Any]) -> LivePod:
    space, name = object_name(flags.pod, flags.namespace, access)
    if not flags.pod_file:
        return open_pod(open_api(access, own), space, name)
    found = LivePod(document=_document(flags.pod_file))
    if (found.namespace, found.name) != (space, name):
        raise WrongUsage(
            f"--pod-file {flags.pod_file} is pod {found}, not {space}/{name}",
            hint="name the file of the right pod",
        )
    return found


def _document(file: str) -> dict[str, Any]:
    """The first Pod of the file; an object of another kind has no annotations that ask for networks."""
    for document in read_documents("--pod-file", file):
        if isinstance(document, dict) and document.get("kind", "Pod") == "Pod":
            return document
    raise WrongUsage(f"--pod-file {file}: there is no Pod in it")


def _agreed(report: SyncReport) -> bool:
    show(view(report, wide=False), sys.stderr)
    return typer.confirm("Change it?", err=True)
