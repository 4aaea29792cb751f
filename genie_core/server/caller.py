"""The process that the runtime started: what a child of the server needs to know of it, and takes over from it.

Everything is read through one descriptor of its directory in /proc. A process that gets the same PID later is not
reached by it.
"""

import posix
from resource import prlimit, setrlimit

from genie_core.edges.files import read_all

_NAMESPACES = ("mnt", "net", "pid", "user", "uts", "ipc")
# Lines of /proc/PID/status (proc(5)): the process's user and its rights.
_RIGHTS = ("Uid", "Gid", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")
_LIMITS = range(16)  # RLIM_NLIMITS of linux/asm-generic/resource.h


class Caller:
    """A process by its PID. Raises OSError where it has ended or may not be read, as do the methods."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._folder = posix.open(f"/proc/{pid}", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
        status = self._read("status").decode("ascii", "replace")
        self.rights = *(_value(status, name) for name in _RIGHTS), self._label()
        self._umask = int(_value(status, "Umask"), 8)
        self._groups = [int(group) for group in _value(status, "Groups").split()]

    def namespaces(self) -> tuple[object, ...]:
        """Values that are equal for two processes that see the same node."""
        names = [posix.readlink(f"ns/{name}", dir_fd=self._folder) for name in _NAMESPACES]
        root = posix.stat("root", dir_fd=self._folder)
        return *names, root.st_dev, root.st_ino

    def close(self) -> None:
        """Give the descriptor back; a process that ends soon need not."""
        posix.close(self._folder)

    def environment(self) -> list[bytes]:
        """The entries of its environment, as it was started with."""
        return self._read("environ").split(b"\0")

    def take_place(self) -> None:
        """Give this process what a child of the caller would inherit: directory, umask, groups, limits, scheduling."""
        here = posix.open("cwd", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC, dir_fd=self._folder)
        posix.fchdir(here)
        posix.close(here)
        posix.umask(self._umask)
        if self._groups != posix.getgroups():
            posix.setgroups(self._groups)
        self._take_limits()
        self._take_scheduling()
        _take_score(self._read("oom_score_adj"))

    def _take_limits(self) -> None:
        if self._read("limits") != _content("/proc/self/limits"):  # one text is read faster than all limits
            for number in _LIMITS:
                setrlimit(number, prlimit(self.pid, number))

    def _take_scheduling(self) -> None:
        """Processors, class and nice value: a node for real-time work keeps everything else off some processors."""
        cpus = posix.sched_getaffinity(self.pid)
        if cpus != posix.sched_getaffinity(0):
            posix.sched_setaffinity(0, cpus)
        policy, parameters = _class_of(self.pid)
        if (policy, parameters) != _class_of(0):
            posix.sched_setscheduler(0, policy, parameters)
        nice = posix.getpriority(posix.PRIO_PROCESS, self.pid)
        if nice != posix.getpriority(posix.PRIO_PROCESS, 0):
            posix.setpriority(posix.PRIO_PROCESS, 0, nice)

    def _label(self) -> bytes:
        """Its label of a security module (SELinux, AppArmor); empty without one."""
        try:
            return self._read("attr/current")
        except OSError:
            return b""

    def _read(self, name: str) -> bytes:
        return _content(name, self._folder)


class Home:
    """What a call is compared with: the installed build, and the server's rights and place on the node."""

    def __init__(self, own: str, build: str) -> None:
        self.own = own
        self.build = build
        itself = Caller(posix.getpid())
        self.rights = itself.rights
        self.namespaces = itself.namespaces()


def _content(name: str, folder: int | None = None) -> bytes:
    fd = posix.open(name, posix.O_RDONLY | posix.O_CLOEXEC, dir_fd=folder)
    try:
        return read_all(fd)
    finally:
        posix.close(fd)


def _value(status: str, name: str) -> str:
    """The value of this line; empty where the kernel writes none."""
    _, found, rest = status.partition(f"\n{name}:\t")
    return rest[: rest.find("\n")] if found else ""


def _class_of(pid: int) -> "tuple[int, posix.sched_param]":
    return posix.sched_getscheduler(pid), posix.sched_getparam(pid)


def _take_score(score: bytes) -> None:
    """How soon the kernel ends this process where memory is short."""
    fd = posix.open("/proc/self/oom_score_adj", posix.O_RDWR | posix.O_CLOEXEC)
    try:
        if read_all(fd) != score:
            posix.write(fd, score)
    finally:
        posix.close(fd)
