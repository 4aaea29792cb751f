"""The last good copies of the API objects that describe networks, for when the API server is unreachable (design 3).

    <state-dir>/objects/<kind>@<namespace>@<name>     one object as JSON, with when it was read
    <state-dir>/objects/.<process>                    one that is being written

Kept small, private, and believed only after the same checks as an answer of the server. Full, it gives up what
was not read for longest, half-written ones included: GC sweeps the others' folder, and these are written without
the node's lock. On the kubelet path.
"""

import posix
from time import time

from genie_core.edges.files import (
    failure,
    is_private_directory,
    make_private_directory,
    open_private,
    read_all,
    refuse_foreign_directory,
    refuse_open_way,
    remove,
    write_all,
)
from genie_core.edges.store import file_name, make_state_directory
from genie_core.errors import GenieError
from genie_core.jsontext import JSONError, decode, encode
from genie_core.select.definitions import RESOURCE_NAME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

MAX_OBJECT_BYTES = 256 << 10
MAX_OBJECTS = 1000
# A copy is read again with each pod that uses it. An older one is of a network that no pod of this node asked for, and
# that may have been taken away meanwhile; no outage of an API server that its nodes survive takes as long.
MAX_AGE_SECONDS = 7 * 24 * 3600.0
REFRESH_SECONDS = 300.0  # an unchanged object is not written again sooner


class ObjectCache:
    """Copies by kind, namespace and name; all three are checked names, never paths."""

    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir
        self._directory = f"{state_dir}/objects"

    def _path(self, kind: str, namespace: str, name: str) -> str:
        return f"{self._directory}/{file_name(f'{kind}@{namespace}', name)}"

    def keep(self, kind: str, namespace: str, name: str, definition: "Mapping[str, Any]") -> None:
        """Store a copy, if it is small enough. Raises GenieError where the disk refuses."""
        kept = {"spec": definition.get("spec"), "metadata": _metadata(definition)}
        text = encode({"read": int(time()), "object": kept})
        path = self._path(kind, namespace, name)
        if len(text) > MAX_OBJECT_BYTES or self._is_fresh(path, kept):
            return
        make_state_directory(self._state_dir)
        if not is_private_directory(self._directory):
            make_private_directory(self._directory)
        self._make_room()
        temporary = f"{self._directory}/.{posix.getpid()}"
        try:
            fd = open_private(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC)
            try:
                write_all(fd, text)
            finally:
                posix.close(fd)
            posix.rename(temporary, path)
        except OSError as error:
            remove(temporary)
            raise failure("keep a copy in", path, error) from None

    def _make_room(self) -> None:
        """Remove the oldest copies where there are too many."""
        names = posix.listdir(self._directory)
        if len(names) < MAX_OBJECTS:
            return
        paths = [f"{self._directory}/{name}" for name in names]
        paths.sort(key=_modified)
        for path in paths[: len(paths) - MAX_OBJECTS + 1]:
            remove(path)

    def _is_fresh(self, path: str, now: "Mapping[str, Any]") -> bool:
        found = self._read(path)
        if found is None:
            return False
        read, kept = found
        return abs(time() - read) < REFRESH_SECONDS and kept == now

    def find(self, kind: str, namespace: str, name: str) -> "tuple[float, Mapping[str, Any]] | None":
        """The copy's age in seconds and the copy; None where there is none that can be believed, or it is too old."""
        found = self._read(self._path(kind, namespace, name))
        if found is None or not time() - found[0] <= MAX_AGE_SECONDS:
            return None
        return max(0.0, time() - found[0]), found[1]

    def kept(self, kind: str) -> "Iterator[Mapping[str, Any]]":
        """Every copy of this kind that can be believed, by file name."""
        try:
            names = sorted(posix.listdir(self._directory))
        except OSError:
            return
        for name in names:
            found = self._read(f"{self._directory}/{name}") if name.startswith(f"{kind}@") else None
            if found:
                yield found[1]

    def _read(self, path: str) -> "tuple[float, Mapping[str, Any]] | None":
        try:
            posix.lstat(path)
            refuse_open_way(self._directory)
            for directory in (self._state_dir, self._directory):
                refuse_foreign_directory(directory)
            fd = open_private(path, posix.O_RDONLY)
        except (OSError, GenieError):
            return None
        try:
            document = decode(read_all(fd).decode("utf-8", "replace"))
            read, definition = document["read"], document["object"]
            return (float(read), definition) if isinstance(definition, dict) else None
        except (OSError, JSONError, KeyError, TypeError, ValueError):
            return None
        finally:
            posix.close(fd)

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """Remove the copy: the server says that the object does not exist."""
        remove(self._path(kind, namespace, name))


def _modified(path: str) -> float:
    try:
        return posix.lstat(path).st_mtime
    except OSError:
        return 0.0  # another call removed it


def _metadata(definition: "Mapping[str, Any]") -> "dict[str, Any]":
    """What Genie reads of it: the names, and which resource the network's devices are of."""
    metadata = definition.get("metadata")
    if not isinstance(metadata, dict):
        return {}
    annotations = metadata.get("annotations")
    resource = annotations.get(RESOURCE_NAME) if isinstance(annotations, dict) else None
    named = {key: metadata.get(key) for key in ("name", "namespace")}
    return named | ({"annotations": {RESOURCE_NAME: resource}} if resource else {})
