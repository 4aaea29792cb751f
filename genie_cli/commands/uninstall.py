"""`genie uninstall`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genie_cli import options, render
from genie_cli.flags import switch
from genie_cli.options import path_flag
from genie_cli.progress import Progress
from genie_core.errors import EXIT_INCOMPLETE
from genie_core.fields import counted
from genie_core.tasks.uninstall import UninstallOptions, UninstallReport, remove_own_python, uninstall

EXAMPLES = [
    ("see what would be removed", "genie uninstall --dry-run"),
    ("take the plugin off this node", "genie uninstall"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(options.Report, UninstallOptions):
    """The options of the task."""

    bin_dir: Path | None = path_flag("--bin-dir DIR", "Where the plugin is. Default: where it was installed.")
    conf_dir: Path | None = path_flag(
        "--conf-dir DIR", "Where its configuration is. Default: where it was installed."
    )
    state_dir: Path | None = path_flag(
        "--state-dir DIR", "Where its state is, if the configuration does not say."
    )
    force: bool = switch("--force", "Also if the node is left without any network configuration.")
    dry_run: bool = switch("--dry-run", "Only list what would be removed.")


def run(flags: Flags) -> int:
    """Removes the plugin from the node, in an order that leaves pods with a network.

    It removes what `genie install` wrote, in any directory. Directories that are given have to belong together: a
    plugin that another configuration still calls is not removed.
    The configuration goes first: new pods get the next network in that directory. The plugin itself stays as long
    as containers are recorded, since their release needs it; run the command again when they are gone. Exit code 5
    means that something is not removed yet.
    """
    with Progress() as progress:
        progress("waiting for calls of the plugin to end")
        report = uninstall(flags)
    render.emit(report, flags.output, _view, lambda report: map(str, report.removed))
    if report.complete:
        remove_own_python(dry_run=flags.dry_run)
    return 0 if report.complete else EXIT_INCOMPLETE


def _view(report: UninstallReport, wide: bool) -> list[render.Block]:
    would = "would be " if report.dry_run else ""
    fields = [(f"{would}removed", ", ".join(map(str, report.removed)) or "nothing")]
    if report.restored:
        fields.append((f"{would}restored", ", ".join(map(str, report.restored))))
    if report.released:
        number = counted(len(report.released), "container that was", "containers that were")
        fields.append((f"{would}released", f"{number} gone"))
    blocks: list[render.Block] = [render.Fields(fields)]
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
    if report.repeated:
        blocks.append(render.Text(_repeated(report), tone="warn"))
    return blocks


def _repeated(report: UninstallReport) -> str:
    """What happens when pods end that the runtime's next network has not attached."""
    names = ", ".join(report.repeated[:5]) + (" ..." if len(report.repeated) > 5 else "")
    count = counted(len(report.repeated), "container has", "containers have")
    when = "From then on" if report.dry_run else "From now on"
    return (
        f"{when} the runtime calls DEL of network {report.next_network!r} for every pod; {count} another one "
        f"({names}). Where that network masquerades, its plugin fails once for each when it ends: an event "
        "FailedKillPod, which kubelet repeats with success. To avoid it, delete these pods before."
    )
