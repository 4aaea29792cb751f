"""Whether the files and sockets are there that the plugins of the configurations open in ADD."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from genie_core.catalog import of_type
from genie_core.survey.facts import ConfFile, Opened
from genie_core.survey.rootfs import Root

SECONDS = 0.5


def opened(files: Sequence[ConfFile], root: Root) -> list[Opened]:
    """One for each path that a plugin of a usable configuration opens."""
    return [one for file in files if file.network and not file.ignored for one in _of_file(file, root)]


def _of_file(file: ConfFile, root: Root) -> Iterator[Opened]:
    for index, entry in enumerate(file.chain):
        where = file.where(index)
        parts: list[tuple[str, Any]] = [
            (where, entry),
            (f"{where}.ipam" if where else "ipam", entry.get("ipam")),
        ]
        for place, part in parts:
            if isinstance(part, Mapping) and part.get("type"):
                yield from _of_plugin(file, place, part, root)


def _of_plugin(file: ConfFile, place: str, part: Mapping[str, Any], root: Root) -> Iterator[Opened]:
    plugin = of_type(str(part["type"]))
    for field in plugin.fields if plugin else ():
        path = part.get(field.name) or field.default
        if field.opens and isinstance(path, str) and path.startswith("/"):
            look = _socket if field.opens == "socket" else _file
            yield Opened(
                conf=file.path, type=str(part["type"]), where=f"{place}.{field.name}".lstrip("."), path=path,
                kind=field.opens, problem=look(path, root),
            )  # fmt: skip


def _file(path: str, root: Root) -> str:
    return "" if root.exists(path) else "does not exist"


def _socket(path: str, root: Root) -> str:
    """A connection is made and closed: a socket that remains of an ended daemon refuses it."""
    real = root.real(path)
    try:
        if not stat.S_ISSOCK(os.stat(real).st_mode):
            return "is no socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(SECONDS)
            sock.connect(real)
    except FileNotFoundError:
        return "does not exist"
    except ConnectionRefusedError:
        return "has no daemon behind it"
    except OSError:
        return ""  # not allowed, or busy: nothing is known
    return ""
