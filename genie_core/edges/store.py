"""The state: one file per container and runtime interface, below the state directory.

    containers/<container>@<interface>   the plan, then one line per thing that happened since (state.py)
    locks/<container>@<interface>        the container's lock (locks.py)
    lock                                 the node's lock
    slots/<number>                       each held by one running ADD (max_parallel_adds)
    tmp/                                 plans that are being written
    corrupt/                             files that could not be read, kept for people
    repairs/<container>@<interface>      recent repairs, and which were reported (tasks/repair/counts.py)
    installed.json                       what `genie install` wrote, for the uninstallation

The plan is written to `tmp/` and renamed before the first delegate starts, and fsynced before that one gets its
configuration: it starts meanwhile, which takes about as long as the fsync. A plan that takes the place of another is
fsynced before it is renamed, but for that of an ADD: what it finds there holds nothing any more. Later lines are
appended with one write: killed at any instant, the file is as it was or has one line more. Only the plan needs an
fsync: after a power cut the namespaces are gone, and DEL works without results.
"""

import posix
from errno import ENOENT, ENOTDIR
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
    sync_directory,
    write_all,
)
from genie_core.edges.locks import Lock, is_at_work, lock_container, lock_node, lock_slot
from genie_core.errors import DecodingFailure, GenieError, IOFailure, TryAgain
from genie_core.state import decode_plan, encode_event, encode_journal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from genie_core.model import Plan
    from genie_core.steps import Event

FOLDERS = ("containers", "locks", "slots", "tmp")
# Everything that may be in the state directory: what an uninstallation removes, and nothing else.
INSTALLED = "installed.json"  # what `genie install` wrote (tasks/install/record.py)
REPAIRS = "repairs"
CONTENTS = (*FOLDERS, "objects", "corrupt", REPAIRS, "lock", INSTALLED)
_FILE_TYPE, _LINK = 0o170000, 0o120000  # S_IFMT, S_IFLNK
_MAX_NAME_BYTES = 200  # leaves room below NAME_MAX (255)


def make_state_directory(path: str) -> None:
    """Make the state directory, or make one private that was made by hand. Raises IOFailure where it is not Genie's."""
    refuse_open_way(path)
    if not is_private_directory(path):
        refuse_shared(path)
        make_private_directory(path)


def refuse_shared(path: str) -> None:
    """Raise IOFailure where it is a directory that others may read, with something for them that no state has.

    Root's own files may be there, such as the log.
    """
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    except OSError:  # not there, or no directory
        return
    try:
        names = sorted({*posix.listdir(fd)} - {*CONTENTS, "lost+found"})
        names = [name for name in names if _is_for_others(name, fd)]
    finally:
        posix.close(fd)
    if names and not is_private_directory(path):
        raise IOFailure(
            f"{path} is not used for the state: others may read it, and it holds {names[0]}, which is not Genie's",
            hint="set state_dir to a directory of Genie's own: with mode 0700 others would lose this one",
        )


def _is_for_others(name: str, directory: int) -> bool:
    try:
        return posix.stat(name, dir_fd=directory, follow_symlinks=False).st_mode & 0o077 != 0
    except OSError:  # it has gone
        return False


class CorruptState(GenieError):
    """A state file that holds no readable plan; `path` is where it is, `name` that of the file."""

    code = IOFailure.code

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(
            f"the state file {path} cannot be read: {problem}", hint="`genie gc` shows what is left over"
        )
        self.path = path

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def file_name(container_id: str, ifname: str) -> str:
    """A file name for the pair; it is never taken apart again (conformance B67)."""
    name = f"{container_id}@{ifname}"
    if len(name.encode("utf-8", "surrogateescape")) <= _MAX_NAME_BYTES:
        return name
    from hashlib import sha256  # 3 ms, for container IDs longer than any runtime makes

    return f"{container_id[:100]}-{sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()}"


def key_of(name: str) -> tuple[str, str] | None:
    """The pair that a file is named for; None where the name is a digest. Only for a file that cannot be read."""
    container_id, at, ifname = name.partition("@")  # a container ID has no @ (conformance A06)
    return (container_id, ifname) if at and ifname else None


