"""Control groups of other processes, of version 1 and 2 (cgroups(7))."""

import posix

from genie_core.edges.files import read_all

_NAME = 2  # a line of /proc/PID/cgroup: number, controllers, path


def group_files(pid: int) -> list[str]:
    """The file of each control group of a process by which another one joins it; without those that are not mounted.

    Raises OSError where the process has ended.
    """
    files, mounts = [], _lines("/proc/self/mountinfo")
    for line in _lines(f"/proc/{pid}/cgroup"):
        _, controllers, path = line.split(":", _NAME)
        try:
            files.append(f"{group_mount(controllers, mounts)}{path}/cgroup.procs")
        except FileNotFoundError:
            continue
    return files


def join(files: "list[str]") -> list[str]:
    """Move this process to the groups of these files; those that it could not join."""
    failed = []
    for file in files:
        try:
            fd = posix.open(file, posix.O_WRONLY | posix.O_CLOEXEC)
            try:
                posix.write(fd, b"0")
            finally:
                posix.close(fd)
        except OSError:
            failed.append(file)
    return failed


def group_mount(controllers: str, mounts: "list[str] | None" = None) -> str:
    """Where the hierarchy of these controllers, "" for that of version 2, is mounted from its root on.

    `mounts` are the lines of mountinfo (proc(5)). Raises FileNotFoundError where it is not mounted.
    """
    wanted = {word for word in controllers.split(",") if word}
    for line in mounts or _lines("/proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split(" ", 2)
        words = set(options.split()[-1].split(","))
        if root == "/" and kind == ("cgroup" if wanted else "cgroup2") and wanted <= words:
            return point
    raise FileNotFoundError(2, "is not mounted", controllers)


def _lines(path: str) -> list[str]:
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return read_all(fd).decode("utf-8", "surrogateescape").splitlines()
    finally:
        posix.close(fd)
