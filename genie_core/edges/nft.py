"""The program nft, in this network namespace or another. On the kubelet path where policies select a pod's network."""

import posix
from errno import ENOENT
from select import POLLIN, poll

from genie_core.edges.files import read_all, write_all
from genie_core.errors import KernelRefused, TryAgain
from genie_core.settings import PROGRAM_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 15.0
_SIGKILL = 9


def load(text: str, netns: str = "") -> None:
    """Carry a text out as one transaction. Raises what `run` raises."""
    run(["--file", "-"], text, netns)


def run(arguments: "Sequence[str]", text: str = "", netns: str = "") -> str:
    """nft's output. Raises KernelRefused where it fails, TryAgain where it cannot run or end, what `inside` raises."""
    if not netns:
        return _run(arguments, text)
    from genie_core.edges.netns import inside

    return inside(netns, lambda: _run(arguments, text))


def _run(arguments: "Sequence[str]", text: str) -> str:
    """Memory files, no pipes: nothing has to be read while it runs. `subprocess` would cost 5 ms."""
    files: list[int] = []
    try:
        files.extend(posix.memfd_create(name, posix.MFD_CLOEXEC) for name in ("in", "out", "err"))
        write_all(files[0], text)
        posix.lseek(files[0], 0, 0)
        status = _wait(_spawn(arguments, files))
        printed, said = (_content(fd) for fd in files[1:])
    except OSError as error:  # descriptors, memory or processes are used up
        raise TryAgain(f"nft cannot be run: {posix.strerror(error.errno or 0)}") from None
    finally:
        for fd in files:
            posix.close(fd)
    if status:
        reason = " ".join(said.split())[:300] or f"exit code {status}"
        raise KernelRefused(
            f"nft failed: {reason}", hint="see `nft list ruleset`, and the versions of nft and kernel"
        )
    return printed


def _spawn(arguments: "Sequence[str]", files: "Sequence[int]") -> int:
    actions = [(posix.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(files)]
    for folder in PROGRAM_PATH.split(":"):
        try:
            return posix.posix_spawn(
                f"{folder}/nft", ["nft", *arguments], {"PATH": PROGRAM_PATH}, file_actions=actions
            )
        except OSError as error:
            if error.errno != ENOENT:
                raise
    raise TryAgain(
        "the program nft is not on this node",
        hint="install the package nftables",
    )


def _wait(pid: int) -> int:
    """Its exit code. It is ended, and waited for, where it takes too long or cannot be watched."""
    ended = False
    try:
        pidfd = posix.pidfd_open(pid)
        try:
            poller = poll()
            poller.register(pidfd, POLLIN)
            ended = bool(poller.poll(SECONDS * 1000))
        finally:
            posix.close(pidfd)
    finally:
        if not ended:
            posix.kill(pid, _SIGKILL)
        status = posix.waitpid(pid, 0)[1]
    if not ended:
        raise TryAgain(
            f"nft did not end within {SECONDS:g} seconds, and was ended",
            hint="see whether `nft list tables` answers on the node",
        )
    return posix.waitstatus_to_exitcode(status)


def _content(fd: int) -> str:
    posix.lseek(fd, 0, 0)
    return read_all(fd).decode("utf-8", "replace")