class Store:
    """The state directory. Every method raises IOFailure where the disk refuses."""

    def __init__(self, directory: str, check: "Callable[[], None]" = lambda: None) -> None:
        """`check` is called while waiting for a lock, and raises to end the wait (cancel.py)."""
        self.directory = directory
        self._check = check
        self._containers = f"{directory}/containers"
        self.lock_file = f"{directory}/lock"  # the node's
        self._unsynced = -1  # the plan that `begin` has written

    def prepare(self) -> None:
        """Make the directories, and refuse what is not a directory of ours."""
        make_state_directory(self.directory)
        for directory in (f"{self.directory}/{name}" for name in FOLDERS):
            if not is_private_directory(directory):
                make_private_directory(directory)

    def lock(self, container_id: str, ifname: str, deadline: float, *, urgent: bool = True) -> Lock:
        """Hold the container's lock. Raises TryAgain at the deadline (time.monotonic()).

        Calls of the runtime are urgent: others let them go first.
        """
        return lock_container(
            f"{self.directory}/locks/{file_name(container_id, ifname)}", deadline, self._check, urgent=urgent
        )

    def lock_node(self, *, exclusive: bool, deadline: float) -> Lock:
        """Hold the node's lock. Raises TryAgain at the deadline."""
        return lock_node(self.lock_file, exclusive=exclusive, deadline=deadline, check=self._check)

    def lock_slot(self, count: int, deadline: float) -> Lock:
        """One of the places of the ADDs that run at once; `count` 0 means four per processor (lessons 7)."""
        places = count or 4 * (posix.cpu_count() or 1)
        return lock_slot(f"{self.directory}/slots", places, deadline, self._check)

    def begin(self, plan: "Plan") -> None:
        """Write the state file of a container that has none, or one that holds nothing. It is durable after `sync`."""
        self._unsynced = self._write(plan, durably=False)

    def sync(self) -> None:
        """Make what `begin` has written durable, if anything."""
        fd, self._unsynced = self._unsynced, -1
        if fd < 0:
            return
        self._make_durable(fd)

    def save(self, plan: "Plan") -> None:
        """Replace the state file, durably and at once: the plan, and what has happened to it."""
        self._make_durable(self._write(plan, durably=True))

    def _make_durable(self, fd: int) -> None:
        """Bring the file and its name to the disk, and close it."""
        try:
            posix.fsync(fd)
            sync_directory(self._containers)
        except OSError as error:
            raise failure("write the state file in", self._containers, error) from None
        finally:
            posix.close(fd)

    def _write(self, plan: "Plan", *, durably: bool) -> int:
        """Put a whole file in its place; the file's descriptor."""
        name = file_name(*plan.key)
        temporary, path = f"{self.directory}/tmp/{name}", f"{self._containers}/{name}"
        fd = -1
        try:
            fd = open_private(temporary, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC)
            write_all(fd, encode_journal(plan))
            if durably:
                posix.fsync(fd)
            posix.rename(temporary, path)
        except OSError as error:
            if fd >= 0:
                posix.close(fd)
            self.discard(*plan.key)
            raise failure("write the state file", path, error) from None
        return fd

    def record(self, event: "Event") -> None:
        """Append an event to the container's journal."""
        path = f"{self._containers}/{file_name(*event.plan.key)}"
        fd = open_private(path, posix.O_WRONLY | posix.O_APPEND)
        try:
            # the newline in front ends a line that an earlier write left torn
            write_all(fd, f"\n{encode_event(event)}\n")
        except OSError as error:
            raise failure("write the state file", path, error) from None
        finally:
            posix.close(fd)

    def load(self, container_id: str, ifname: str) -> "Plan | None":
        """The container's plan with what happened since; None where there is none. Raises CorruptState."""
        return self._load(f"{self._containers}/{file_name(container_id, ifname)}")

    def load_file(self, name: str) -> "Plan | None":
        """The same, by the name of its file."""
        return self._load(f"{self._containers}/{name}")

    def _load(self, path: str) -> "Plan | None":
        try:
            posix.lstat(path)
        except OSError as error:
            if error.errno in (ENOENT, ENOTDIR):
                return None
            raise failure("read the state file", path, error) from None
        try:
            self._refuse_foreign()
            fd = open_private(path, posix.O_RDONLY)
        except IOFailure as error:
            raise CorruptState(path, error.msg) from None
        try:
            plan = decode_plan(read_all(fd).decode("utf-8", "surrogateescape"))
            if file_name(*plan.key) != path.rpartition("/")[2]:  # releasing it would forget another one's
                raise CorruptState(path, "it is the state of another container")
            return plan
        except DecodingFailure as error:
            raise CorruptState(path, error.msg) from None
        except OSError as error:
            raise failure("read the state file", path, error) from None
        finally:
            posix.close(fd)

    def _refuse_foreign(self) -> None:
        """A state names programs to run: it is used only where no other user can have written it."""
        refuse_open_way(self.directory)
        for directory in (self.directory, self._containers):
            refuse_foreign_directory(directory)

    def forget(self, container_id: str, ifname: str) -> None:
        """Remove the state file, and what a killed call may have left of it."""
        remove(f"{self._containers}/{file_name(container_id, ifname)}")
        self.discard(container_id, ifname)

    def discard(self, container_id: str, ifname: str) -> None:
        """Remove a half-written plan, quietly."""
        try:
            posix.unlink(f"{self.directory}/tmp/{file_name(container_id, ifname)}")
        except OSError:
            return

    def sweep(self) -> None:
        """Remove what killed calls left: half-written files, and locks of containers without state.

        Only under the exclusive node lock: no plan is being written then, and only an orphan holds a container's lock.
        """
        for name in self._names("tmp"):
            remove(f"{self.directory}/tmp/{name}")
        for name in {*self._names("locks")} - {*self.names()}:
            path = f"{self.directory}/locks/{name}"
            try:
                with lock_container(path, 0):
                    remove(path)
            except TryAgain:
                continue

    def names(self) -> list[str]:
        """The names of all state files."""
        return self._names("containers")

    def age(self, plan: "Plan") -> float:
        """Seconds since its journal was written to last, for comparison; 0 where it is gone."""
        try:
            return time() - posix.lstat(f"{self._containers}/{file_name(*plan.key)}").st_mtime
        except OSError:
            return 0

    def settled_names(self) -> set[str]:
        """The names of the state files that no call is working on at the moment."""
        return {name for name in self.names() if not is_at_work(f"{self.directory}/locks/{name}")}

    def _names(self, folder: str) -> list[str]:
        directory = f"{self.directory}/{folder}"
        try:
            return sorted(posix.listdir(directory))
        except OSError as error:
            if error.errno in (ENOENT, ENOTDIR):
                return []
            raise failure("read the directory", directory, error) from None

    def drop_lock(self, container_id: str, ifname: str) -> None:
        """Remove the lock file, while holding it, once nothing of the container is left."""
        remove(f"{self.directory}/locks/{file_name(container_id, ifname)}")

    def set_aside(self, error: CorruptState) -> None:
        """Keep a file that cannot be read for people to look at, out of the way of the next ADD."""
        self._refuse_foreign()
        aside = f"{self.directory}/corrupt"
        make_private_directory(aside)
        try:
            posix.rename(error.path, f"{aside}/{error.name}.{posix.getpid()}")
        except OSError as problem:
            raise failure("move the damaged state file", error.path, problem) from None

    def plans(self) -> "Iterator[Plan | GenieError]":
        """Every container's plan by file name, and an error for each file that cannot be read."""
        for name in self.names():
            try:
                plan = self.load_file(name)
            except GenieError as error:
                yield error
            else:
                if plan:  # None: a DEL was faster
                    yield plan


