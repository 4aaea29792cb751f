"""`genie serve`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from genie_cli import options
from genie_cli.flags import flag
from genie_cli.options import path_flag
from genie_core.tasks.install.native_files import serve

EXAMPLES = [
    ("serve the calls of the plugin that genie install --serve has installed", "genie serve"),
    ("in a pod with hostPID, for the plugin on the node", "genie serve --host-pid 1"),
]


@dataclass(frozen=True, kw_only=True)
class Flags:
    """The installation whose calls are served, and where they run."""

    bin_dir: Path | None = path_flag("--bin-dir DIR", "Where the plugin is installed. Default: as recorded.")
    host_pid: int = flag(
        "--host-pid NUMBER",
        "Serve in the namespaces of this process, with calls in its control groups: 1 in a pod with hostPID.",
        options.NODE,
        default=0,
        min=0,
        show_default=False,
    )


def run(flags: Flags) -> int:
    """Runs the plugin's calls on this node in a process that is already started.

    A call that starts Python spends most of its time with that. The launcher that `genie install --serve` installs
    hands each call over to this server, which forks a process for it, with the caller's environment, standard
    descriptors, directory, limits and rights. It listens on /run/genie/plugin.sock, for root alone.
    Calls do not depend on it. Where it does not run, is of another version, or sees the node differently from the
    caller, the launcher starts Python as without it. It may be ended and started at any moment.
    `genie discover` shows how many calls were served, and why others were not. It runs until it is stopped.
    """
    serve(flags.bin_dir, flags.host_pid)
