"""The plugin's modules in one file. Looking for forty modules in directories, one by one, would add 2 ms to an ADD.

`pack` is run by `genie install` with the interpreter that will run the plugin; `serve` by the launcher. Without
the file, or where another version of the interpreter wrote it, the modules are imported as usual, from the sources
and .pyc files beside it.

    8 bytes: the length of the index
    the index: marshal of (the interpreter's magic number, {module name: (is a package, its file, place, length)})
    the modules' code, each as marshal, at its place from the end of the index

A call reads the index, and of the code the half that it imports: reading all would take 0.7 ms more.
"""

import gc
import marshal
import posix
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

NAME = "modules.marshal"
_PACKAGE = "genie_core"
_WORD = 8
_UNCHECKED = 0b01  # of a .pyc file: it has a hash, which is not looked at
_USUAL = 32 << 10  # an index is shorter


class Archive:
    """A finder and loader of the modules (importlib.abc.MetaPathFinder, importlib.abc.Loader).

    `fd` is the open file, in which the code begins at `start`.
    """

    def __init__(self, modules: "dict[str, tuple[bool, str, int, int]]", fd: int, start: int) -> None:
        self._modules = modules
        self._fd = fd
        self._start = start

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The module's specification; None for one that is not here."""
        found = self._modules.get(name)
        if found is None:
            return None
        spec = ModuleSpec(name, self, origin=found[1], is_package=found[0])  # type: ignore[arg-type]  # a loader by its methods
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """The usual kind."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run the module's code."""
        _, _, place, length = self._modules[module.__name__]
        code = posix.pread(self._fd, length, self._start + place)
        exec(marshal.loads(code), module.__dict__)  # noqa: S102, S302 (our own file)


def serve(directory: str) -> None:
    """Import the package's modules from the archive in `directory`, if there is one that can be read.

    The cyclic garbage collector is switched off: it takes 0.4 ms of the imports, and the process ends soon.
    """
    gc.disable()
    try:
        fd = _open(f"{directory}/{NAME}")
        data = posix.read(fd, _WORD + _USUAL)
        length = int.from_bytes(data[:_WORD], "little")
        data += posix.pread(fd, max(_WORD + length - len(data), 0), len(data))
        magic, modules = marshal.loads(data[_WORD:])  # noqa: S302 (our own file)
    except (OSError, ValueError, EOFError, TypeError):
        return
    if magic == MAGIC_NUMBER:
        sys.meta_path.insert(0, Archive(modules, fd, _WORD + length))


def _open(path: str) -> int:
    """A descriptor behind the standard ones, also where the caller closed some of them: they stay closed."""
    fds = [posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)]
    while fds[-1] <= 2:
        fds.append(posix.dup(fds[-1]))
    for fd in fds[:-1]:
        posix.close(fd)
    return fds[-1]


def pack(directory: str, final: str) -> None:
    """Compile what is in `directory`, which will be called `final`, with this interpreter, without time stamps.

    The archive and the .pyc files have the same code.
    """
    import os

    modules = {}
    codes = bytearray()
    for folder, _, files in os.walk(directory):
        for file in sorted(files):
            if not file.endswith(".py"):
                continue
            path = os.path.join(folder, file)
            shown = path.replace(directory, final, 1)
            data = _compiled(path, shown)
            name = os.path.relpath(path, directory)[:-3].replace("/", ".")
            if name.startswith(f"{_PACKAGE}."):
                package = name.endswith(".__init__")
                modules[name.removesuffix(".__init__")] = (package, shown, len(codes), len(data))
                codes += data
    index = marshal.dumps((MAGIC_NUMBER, modules))
    with open(f"{directory}/{NAME}", "wb") as archive:
        archive.write(len(index).to_bytes(_WORD, "little") + index + codes)


def _compiled(path: str, shown: str) -> bytes:
    """A module's code as marshal, also written as its .pyc file, which is not compared with the source (PEP 552)."""
    import os
    from importlib.util import cache_from_source, source_hash

    with open(path, "rb") as file:
        source = file.read()
    data = marshal.dumps(compile(source, shown, "exec", dont_inherit=True, optimize=2))
    cached = cache_from_source(path, optimization="")
    os.makedirs(os.path.dirname(cached), exist_ok=True)
    with open(cached, "wb") as file:
        file.write(MAGIC_NUMBER + _UNCHECKED.to_bytes(4, "little") + source_hash(source) + data)
    return data