def namespace_id(path: str) -> str:
    """The identity of the namespace at a path: another one there later has another; "" where it has none.

    The kernel reuses the inode numbers of namespaces, and PIDs. So the identity of a mounted namespace has its time of
    mounting in it, that of a process's (/proc/PID/ns/net, a link) the time at which the process started.
    """
    try:
        file = posix.lstat(path)
        if file.st_mode & _FILE_TYPE != _LINK:
            return f"{file.st_ino}@{file.st_ctime_ns}"
        pid = path.removeprefix("/proc/").partition("/")[0]
        return f"{posix.stat(path).st_ino}@{start_of(pid)}" if pid.isdecimal() else ""
    except (OSError, ValueError):
        return ""


def is_taken(plan: "Plan", netns: str) -> bool:
    """Whether another namespace is at the plan's path now: its process has ended, and the PID is used again."""
    if netns != plan.netns or not plan.netns_id:
        return False
    return namespace_id(netns) not in ("", plan.netns_id)


def netns_of(plan: "Plan", netns: str, missing: str = "") -> str:
    """The namespace to give the delegates: "" where the path is, or may be, another container's by now (lessons 15).

    Also "" where the path is no namespace any more, and `missing` where it does not exist: plugins that open it would
    fail at every try.
    """
    if plan.boot_id != boot_id() or is_taken(plan, netns):
        return ""
    try:
        own, given = posix.stat("/proc/self/ns/net"), posix.stat(netns)
    except OSError as error:
        return missing if error.errno in (ENOENT, ENOTDIR) else netns
    return netns if own.st_dev == given.st_dev else ""  # all namespaces are on nsfs


def start_of(pid: str) -> str:
    """When the process started, in clock ticks since the boot (proc(5), /proc/PID/stat, field 22). Raises OSError."""
    fd = posix.open(f"/proc/{pid}/stat", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return posix.read(fd, 4096).decode("utf-8", "replace").rpartition(")")[2].split()[19]
    finally:
        posix.close(fd)


def boot_id() -> str:
    """This boot's random identity (proc(5), /proc/sys/kernel/random/boot_id); "" where it cannot be read."""
    try:
        fd = posix.open("/proc/sys/kernel/random/boot_id", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return posix.read(fd, 64).decode("ascii", "replace").strip()
    finally:
        posix.close(fd)
