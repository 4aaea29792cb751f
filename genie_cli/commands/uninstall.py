"""`genie uninstall`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from genie_cli import options, render
from genie_cli.options import OutputFormat
from genie_cli.progress import Progress
from genie_core.fields import counted
from genie_core.tasks.uninstall import UninstallOptions, UninstallReport, remove_own_python, uninstall

EXAMPLES = [
    ("see what would go", "genie uninstall --dry-run"),
    ("take the plugin off this node", "genie uninstall"),
]


def run(
    bin_dir: Annotated[
        Path | None,
        typer.Option(
            "--bin-dir", metavar="DIR", help="Where the plugin is. Default: where it was installed."
        ),
    ] = None,
    conf_dir: Annotated[
        Path | None,
        typer.Option(
            "--conf-dir", metavar="DIR", help="Where its configuration is. Default: where it was installed."
        ),
    ] = None,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            "--state-dir", metavar="DIR", help="Where its state is, if the configuration does not say."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also if the node is left without any network configuration.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    output: options.Output = OutputFormat.TABLE,
) -> int:
    """Takes the plugin off the node without locking anybody out.

    It removes what `genie install` wrote, wherever that was. Directories that are named have to belong together: the
    plugin of a configuration that stays is not removed.
    The configuration goes first: new pods get the next network in that directory. The plugin itself stays as long
    as containers are recorded, since their release needs it; run the command again when they are gone. Exit code 5
    says that something stays for now.
    """
    wanted = UninstallOptions(
        bin_dir=_absolute(bin_dir),
        conf_dir=_absolute(conf_dir),
        state_dir=_absolute(state_dir),
        force=force,
        dry_run=dry_run,
    )
    with Progress() as progress:
        progress("waiting for calls of the plugin to end")
        report = uninstall(wanted)
    render.emit(report, output, _view, lambda report: map(str, report.removed))
    if report.complete:
        remove_own_python(dry_run=dry_run)
    return 0 if report.complete else 5


def _absolute(path: Path | None) -> Path | None:
    return path.absolute() if path else None


def _view(report: UninstallReport, wide: bool) -> list[render.Block]:
    verb = "would be removed" if report.dry_run else "removed"
    blocks: list[render.Block] = [
        render.Fields(
            [
                (verb, ", ".join(map(str, report.removed)) or "nothing"),
                *([("restored", ", ".join(map(str, report.restored)))] if report.restored else []),
                (
                    "released",
                    f"{counted(len(report.released), 'container that was', 'containers that were')} gone",
                ),
            ]
        )
    ]
    blocks += [render.Text(f"not released: {problem}", tone="bad") for problem in report.problems]
    if report.attached:
        names = ", ".join(report.attached[:5]) + (" ..." if len(report.attached) > 5 else "")
        blocks.append(
            render.Text(
                f"The plugin stays: {counted(len(report.attached), 'container is', 'containers are')} still "
                f"attached ({names}). "
                "Run `genie uninstall` again once they are gone.",
                tone="warn",
            )
        )
    return blocks
