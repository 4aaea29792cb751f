"""`genie sync pod`."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer

from genie_cli import options, wiring
from genie_cli.options import OutputFormat
from genie_cli.progress import Progress
from genie_cli.render import emit, show
from genie_cli.views.sync import view
from genie_core.edges.kube_errors import APIError
from genie_core.errors import EXIT_TIMEOUT, EXIT_USAGE, GenieError, InvalidConfig
from genie_core.survey.user_cluster import Access
from genie_core.survey.yamlio import load_documents
from genie_core.tasks.node_state import open_context
from genie_core.tasks.pods import open_api
from genie_core.tasks.sync import SyncOptions, sync
from genie_core.tasks.sync.report import SyncReport, Target
from genie_core.tasks.sync.target import LivePod, open_pod
from genie_core.tasks.sync.tell import tell
from genie_core.verbs.context import Context

EXAMPLES = [
    ("see what would change", "genie sync pod shop/web-0 --dry-run"),
    ("change it", "genie sync pod shop/web-0 --yes"),
    ("with the pod from a file, and no API server", "genie sync pod shop/web-0 --pod-file pod.json --yes"),
]


class TimedOut(BaseException):
    """The time is up. Not an error: the change is left as after a kill, and DEL, gc or the next one ends it."""


def run(
    pod: Annotated[str, typer.Argument(metavar="POD", help="NAMESPACE/NAME, or NAME with -n.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    primary: Annotated[
        bool,
        typer.Option(
            "--primary", help="Allow another network on the pod's first interface, with the same address."
        ),
    ] = False,
    yes: options.Yes = False,
    pod_file: Annotated[
        str,
        typer.Option(
            "--pod-file",
            metavar="FILE",
            help="The Pod object instead of the API server's, - for stdin; then no server is written to.",
        ),
    ] = "",
    namespace: options.Namespace = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
    conf_dir: options.OwnConfDir = wiring.CONF_DIR,
    state_dir: options.StateDir = None,
    cri_socket: options.CRISocket = "",
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            parser=options.parse_duration,
            metavar="DURATION",
            help="Give up after so long, wherever the change is then.",
        ),
    ] = 60.0,
    output: options.Output = OutputFormat.TABLE,
) -> int:
    """Changes a running pod's networks to what its annotations ask for now.

    Networks that are not asked for any more are released, new ones attached, and an interface with another network or
    with other arguments is replaced; what stays is not touched. Everything is found and checked before anything is
    changed, and where a part fails all of it is rolled back. The pod's first interface is not replaced without
    --primary: kubelet does not read a sandbox's address again.
    It has to run on the pod's node, as root. The exit code is 1 if the change was refused or failed, 3 if Genie has
    not attached this pod here, 5 if it could be rolled back only in part, 124 if the time was up.
    """
    if not (dry_run or yes or sys.stdin.isatty()):
        raise GenieError(
            "a pod may be changed, and there is no terminal to confirm it on",
            hint="`genie sync pod --dry-run` shows what would change; --yes changes it",
            exit_code=EXIT_USAGE,
        )
    access = wiring.access(kubeconfig, context)
    genie, config = _genie(conf_dir, state_dir)
    wanted = SyncOptions(primary=primary, cri_socket=cri_socket, deadline=time.monotonic() + timeout)
    try:
        with _limit(timeout), Progress() as progress:
            found = _pod(pod, namespace, pod_file, access, config)
            report = sync(found, genie, wanted, dry_run=True, tell=progress)
        if not dry_run and (not report.moves or yes or _agreed(report)):
            with _limit(timeout), Progress() as progress:
                report = sync(found, genie, wanted, tell=progress)
                report = replace(report, warnings=(*report.warnings, *tell(found, report, genie)))
    except APIError as error:
        namespace, name = wiring.pod_name(pod, namespace, access)
        report = SyncReport(target=Target(namespace=namespace, name=name), status="failed", error=error)
    except TimedOut:
        raise GenieError(
            f"the change of pod {pod} was not done after {timeout:g} seconds",
            hint="its journal has all that is attached: run it again, or see which plugin hangs",
            exit_code=EXIT_TIMEOUT,
        ) from None
    emit(report, output, view, lambda found: [item.network for item in found.state])
    return report.exit_code


def _genie(conf_dir: Path, state_dir: Path | None) -> tuple[Context, dict[str, Any]]:
    own, config = wiring.configuration(conf_dir, state_dir)
    return open_context(config), own


def _pod(text: str, namespace: str, pod_file: str, access: Access, own: dict[str, Any]) -> LivePod:
    space, name = wiring.pod_name(text, namespace, access)
    if not pod_file:
        return open_pod(open_api(access, own), space, name)
    document = next(iter(load_documents(wiring.text_of(pod_file), pod_file)), None)
    found = LivePod(document=document if isinstance(document, dict) else {})
    if (found.namespace, found.name) != (space, name):
        raise InvalidConfig(
            f"{pod_file} is pod {found}, not {space}/{name}", hint="give the right file", exit_code=EXIT_USAGE
        )
    return found


def _agreed(report: SyncReport) -> bool:
    show(view(report, wide=False), sys.stderr)
    return typer.confirm("Change it?", err=True)


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    """Raise TimedOut in this thread when the time is up."""

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        raise TimedOut

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
