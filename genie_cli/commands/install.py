"""`genie install`."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event

import typer

from genie_cli import candidates, options, render, terminal
from genie_cli.flags import flag, several, switch
from genie_cli.options import duration_flag, path_flag
from genie_cli.progress import Progress
from genie_core.edges.log import JSONLog
from genie_core.errors import IOFailure, WrongUsage
from genie_core.settings import BIN_DIR, CONF_DIR
from genie_core.spec.names import is_label, is_subdomain
from genie_core.survey.rootfs import Root
from genie_core.tasks.health import serve
from genie_core.tasks.install.conflist import CA_FILE, TOKEN_FILE, InstallOptions
from genie_core.tasks.install.daemonset import (
    TOKEN_SECONDS,
    Keeper,
    KeepOptions,
    in_cluster_server,
    keep,
    locate,
)
from genie_core.tasks.install.placement import Placement, place
from genie_core.tasks.install.run import InstallReport, NeedsConsent, install

DAEMONSET = "DaemonSet"

EXAMPLES = [
    ("install where the container runtime looks", "genie install"),
    ("only list what that would write", "genie install --dry-run"),
    (
        "with a kubeconfig, for nodes whose runtime passes no annotations",
        "genie install --kubeconfig /etc/cni/genie/kubeconfig",
    ),
    (
        "with a service account's token",
        "genie install --api-server https://10.0.0.1:6443 --token-file T --ca-file CA",
    ),
    ("in a DaemonSet: install, stay, and renew the token", "genie install --from-daemonset"),
    ("with the launcher for `genie serve`", "genie install --serve"),
    ("pin the network of pods that name none", "genie install --set default_plugin=canal"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(options.Report):
    """What to install and where, and whether to stay."""

    bin_dir: Path | None = path_flag(
        "--bin-dir DIR", "Where the runtime looks for plugins. Default: its own setting."
    )
    conf_dir: Path | None = path_flag(
        "--conf-dir DIR", "Where the runtime looks for configurations. Default: its own setting."
    )
    state_dir: Path | None = path_flag("--state-dir DIR", "Where the plugin keeps its state.")
    kubeconfig: Path | None = path_flag("--kubeconfig FILE", "The kubeconfig that the plugin uses.")
    api_server: str = flag(
        "--api-server URL", "Write a kubeconfig for this server.", parser=options.parse_server
    )
    token_file: Path | None = path_flag("--token-file FILE", "The token's file, for --api-server.")
    ca_file: Path | None = path_flag("--ca-file FILE", "The server's CA, for --api-server.")
    python: Path | None = path_flag("--python FILE", "The interpreter that runs the plugin.")
    settings: tuple[str, ...] = several(
        "--set KEY=VALUE",
        "A key of Genie's configuration; VALUE is JSON or text.",
        complete=candidates.config_keys,
    )
    serve: bool | None = flag(
        "--serve/--no-serve",
        "Install the launcher that hands calls over to `genie serve`. Default: as it is installed now.",
        default=None,
        show_default=False,
    )
    dry_run: bool = switch("--dry-run", "Only list what would be written.")
    yes: bool = options.yes()
    from_daemonset: bool = switch(
        "--from-daemonset",
        "Keep running, keep the plugin installed and its token fresh; on SIGTERM change nothing.",
        DAEMONSET,
    )
    service_account: str = flag(
        "--service-account NAMESPACE/NAME",
        "The account whose token the plugin gets.",
        DAEMONSET,
        default="kube-system/genie",
        complete=candidates.accounts,
    )
    token_life: float = duration_flag(
        "--token-life",
        "How long a token is valid; it is renewed at half of that.",
        DAEMONSET,
        default=TOKEN_SECONDS,
    )
    health: str = flag(
        "--health HOST:PORT",
        "Where to answer kubelet's probes, /readyz and /livez.",
        DAEMONSET,
        default="127.0.0.1:9451",
        parser=options.parse_listen,
    )


def run(flags: Flags) -> int:
    """Installs the plugin and its configuration where the container runtime looks; pods may start and stop meanwhile.

    The directories are those of the runtime's own configuration; if the runtimes of a node disagree, options have
    to name them. Before anything is written, the checks of `genie discover` are run on the node as it would be: where
    pods would not start, nothing is changed and the exit code is 1.
    Each file is replaced by rename, the configuration last. Running it again changes nothing, or upgrades. Keys that
    were added to 00-genie.conflist by hand are kept.
    Where CRI-O reads the directory, the other networks' files are moved to /etc/cni/genie/net.d, since CRI-O would
    release their pods' addresses when it starts: the command asks first, or takes --yes.
    """
    if flags.from_daemonset and not flags.dry_run:
        return _keep(flags)
    _require_together(flags)
    wanted = _wanted(flags, place(flags.bin_dir, flags.conf_dir, Root()))
    try:
        report = _install(wanted, dry_run=flags.dry_run)
    except NeedsConsent as question:
        if not terminal.can_ask() or not _agreed(question):
            raise
        report = _install(replace(wanted, move=True), dry_run=flags.dry_run)
    for warning in report.warnings:
        render.note(f"warning: {warning}")
    render.emit(report, flags.output, _view, lambda report: map(str, report.changed))
    return 0


def _require_together(flags: Flags) -> None:
    """Raise WrongUsage for credentials that would be left out."""
    if flags.api_server and flags.kubeconfig:
        raise WrongUsage("--kubeconfig and --api-server exclude each other: each names the API server")
    unused = "--token-file" if flags.token_file else "--ca-file" if flags.ca_file else ""
    if unused and not (flags.api_server or flags.from_daemonset):
        raise WrongUsage(
            f"{unused} needs --api-server", hint="--api-server https://HOST:6443 names the server"
        )


def _wanted(flags: Flags, placement: Placement | None) -> InstallOptions:
    """The options of the task; without a placement, which --from-daemonset looks up again at each look."""
    return InstallOptions(
        bin_dir=Path(placement.bin_dir) if placement else flags.bin_dir or Path(BIN_DIR),
        conf_dir=Path(placement.conf_dir) if placement else flags.conf_dir or Path(CONF_DIR),
        placement=placement,
        state_dir=flags.state_dir,
        kubeconfig=flags.kubeconfig,
        api_server=flags.api_server,
        token_file=flags.token_file,
        ca_file=flags.ca_file,
        python=flags.python,
        move=flags.yes,
        serve=flags.serve,
        extra=dict(options.parse_setting(pair, "KEY=VALUE") for pair in flags.settings),
    )


def _install(wanted: InstallOptions, *, dry_run: bool) -> InstallReport:
    with Progress() as progress:
        progress("compiling the plugin for this node's Python")
        return install(wanted, dry_run=dry_run)


def _agreed(question: NeedsConsent) -> bool:
    for source, target in question.moved.items():
        render.note(f"  {source} -> {target}")
    return typer.confirm("CRI-O would release running pods' addresses of these. Move them?", err=True)


def _keep(flags: Flags) -> int:
    """Keep the plugin installed until SIGTERM, and answer kubelet's probes."""
    wanted = _wanted(flags, None)
    in_pod = replace(
        wanted,
        api_server=wanted.api_server or in_cluster_server(),
        token_file=wanted.token_file or TOKEN_FILE,
        ca_file=wanted.ca_file or CA_FILE,
        from_daemonset=True,
    )
    kept = KeepOptions(
        install=in_pod,
        locate=partial(locate, flags.bin_dir, flags.conf_dir),
        account=_parse_account(flags.service_account),
        token_seconds=flags.token_life,
        node=os.environ.get("NODE_NAME", ""),  # the DaemonSet sets it (fieldRef spec.nodeName)
    )
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    keeper = Keeper(options=kept, log=JSONLog())
    if not kept.node:
        keeper.log.warning("the token is bound to no node: NODE_NAME is not set")
    try:
        with serve(
            *options.host_and_port(flags.health), {"/readyz": keeper.readiness, "/livez": keeper.liveness}
        ):
            keep(keeper, stop)
    except IOFailure:
        keeper.look()  # the node has its plugin even where health cannot be served
        raise
    return 0


def _parse_account(text: str) -> tuple[str, str]:
    namespace, slash, name = text.partition("/")
    if not (slash and is_label(namespace) and is_subdomain(name)):
        raise WrongUsage(
            f"--service-account {text!r}: expected NAMESPACE/NAME", hint="as in kube-system/genie"
        )
    return namespace, name


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
                (verb, written or "nothing: it is already installed"),
                *(
                    (("would move" if report.dry_run else "moved"), f"{source} to {target}")
                    for source, target in report.moved.items()
                ),
            ]
        )
    ]
