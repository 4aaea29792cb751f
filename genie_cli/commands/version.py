"""`genie version`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from genie_cli import options
from genie_cli.options import dir_flag
from genie_cli.render import Block, Fields, emit
from genie_core.tasks.uninstall import plugin_dir
from genie_core.tasks.version import VersionReport, version

EXAMPLES = [
    ("what this is, and what is installed on this node", "genie version"),
    ("for a script", "genie version -o json"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(options.Report):
    """Where the plugin is."""

    bin_dir: str = dir_flag("--bin-dir", "Where the plugin is. Default: where it was installed.")


def run(flags: Flags) -> int:
    """Shows the versions of this command, of the plugin on this node, of Python, the kernel and the specification."""
    report = version(flags.bin_dir or str(plugin_dir()))
    emit(report, flags.output, _view, lambda report: [report.client])
    return 0


def _view(report: VersionReport, wide: bool) -> Iterator[Block]:
    plugin = f"{report.plugin} ({report.plugin_path})" if report.plugin else "not installed"
    commit = f" ({report.commit if wide else report.commit[:12]})" if report.commit else ""
    yield Fields(
        [
            ("genie", report.client + commit),
            ("plugin", plugin),
            ("CNI", ", ".join(report.spec_versions)),
            ("Python", report.python),
            ("kernel", report.kernel),
        ],
        indent=0,
    )
