"""`genie install`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from genie_cli import options, render
from genie_cli.options import OutputFormat
from genie_core.errors import GenieError
from genie_core.settings import BIN_DIRS, CONF_DIRS
from genie_core.tasks.install import InstallOptions, InstallReport, install

EXAMPLES = [
    ("install where kubelet looks", "genie install"),
    (
        "with a kubeconfig, for nodes whose runtime passes no annotations",
        "genie install --kubeconfig /etc/cni/genie/kubeconfig",
    ),
    (
        "with a service account's token",
        "genie install --api-server https://10.0.0.1:6443 --token-file T --ca-file CA",
    ),
    ("pin the network of pods that name none", "genie install --set default_plugin=canal"),
]


def run(
    bin_dir: Annotated[
        Path, typer.Option("--bin-dir", metavar="DIR", help="Where the runtime looks for plugins.")
    ] = Path(BIN_DIRS[0]),
    conf_dir: Annotated[
        Path, typer.Option("--conf-dir", metavar="DIR", help="Where the runtime looks for configurations.")
    ] = Path(CONF_DIRS[0]),
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
    output: options.Output = OutputFormat.TABLE,
) -> int:
    """Puts the plugin and its configuration in place, or upgrades them, while pods come and go.

    Files are exchanged as a whole, the configuration last. Running it again changes nothing. What was added to
    00-genie.conflist by hand stays.
    """
    report = install(
        InstallOptions(
            bin_dir=bin_dir.absolute(),
            conf_dir=conf_dir.absolute(),
            state_dir=_absolute(state_dir),
            kubeconfig=_absolute(kubeconfig),
            api_server=api_server,
            token_file=_absolute(token_file),
            ca_file=_absolute(ca_file),
            python=python,
            extra=_parse_settings(settings or []),
        )
    )
    for warning in report.warnings:
        render.note(f"warning: {warning}")
    render.emit(report, output, _view)
    return 0


def _absolute(path: Path | None) -> Path | None:
    return path.absolute() if path else None


def _parse_settings(pairs: Sequence[str]) -> dict[str, Any]:
    parsed: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise GenieError(
                f"--set {pair!r}: expected KEY=VALUE", hint="as in --set log_level=debug", exit_code=2
            )
        try:
            parsed[key] = json.loads(text)
        except ValueError:
            parsed[key] = text
    return parsed


def _view(report: InstallReport, wide: bool) -> list[render.Block]:
    written = ", ".join(path.name for path in report.changed)
    return [
        render.Fields(
            [
                ("plugin", str(report.launcher)),
                ("configuration", str(report.conflist)),
                ("code", str(report.code)),
                ("python", str(report.python)),
                ("written", written or "nothing: it was installed already"),
            ]
        )
    ]
