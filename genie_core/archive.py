"""The plugin's modules in one file. Looking for forty modules in directories, one by one, would add 2 ms to an ADD.

`genie install` writes the file (genie_core/packing.py) with the interpreter that will run the plugin. Without it, or
where it is damaged or another version of the interpreter wrote it, the modules are imported as usual, from the sources
and .pyc files beside it.

    8 bytes: the length of the head
    the head: marshal of (the interpreter's magic number, {module name: (place, length)}, [length of each layer])
    the layers, each as marshal of [(module name, code), ...], in the order in which they can be run
    the code of every module, each as marshal; places are counted from the end of the head

A layer is what every call of a verb imports. Its modules are imported without importlib, which takes 1 ms for forty.
What else a call imports comes from the file one by one.
"""

import gc
import marshal
import posix
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType

NAME = "modules.marshal"
WORD = 8
HEAD = 16 << 10  # a head is shorter
LAYERS = ("plugin", "verbs.delete", "verbs.add")  # each with what it imports and the ones before it do not
_LAYERS_OF = {b"DEL": 2, b"ADD": 3}  # how many of them a call loads at once; any other verb the first
_MODULE: "type[ModuleType]" = type(sys)
# What the runtime gets where the modules cannot be imported; the launcher's text prints it too.
INCOMPLETE = '{"cniVersion":"1.1.0","code":999,"msg":%s,"details":"run `genie install` again"}\n'


class Archive:
    """A finder and loader of the modules (importlib.abc.MetaPathFinder, importlib.abc.Loader).

    `fd` is the open file; places are counted from its byte `start`.
    """

    def __init__(self, fd: int, start: int, index: "dict[str, tuple[int, int]]") -> None:
        self._fd = fd
        self._start = start
        self._index = index

    def code(self, name: str) -> "CodeType | None":
        """A module's code; None for one that is not here, or cannot be read."""
        try:
            return self._read(*self._index[name])  # type: ignore[return-value]
        except (KeyError, OSError, ValueError, EOFError, TypeError):
            return None

    def layers(self, lengths: list[int]) -> "list[list[tuple[str, CodeType]]]":
        """The first layers, of these lengths. Raises EOFError, ValueError or TypeError where they cannot be read."""
        return [self._read(sum(lengths[:number]), length) for number, length in enumerate(lengths)]  # type: ignore[misc]

    def _read(self, place: int, length: int) -> object:
        return marshal.loads(posix.pread(self._fd, length, self._start + place))  # noqa: S302 (our own file)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The module's specification; None for one that is not here."""
        code = self.code(name)
        if code is None:
            return None
        spec = self._spec(name, code)
        spec.loader_state = code
        spec.has_location = True
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """The usual kind."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run the module's code."""
        exec(module.__spec__.loader_state, module.__dict__)  # type: ignore[union-attr]  # noqa: S102

    def load(self, layer: "list[tuple[str, CodeType]]") -> None:
        """Import a layer's modules, as importlib would. One that fails is no module, those before it are."""
        for name, code in layer:
            if name in sys.modules:
                continue
            spec = self._spec(name, code)
            module = sys.modules[name] = _MODULE(name)
            module.__spec__ = spec
            module.__loader__ = self  # type: ignore[assignment]  # a loader by its methods
            module.__file__ = spec.origin
            module.__package__ = spec.parent
            if spec.submodule_search_locations is not None:
                module.__path__ = spec.submodule_search_locations
            try:
                exec(code, module.__dict__)  # noqa: S102
            except BaseException:
                del sys.modules[name]
                raise
            package, _, own = name.rpartition(".")
            if package:
                setattr(sys.modules[package], own, module)

    def _spec(self, name: str, code: "CodeType") -> ModuleSpec:
        file = code.co_filename
        folder, _, own = file.rpartition("/")
        spec = ModuleSpec(name, self, origin=file)  # type: ignore[arg-type]
        if own == "__init__.py":
            spec.submodule_search_locations = [folder]
        return spec


def serve(directory: str) -> None:
    """Import the package's modules from the archive in `directory`, if there is one that can be read.

    Those that a call of this verb needs in any case are imported now. The cyclic garbage collector is switched off: it
    takes 0.4 ms of the imports, and the process ends soon.
    """
    gc.disable()
    try:
        fd = _open(f"{directory}/{NAME}")
        data = posix.read(fd, HEAD)
        magic, index, lengths = marshal.loads(data[WORD:])  # noqa: S302 (our own file)
        if magic != MAGIC_NUMBER:
            return
        archive = Archive(fd, WORD + int.from_bytes(data[:WORD], "little"), index)
        layers = archive.layers(lengths[: _LAYERS_OF.get(posix.environ.get(b"CNI_COMMAND", b""), 1)])
    except (OSError, ValueError, EOFError, TypeError):
        return
    sys.meta_path.insert(0, archive)
    for layer in layers:
        archive.load(layer)


def _open(path: str) -> int:
    """A descriptor behind the standard ones, also where the caller closed some of them: they stay closed."""
    fds = [posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)]
    while fds[-1] <= 2:
        fds.append(posix.dup(fds[-1]))
    for low in fds[:-1]:
        posix.close(low)
    return fds[-1]


def _name(name: bytes) -> None:
    """Give the process a name in ps(1): kernels before 6.14 name one that execveat(2) starts by a descriptor."""
    try:
        fd = posix.open("/proc/self/comm", posix.O_WRONLY | posix.O_CLOEXEC)
        posix.write(fd, name)
        posix.close(fd)
    except OSError:
        return


def start(file: str, own: str) -> None:
    """Run the plugin, whose binary is `own`, from the directory of `file`, which has this module's code."""
    sys.dont_write_bytecode = True
    directory = file.rpartition("/")[0]
    sys.path.insert(0, directory)
    try:
        _name(b"genie")
        serve(directory)
        from genie_core.plugin import main
    except BaseException as error:  # noqa: BLE001 (the runtime reads JSON, whatever is broken)
        from _json import encode_basestring_ascii as quote

        problem = quote(f"Genie is not installed completely: {str(error) or type(error).__name__}")
        posix.write(1, (INCOMPLETE % problem).encode())
        posix._exit(1)  # noqa: SLF001 (the name of exit(2))
    main(own)


if __name__ == "__main__":  # the native launcher has Python run the compiled file
    start(*sys.argv)
