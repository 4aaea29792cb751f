"""The directory of the policy engine: what the agent writes for the plugin, and the lock between them.

    /run/genie/policy/             0700, files 0600
      networks.json    {network: [{"namespace": NS, "podSelector": {...}}]} of every network that a policy selects;
                       the network "*" is every network but a pod's primary, the namespace "*" is every namespace
      stamp            its modification time says when the agent was last at work
      fresh            its modification time says when a pod was last guarded
      status.json      what the engine applied and could not apply: for the agent, and for `genie discover`
      lock             held by the process that sets a guard, or takes it away
      engine.lock      held by an engine that reads the journals and changes rules: no ADD waits for it, a DEL does

Kubelet path, where policies are switched on.
"""

import posix
from errno import ENOENT
from fcntl import LOCK_EX, LOCK_NB, flock
from time import monotonic, sleep, time

from genie_core.edges.files import (
    failure,
    is_private_directory,
    make_private_directory,
    open_private,
    open_regular,
    read_all,
    write_all,
)
from genie_core.errors import IOFailure, TryAgain
from genie_core.jsontext import JSONError, decode, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Selected = Mapping[str, list[dict[str, Any]]]

DIRECTORY = "/run/genie/policy"
STATUS = f"{DIRECTORY}/status.json"
OLD_SECONDS = 600.0
EVERY = "*"
ENGINE_LOCK = "engine.lock"
_LOCK_SECONDS = 10.0


def age(directory: str = DIRECTORY) -> float | None:
    """Seconds since the agent was last at work; None where it never was since the node started."""
    try:
        return max(time() - posix.stat(f"{directory}/stamp").st_mtime, 0.0)
    except OSError:
        return None


def selected(directory: str = DIRECTORY) -> "Selected":
    """Network -> the policies' selectors; {} where there is no file. Raises IOFailure where it cannot be read."""
    path = f"{directory}/networks.json"
    try:
        fd = open_regular(path)
    except OSError as error:
        if error.errno == ENOENT:
            return {}
        raise failure("read", path, error) from None
    try:
        found = decode(read_all(fd).decode("utf-8"))
    except (JSONError, UnicodeDecodeError, OSError):
        found = None
    finally:
        posix.close(fd)
    if not isinstance(found, dict):
        raise IOFailure(f"{path} cannot be read", hint="restart genie agent, which writes it again")
    return found


def write(selected: "Selected", directory: str = DIRECTORY) -> None:
    """Write what policies select, at once, and the stamp. Raises IOFailure."""
    if not is_private_directory(directory):
        make_private_directory(directory)
    path, temporary = f"{directory}/networks.json", f"{directory}/.networks.json"
    try:
        fd = open_private(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC)
        try:
            write_all(fd, encode(selected))
        finally:
            posix.close(fd)
        posix.rename(temporary, path)
    except OSError as error:
        raise failure("write", path, error) from None
    touch(directory)


def announce(directory: str = DIRECTORY) -> None:
    """Let the agent know that there is a guard to be replaced by rules. Raises IOFailure."""
    touch(directory, "fresh")


def touch(directory: str = DIRECTORY, name: str = "stamp") -> None:
    """Renew the stamp. Raises IOFailure."""
    path = f"{directory}/{name}"
    fd = open_private(path, posix.O_WRONLY | posix.O_CREAT)
    try:
        posix.utime(fd)
    except OSError as error:
        raise failure("touch", path, error) from None
    finally:
        posix.close(fd)


def withdraw() -> None:
    """Remove the stamp: what is written here is not what policies select now, and no pod may rely on it.

    Raises IOFailure.
    """
    path = f"{DIRECTORY}/stamp"
    try:
        posix.unlink(path)
    except OSError as error:
        if error.errno != ENOENT:
            raise failure("remove", path, error) from None


class Held:
    """A lock, held while rules are changed. Raises TryAgain where another holds it too long, IOFailure."""

    def __init__(
        self, directory: str = DIRECTORY, seconds: float = _LOCK_SECONDS, name: str = "lock"
    ) -> None:
        self._path = f"{directory}/{name}"
        self._seconds = seconds
        self._fd = -1

    def __enter__(self) -> "Held":
        self._fd = open_private(self._path, posix.O_RDWR | posix.O_CREAT)
        deadline = monotonic() + self._seconds
        while True:
            try:
                flock(self._fd, LOCK_EX | LOCK_NB)
                return self
            except BlockingIOError:
                if monotonic() >= deadline:
                    posix.close(self._fd)
                    raise TryAgain(
                        f"the rules of network policies are being changed by another process (lock {self._path})"
                    ) from None
            except OSError as error:  # the kernel is out of locks
                posix.close(self._fd)
                raise failure("lock", self._path, error) from None
            sleep(0.002)

    def __exit__(self, *_: object) -> None:
        posix.close(self._fd)
