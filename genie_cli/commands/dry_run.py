"""`genie dry-run`."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from genie_cli import options, wiring
from genie_cli.options import NODE, OutputFormat
from genie_cli.progress import Progress
from genie_cli.render import emit
from genie_cli.views.dry_run import view
from genie_core.errors import EXIT_USAGE, GenieError
from genie_core.select.annotations import CNI
from genie_core.tasks.dry_run import Question, dry_run

EXAMPLES = [
    ("two networks for one pod, the second as interface net1", "genie dry-run --cni 'bridge,macvlan@net1'"),
    ("what a pod without annotations gets", "genie dry-run"),
    ("try a configuration before it goes to a node", "genie dry-run --cni blue --conf blue.conflist"),
    ("with plugins from elsewhere, for a script", "genie dry-run --cni ptp --bin-dir ~/cni -o json"),
]


class Verb(StrEnum):
    """How far to go."""

    CYCLE = "cycle"
    ADD = "add"


def run(
    cni: Annotated[
        str | None,
        typer.Option("--cni", metavar="NETWORKS", help="Networks by name: the pod's annotation `cni`."),
    ] = None,
    annotation: Annotated[
        list[str] | None,
        typer.Option(
            "--annotation", "-a", metavar="KEY=VALUE", help="Another annotation of the pod; may be repeated."
        ),
    ] = None,
    verb: Annotated[
        Verb, typer.Option("--verb", help="Attach, check and release the pod, or only attach it.")
    ] = Verb.CYCLE,
    samples: Annotated[
        bool | None,
        typer.Option(
            "--samples/--no-samples",
            help="Make up configurations for bridge, macvlan and ptp. Default: only where the node has none at all.",
            show_default=False,
        ),
    ] = None,
    conf: Annotated[
        list[str] | None,
        typer.Option(
            "--conf",
            "-f",
            metavar="FILE",
            help="One more configuration file, - for stdin.",
            rich_help_panel=NODE,
        ),
    ] = None,
    conf_dir: options.ConfDirs = None,
    bin_dir: options.BinDirs = None,
    timeout: options.Timeout = 60.0,
    output: options.Output = OutputFormat.TABLE,
) -> int:
    """Shows what a pod would get: the plan, each plugin's run, the pod's interfaces, and what DEL leaves.

    The real plugins run with the real configuration, in a private copy of the node: namespaces of its own with
    an uplink eth0, and leases and state in memory. Nothing on the node changes. It needs no root.

    The exit code is 0 if the pod was attached and nothing was left after its release, 1 if not, 124 if the time
    was up.
    """
    conf_dirs, bin_dirs = wiring.conf_dirs(conf_dir), wiring.bin_dirs(bin_dir)
    question = Question(
        annotations=_annotations(cni, annotation or []),
        conf_dirs=conf_dirs,
        conf_files=dict(_conf_file(name) for name in conf or []),
        bin_dirs=bin_dirs,
        samples="auto" if samples is None else "always" if samples else "never",
        verb="add" if verb is Verb.ADD else "cycle",
        timeout=timeout,
    )
    with Progress() as progress, wiring.private_node(conf_dirs, bin_dirs) as node:
        report = dry_run(question, node, progress)
    emit(report, output, view)
    return report.exit_code


def _annotations(cni: str | None, others: list[str]) -> dict[str, str]:
    found = {} if cni is None else {CNI: cni}
    for text in others:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise GenieError(f"--annotation {text!r} is not KEY=VALUE", exit_code=EXIT_USAGE)
        found[key] = value
    return found


def _conf_file(name: str) -> tuple[str, str]:
    """The name that a configuration gets in the node's directory, and its text."""
    if name != "-":
        try:
            return Path(name).name, Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise GenieError(f"--conf {name}: {error}", exit_code=EXIT_USAGE) from None
    text = sys.stdin.read()
    try:
        is_list = "plugins" in json.loads(text)
    except ValueError:
        is_list = True  # the reader of configurations says what is wrong with it
    return ("stdin.conflist" if is_list else "stdin.conf"), text
