"""The configuration directories (conformance B01-B07, B11), read while others write (lessons 22). Kubelet path."""

import posix
from errno import ENOENT
from time import sleep, time

from genie_core.edges.files import failure, open_regular, read_all
from genie_core.errors import InvalidConfig
from genie_core.spec.conf import parse_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from genie_core.model import NetConf

EXTENSIONS = (".conf", ".conflist", ".json")  # libcni's ConfFiles
MAX_BYTES = 8 << 20
_DIRECTORY = 0o040000


def list_files(directory: str, extensions: "Sequence[str]" = EXTENSIONS) -> list[str]:
    """The directory's configuration files, sorted by name, bytewise; [] where there is no directory (B01, B02).

    Not recursive; an extension counts from the last dot and in its exact case; a hidden `.conf` counts.
    Raises IOFailure where the directory cannot be read.
    """
    try:
        names = posix.listdir(directory)
    except OSError as error:
        if error.errno == ENOENT:
            return []
        raise failure("read the directory", directory, error) from None
    found = [
        name
        for name in names
        if name[name.rfind(".") :] in extensions and not _is_directory(f"{directory}/{name}")
    ]
    found.sort(key=lambda name: name.encode("utf-8", "surrogateescape"))
    return [f"{directory}/{name}" for name in found]


def read_text(path: str) -> str:
    """A configuration file's text. Bytes that are not UTF-8 survive. Raises IOFailure, InvalidConfig if too large."""
    try:
        fd = open_regular(path)
    except OSError as error:
        raise failure("read", path, error) from None
    try:
        if posix.fstat(fd).st_size > MAX_BYTES:
            raise InvalidConfig(f"{path}: larger than {MAX_BYTES >> 20} MiB")
        return read_all(fd).decode("utf-8", "surrogateescape")
    except OSError as error:
        raise failure("read", path, error) from None
    finally:
        posix.close(fd)


class ConfDirs:
    """Several directories, the first one's files first."""

    def __init__(self, directories: "Sequence[str]") -> None:
        self.directories = directories

    def paths(self) -> list[str]:
        """All configuration files, in order of precedence."""
        found = []
        for directory in self.directories:
            for path in list_files(directory):
                if path not in found:
                    found.append(path)
        return found

    def read(self, path: str) -> "NetConf":
        """The network in a file. A file that changed just now is read twice: it may have been half-written."""
        siblings = siblings_of(path)
        try:
            return parse_file(read_text(path), path, siblings)
        except InvalidConfig:
            if not _changed_just_now(path):
                raise
        sleep(0.05)
        return parse_file(read_text(path), path, siblings)


def siblings_of(path: str) -> "Callable[[str], list[tuple[str, str]]]":
    """Reads the plugins that belong to a list from the folder named like its network (conformance B11)."""
    directory = path.rpartition("/")[0]

    def read(name: str) -> list[tuple[str, str]]:
        return [(file, read_text(file)) for file in list_files(f"{directory}/{name}", (".conf",))]

    return read


def _is_directory(path: str) -> bool:
    try:
        return posix.stat(path).st_mode & 0o170000 == _DIRECTORY
    except OSError:
        return False  # a dangling link: reported as a file that cannot be read


def _changed_just_now(path: str) -> bool:
    try:
        return abs(time() - posix.stat(path).st_mtime) < 1
    except OSError:
        return False
