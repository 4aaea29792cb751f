"""The native launcher: `launcher.c`, compiled where there is a compiler, and what is written into the compiled file.

`build` is called where Genie is installed from its sources (hatch_build.py), so that a wheel and the image have the
program. Without it `genie install` installs the launcher that starts Python, as always.

The program has no configuration file to read, since it is faster so and cannot be separated from it. Its settings are
texts at a fixed distance from a mark in the file.
"""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from struct import Struct
from typing import NamedTuple

SOURCE = Path(__file__).with_name("launcher.c")
_MARK = b"GENIE-LAUNCHER3\0"  # counts the layouts of `struct settings` and the protocols
# Field -> its size in bytes, in the order of `struct settings`, after the mark.
_SIZES = {
    "about": 640,
    "build": 128,
    "python": 512,
    "start": 512,
    "socket": 108,
    "counters": 116,
    "own": 512,
    "compiled": 512,
}
_ELF = b"\x7fELF"
_STAMP = Struct("=4Q")  # comes after the texts
_COMPILE = ("-std=gnu11", "-Os", "-Wall", "-Wextra", "-s", "-static", "-no-pie", "-fno-pic")
_WITHOUT_LIBRARY = ("-nostdlib", "-nostartfiles", "-ffreestanding", "-fno-builtin", "-fno-stack-protector")
_SMALL = ("-Wl,--build-id=none", "-Wl,-z,noseparate-code")


class Settings(NamedTuple):
    """What is in a launcher: a line that describes it, the installed code, the interpreter, the server's files.

    `compiled` is the file that the interpreter runs if it still has this `stamp`, and else `start`.
    """

    about: str
    build: str
    python: str
    start: str
    socket: str
    counters: str
    own: str
    compiled: str
    stamp: bytes


def program() -> Path:
    """Where the program for this machine is, if it was compiled."""
    return SOURCE.with_name(f"launcher-{platform.machine()}")


def build(compiler: str = "cc") -> str:
    """Compile it; the reason why that was not possible, "" on success."""
    target = program()
    new = target.with_name(f"{target.name}.new")
    try:
        done = subprocess.run(
            [compiler, *_COMPILE, *_WITHOUT_LIBRARY, *_SMALL, "-o", new, SOURCE],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        return f"{compiler}: {error.strerror}"
    if done.returncode:
        new.unlink(missing_ok=True)
        return f"{compiler}: {done.stderr.strip()[:500]}"
    new.replace(target)
    return ""


def stamp_of(python: Path) -> bytes:
    """What changes when the interpreter is replaced, as in `struct settings`.

    Zeros, which no file has, where it does not exist, and for a script: it can start another version tomorrow.
    """
    try:
        with python.open("rb") as file:
            found, is_program = os.fstat(file.fileno()), file.read(len(_ELF)) == _ELF
    except OSError:
        return bytes(_STAMP.size)
    if not is_program:
        return bytes(_STAMP.size)
    return _STAMP.pack(found.st_ino, found.st_size, *divmod(found.st_ctime_ns, 10**9))


def with_settings(data: bytes, settings: Settings) -> bytes:
    """The program with these settings. Raises ValueError for one that is too long, or that is no launcher."""
    at = data.find(_MARK) + len(_MARK) if data.startswith(_ELF) and _MARK in data else 0
    if not at:
        raise ValueError("it is no native launcher")
    texts = []
    for name, size in _SIZES.items():
        value = getattr(settings, name)
        text = value.encode("utf-8", "surrogateescape")
        if len(text) >= size:
            raise ValueError(f"{name} is longer than {size - 1} bytes: {value}")
        texts.append(text.ljust(size, b"\0"))
    written = b"".join(texts) + settings.stamp
    return data[:at] + written + data[at + len(written) :]
