"""The part of this package that the plugin needs, as files for the node.

What belongs to it is found, not listed: everything that `genie_core.plugin` imports, and the modules that are imported
by name (verbs, dialects), followed through the package's own imports, also those inside functions. PyYAML's pure Python
is included, for kubeconfigs written by people: the plugin runs without site-packages.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = ("packing", "plugin", "server/pool")  # what `genie install`, the launcher and `genie serve` import
BY_NAME = ("verbs", "select")  # whose modules are imported by name
SEAL = "sealed"
# The imports of this package, as the formatter writes them; a syntax tree would take twenty times as long.
_IMPORT = re.compile(rf"^ *from ({ROOT.name}[\w.]*) import (?:\(([^)]*)\)|(.+))$", re.MULTILINE)
_FOR_TYPES = re.compile(r"^( *)if TYPE_CHECKING:\n(?:\1 +.*\n|\n)+", re.MULTILINE)
_COMMENT = re.compile(r"#.*")


@cache
def plugin_files() -> dict[str, Path]:
    """Path inside the bundle -> the file to copy. Found once per process: it reads them all."""
    files = {f"genie_core/{path.relative_to(ROOT)}": path for path in _closure()}
    return files | {f"yaml/{path.name}": path for path in _yaml_files()}


def digest(files: dict[str, Path]) -> str:
    """Twelve hexadecimal digits that stand for the files' names and contents."""
    return _digest(tuple((name, path, version_of(path)) for name, path in sorted(files.items())))


def version_of(path: Path) -> tuple[int, ...]:
    """A value that changes when a file is written or replaced. Raises OSError where it does not exist."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@lru_cache(maxsize=8)
def _digest(files: tuple[tuple[str, Path, tuple[int, ...]], ...]) -> str:
    """The same, cached by the files' stamps: the DaemonSet needs it every ten seconds, and they seldom change."""
    total = hashlib.sha256()
    for name, path, _ in files:
        total.update(f"{name}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()[:12]


def seal(directory: Path) -> None:
    """Record the content of a finished directory."""
    (directory / SEAL).write_text(_content(directory), encoding="ascii")


def is_whole(directory: Path) -> bool:
    """Whether its content is that of its record: no file is lost, truncated or changed."""
    try:
        return (directory / SEAL).read_text(encoding="ascii") == _content(directory)
    except (OSError, UnicodeDecodeError):
        return False


def _content(directory: Path) -> str:
    files = (Path(folder, name) for folder, _, names in os.walk(directory) for name in names if name != SEAL)
    return digest({str(path)[len(str(directory)) + 1 :]: path for path in files})


def _closure() -> set[Path]:
    found: set[Path] = set()
    waiting = [ROOT / f"{entry}.py" for entry in ENTRIES]
    waiting += [path for folder in BY_NAME for path in sorted((ROOT / folder).glob("*.py"))]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imports(path)
    return found


def _imports(path: Path) -> Iterator[Path]:
    """The package's files that a module imports, with the packages they are in; not those for types only."""
    for module, several, one in _IMPORT.findall(_FOR_TYPES.sub("", path.read_text(encoding="utf-8"))):
        base = ROOT.parent.joinpath(*module.split("."))
        yield from _files_of(base)
        for name in _COMMENT.sub("", several or one).split(","):
            if word := name.split():
                yield from _files_of(base / word[0])


@cache
def _files_of(module: Path) -> tuple[Path, ...]:
    """The file of a module or of a package, with those of the packages that it is in; () for neither."""
    for candidate in (module.with_name(f"{module.name}.py"), module / "__init__.py"):
        if candidate.is_file():
            parents = (folder for folder in candidate.parents if ROOT in (folder, *folder.parents))
            return (candidate, *(folder / "__init__.py" for folder in parents))
    return ()


def _yaml_files() -> list[Path]:
    spec = find_spec("yaml")
    if spec is None or spec.origin is None:
        return []
    return sorted(Path(spec.origin).parent.glob("*.py"))
