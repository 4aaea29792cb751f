"""`genie install`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Annotated

import typer

from genie_cli import options, render
from genie_cli.options import OutputFormat
from genie_cli.progress import Progress
from genie_core.edges.log import JSONLog
from genie_core.errors import GenieError, IOFailure
from genie_core.settings import BIN_DIR, CONF_DIR
from genie_core.spec.names import is_label, is_subdomain
from genie_core.survey.rootfs import Root
from genie_core.tasks.conflist import CA_FILE, TOKEN_FILE, InstallOptions
from genie_core.tasks.daemonset import TOKEN_SECONDS, Keeper, KeepOptions, in_cluster_server, keep, locate
from genie_core.tasks.health import serve
from genie_core.tasks.install import InstallReport, NeedsConsent, install
from genie_core.tasks.placement import Placement, place

DAEMONSET = "DaemonSet"

EXAMPLES = [
    ("install where the container runtime looks", "genie install"),
    ("only say what that would write", "genie install --dry-run"),
    (
        "with a kubeconfig, for nodes whose runtime passes no annotations",
        "genie install --kubeconfig /etc/cni/genie/kubeconfig",
    ),
    (
        "with a service account's token",
        "genie install --api-server https://10.0.0.1:6443 --token-file T --ca-file CA",
    ),
    ("in a DaemonSet: install, stay, and renew the token", "genie install --from-daemonset"),
    ("pin the network of pods that name none", "genie install --set default_plugin=canal"),
]


def run(
    bin_dir: Annotated[
        Path | None,
        typer.Option(
            "--bin-dir", metavar="DIR", help="Where the runtime looks for plugins. Default: its own setting."
        ),
    ] = None,
    conf_dir: Annotated[
        Path | None,
        typer.Option(
            "--conf-dir",
            metavar="DIR",
            help="Where the runtime looks for configurations. Default: its own setting.",
        ),
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option("--state-dir", metavar="DIR", help="Where the plugin keeps its state.")
    ] = None,
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", metavar="FILE", help="The kubeconfig that the plugin uses.")
    ] = None,
    api_server: Annotated[
        str, typer.Option("--api-server", metavar="URL", help="Write a kubeconfig for this server.")
    ] = "",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", metavar="FILE", help="The token's file, for --api-server.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", metavar="FILE", help="The server's CA, for --api-server.")
    ] = None,
    python: Annotated[
        Path | None, typer.Option("--python", metavar="FILE", help="The interpreter that runs the plugin.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A key of Genie's configuration; VALUE is JSON or text."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be written.")] = False,
    yes: options.Yes = False,
    from_daemonset: Annotated[
        bool,
        typer.Option(
            "--from-daemonset",
            help="Stay, keep the plugin installed and its token fresh; on SIGTERM leave everything as it is.",
            rich_help_panel=DAEMONSET,
        ),
    ] = False,
    service_account: Annotated[
        str,
        typer.Option(
            "--service-account",
            metavar="NAMESPACE/NAME",
            help="Whose token the plugin gets.",
            rich_help_panel=DAEMONSET,
        ),
    ] = "kube-system/genie",
    token_life: Annotated[
        float,
        typer.Option(
            "--token-life",
            parser=options.parse_duration,
            metavar="DURATION",
            help="How long a token is good for; it is renewed at half of that.",
            rich_help_panel=DAEMONSET,
        ),
    ] = TOKEN_SECONDS,
    health: Annotated[
        str,
        typer.Option(
            "--health",
            metavar="HOST:PORT",
            help="Where to answer kubelet's probes, /readyz and /livez.",
            rich_help_panel=DAEMONSET,
        ),
    ] = "127.0.0.1:9451",
    output: options.Output = OutputFormat.TABLE,
) -> int:
    """Puts the plugin and its configuration where the container runtime looks, while pods come and go.

    The directories are those of the runtime's own configuration; if the runtimes of a node disagree, the options have
    to decide. Before anything is written, the checks of `genie discover` are run on the node as it would be: where
    pods would not start, nothing is changed and the exit code is 1.
    Files are exchanged as a whole, the configuration last. Running it again changes nothing, or upgrades. What was
    added to 00-genie.conflist by hand stays.
    Where CRI-O reads the directory, the other networks' files are moved to /etc/cni/genie/net.d, since CRI-O would
    collect their pods' addresses when it starts: that is asked first, or allowed with --yes.
    """
    asked = (_absolute(bin_dir), _absolute(conf_dir))
    stays = from_daemonset and not dry_run
    placement = None if stays else place(*asked, Root())  # who stays looks it up again and again
    wanted = InstallOptions(
        bin_dir=Path(placement.bin_dir) if placement else asked[0] or Path(BIN_DIR),
        conf_dir=Path(placement.conf_dir) if placement else asked[1] or Path(CONF_DIR),
        placement=placement,
        state_dir=_absolute(state_dir),
        kubeconfig=_absolute(kubeconfig),
        api_server=api_server,
        token_file=_absolute(token_file),
        ca_file=_absolute(ca_file),
        python=python,
        move=yes,
        extra=dict(options.parse_setting(pair, "KEY=VALUE") for pair in settings or ()),
    )
    if stays:
        return _keep(wanted, partial(locate, *asked), _parse_account(service_account), token_life, health)
    try:
        report = _install(wanted, dry_run=dry_run)
    except NeedsConsent as question:
        if not sys.stdin.isatty() or not _agreed(question):
            raise
        report = _install(replace(wanted, move=True), dry_run=dry_run)
    for warning in report.warnings:
        render.note(f"warning: {warning}")
    render.emit(report, output, _view, lambda report: map(str, report.changed))
    return 0


def _install(wanted: InstallOptions, *, dry_run: bool) -> InstallReport:
    with Progress() as progress:
        progress("compiling the plugin for this node's Python")
        return install(wanted, dry_run=dry_run)


def _agreed(question: NeedsConsent) -> bool:
    for source, target in question.moved.items():
        render.note(f"  {source} -> {target}")
    return typer.confirm("CRI-O would collect living pods' addresses in these. Move them?", err=True)


def _keep(
    wanted: InstallOptions,
    where: Callable[[], Placement],
    account: tuple[str, str],
    token_life: float,
    health: str,
) -> int:
    """Until SIGTERM. Kubelet asks this loop how the plugin is."""
    in_pod = replace(
        wanted,
        api_server=wanted.api_server or in_cluster_server(),
        token_file=wanted.token_file or TOKEN_FILE,
        ca_file=wanted.ca_file or CA_FILE,
    )
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # the DaemonSet hands it over (fieldRef spec.nodeName)
    node = os.environ.get("NODE_NAME", "")
    kept = KeepOptions(install=in_pod, locate=where, account=account, token_seconds=token_life, node=node)
    keeper = Keeper(options=kept, log=JSONLog())
    if not node:
        keeper.log.warning("the token is bound to no node: NODE_NAME is not set")
    host, _, port = health.rpartition(":")
    try:
        with serve(host.strip("[]"), int(port), {"/readyz": keeper.readiness, "/livez": keeper.liveness}):
            keep(keeper, stop)
    except IOFailure:
        keeper.look()  # the node has its plugin even where health cannot be served
        raise
    return 0


def _parse_account(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (slash and is_label(namespace) and is_subdomain(name)):
        raise GenieError(
            f"--service-account {text!r}: expected NAMESPACE/NAME",
            hint="as in kube-system/genie",
            exit_code=2,
        )
    return namespace, name


def _absolute(path: Path | None) -> Path | None:
    return path.absolute() if path else None


def _view(report: InstallReport, wide: bool) -> list[render.Block]:
    written = ", ".join(path.name for path in report.changed)
    verb = "would write" if report.dry_run else "written"
    return [
        render.Fields(
            [
                ("plugin", str(report.launcher)),
                ("configuration", str(report.conflist)),
                ("code", str(report.code)),
                ("python", str(report.python)),
                (verb, written or "nothing: it was installed already"),
                *(
                    (("would move" if report.dry_run else "moved"), f"{source} to {target}")
                    for source, target in report.moved.items()
                ),
            ]
        )
    ]
