"""The files of an installation whose calls go to `genie serve`.

    <bin-dir>/genie         the native launcher (genie_core/native)
    <bin-dir>/.genie/start  the launcher that starts Python; the native one becomes it where no server answers
    <bin-dir>/.genie/serve  starts the server

The launcher is written last: what it names is there. A server of another build refuses its calls, and is run again by
itself once `serve` has been replaced.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import NoReturn

from genie_core import __version__, native, packing
from genie_core.errors import Denied, InvalidConfig
from genie_core.server import COUNTERS, SOCKET
from genie_core.survey.launcher import run_dir_of
from genie_core.tasks.host_namespaces import enter
from genie_core.tasks.install.conflist import TYPE, InstallOptions
from genie_core.tasks.install.launcher import launcher_text, server_text
from genie_core.tasks.install.record import CODE, START
from genie_core.tasks.uninstall import plugin_dir

SERVE = "serve"
PROGRAMS = (START, SERVE, TYPE)


def is_wanted(options: InstallOptions) -> bool:
    """Whether the native launcher is to be installed: as the options say, else where it is installed now."""
    if options.serve is None:
        return bool(run_dir_of(options.bin_dir / TYPE)) and native.program().exists()
    return options.serve


def launcher_files(options: InstallOptions, python: Path, code: Path) -> list[tuple[Path, bytes, int]]:
    """Path, content and mode of each file, in the order of writing.

    Raises InvalidConfig where the native launcher is asked for and was not compiled, or has no room for a path.
    """
    launcher = options.bin_dir / TYPE
    text = launcher_text(python, code, launcher).encode()
    if not is_wanted(options):
        return [(launcher, text, 0o755)]
    start, serve = launcher.parent / CODE / START, launcher.parent / CODE / SERVE
    return [
        (start, text, 0o755),
        (serve, server_text(python, code, launcher, options.run_dir, serve).encode(), 0o755),
        (launcher, native_launcher(python, code, start, launcher, options.run_dir), 0o755),
    ]


def native_launcher(python: Path, code: Path, start: Path, launcher: Path, run_dir: Path) -> bytes:
    """The native launcher for this code. Raises InvalidConfig as `launcher_files` does."""
    try:
        program = native.program().read_bytes()
    except FileNotFoundError:
        raise InvalidConfig(
            f"there is no native launcher for {platform.machine()}: Genie was built without a C compiler",
            hint="install without --serve, or build Genie where `cc` is",
        ) from None
    try:
        return native.with_settings(
            program,
            native.Settings(
                about=f"Genie {__version__}, the CNI plugin, run by {python}\n",
                build=code.name,
                python=str(python),
                start=str(start),
                socket=str(run_dir / SOCKET),
                counters=str(run_dir / COUNTERS),
                own=str(launcher),
                compiled=str(code / packing.START),
                stamp=native.stamp_of(python),
            ),
        )
    except ValueError as error:
        raise InvalidConfig(f"the native launcher has no room: {error}") from None


def serve(bin_dir: Path | None, host_pid: int) -> NoReturn:
    """Become the server of the plugin in `bin_dir`; None: where it is installed.

    With `host_pid` it runs in the namespaces of that process, and its calls in that process's control groups. Raises
    InvalidConfig where no server is installed, Denied without the rights.
    """
    words = []
    if host_pid:
        words = [str(host_pid)]
        try:
            enter(host_pid)
        except OSError as error:
            raise Denied(
                f"cannot enter the namespaces of process {host_pid}: {error.strerror}",
                hint="run it as root, in a pod with hostPID",
            ) from None
    folder = bin_dir or plugin_dir()
    program = folder / CODE / SERVE
    try:
        os.execv(program, [str(program), *words])  # noqa: S606 (this process becomes it)
    except FileNotFoundError:
        raise InvalidConfig(
            f"the plugin in {folder} is not installed for a server: {program} does not exist",
            hint="run `genie install --serve`",
        ) from None
    except OSError as error:
        raise Denied(f"cannot run {program}: {error.strerror}", hint="run it as root") from None
