"""The plugin's modules in one file. Looking for forty modules in directories, one by one, would add 2 ms to an ADD.

`pack` is run by `genie install` with the interpreter that will run the plugin; `serve` by the launcher. Without
the file, or where another version of the interpreter wrote it, the modules are imported as usual, from the sources
and .pyc files beside it.

    marshal of (the interpreter's magic number, {module name: (is a package, its file, its code as marshal)})
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


class Archive:
    """A finder and loader of the modules (importlib.abc.MetaPathFinder, importlib.abc.Loader)."""

    def __init__(self, modules: "dict[str, tuple[bool, str, bytes]]") -> None:
        self._modules = modules

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
        exec(marshal.loads(self._modules[module.__name__][2]), module.__dict__)  # noqa: S102, S302 (our own file)


def serve(directory: str) -> None:
    """Import the package's modules from the archive in `directory`, if there is one that can be read.

    The cyclic garbage collector is switched off: it takes 0.4 ms of the imports, and the process ends soon.
    """
    gc.disable()
    try:
        fd = posix.open(f"{directory}/{NAME}", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return
    try:
        data = posix.read(fd, posix.fstat(fd).st_size)
    finally:
        posix.close(fd)
    try:
        magic, modules = marshal.loads(data)  # noqa: S302 (our own file)
    except (ValueError, EOFError, TypeError):
        return
    if magic == MAGIC_NUMBER:
        sys.meta_path.insert(0, Archive(modules))


def pack(directory: str, final: str) -> None:
    """Write the archive of `directory`, which will be called `final`, with this interpreter."""
    import os

    modules = {}
    for folder, _, files in os.walk(f"{directory}/{_PACKAGE}"):
        for file in sorted(files):
            path = os.path.join(folder, file)
            if not file.endswith(".py"):
                continue
            name = os.path.relpath(path, directory)[:-3].replace("/", ".")
            shown = path.replace(directory, final, 1)
            with open(path, encoding="utf-8") as source:
                code = compile(source.read(), shown, "exec", dont_inherit=True, optimize=2)
            package = name.endswith(".__init__")
            modules[name.removesuffix(".__init__")] = (package, shown, marshal.dumps(code))
    with open(f"{directory}/{NAME}", "wb") as archive:
        archive.write(marshal.dumps((MAGIC_NUMBER, modules)))
