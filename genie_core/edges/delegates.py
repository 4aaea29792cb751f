"""The plugin binaries: finding them, running them (SPEC, section 2; conformance B15-B35). On the kubelet path.

stdout and stderr are memory files, not pipes: a delegate that prints megabytes on both cannot block anything, and a
daemon that it leaves behind cannot hold the answer back. stdin is a pipe where the configuration fits into it at once:
a delegate can start before it may have its configuration. Otherwise it is a memory file.
"""

import posix
from errno import ETXTBSY
from select import POLLIN, poll
from time import monotonic, sleep

from genie_core.edges.locks import STARTING
from genie_core.errors import TRY_AGAIN, DelegateFailed, GenieError, InvalidConfig
from genie_core.spec.conf import check_plugin_type
from genie_core.spec.request import DELEGATE_MARK, delegate_env
from genie_core.steps import PluginMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from genie_core.edges.cancel import Cancel
    from genie_core.edges.locks import Lock
    from genie_core.ports import Log
    from genie_core.steps import Invoke

MAX_OUTPUT_BYTES = 16 << 20
BUSY_SECONDS = 6.0  # how long a binary may be "text file busy" while it is installed (conformance B31)
SLICE_SECONDS = 0.25  # how soon a signal or a flood of output is noticed
PAUSE_SECONDS = 0.002  # between two looks, where a process has no descriptor to poll
_TAIL_BYTES = 4096
_PIPE_BYTES = 4096  # PIPE_BUF, the least that an empty pipe takes without blocking (pipe(7))
_SIGKILL, _SIGPIPE, _SIGXFSZ = 9, 13, 25
_REGULAR = 0o100000
_NOT_BACK = "a network must not lead back to Genie"


def find_plugin(type_: str, path: "Sequence[str]") -> str:
    """The first directory's regular file of that name (conformance B16, B17). Raises PluginMissing, InvalidConfig.

    Permissions are not looked at: a file that cannot be executed is an error, not a reason to look further.
    """
    check_plugin_type(type_)
    for directory in path:
        file = f"{directory}/{type_}"
        try:
            status = posix.stat(file)
        except OSError:
            continue
        if status.st_mode & 0o170000 == _REGULAR:
            return file
    raise PluginMissing(
        f'failed to find plugin "{type_}" in path [{" ".join(path)}]',
        hint="install the plugin's binary, or name its directory in bin_dirs",
        code=InvalidConfig.code,
    )


class Delegates:
    """Runs delegate plugins with a deadline, each in a process group of its own.

    `own` is Genie's binary, which no delegate may be (conformance B15); `bin_dirs` are searched after CNI_PATH;
    `echo` copies a delegate's stderr to this process's (conformance B25).
    With `as_runtime` the plugins are called as a runtime calls them, Genie among them: without Genie's mark.
    `ready` is called before a plugin gets its configuration, while it starts; it is killed where that raises.
    Without `reaps` the caller waits for the plugins that succeeded, after its answer: they have ended, but the kernel
    can take some milliseconds to remove the process of a plugin that has read much in /proc.
    """

    def __init__(
        self,
        env: "Mapping[str, str]",
        bin_dirs: "Sequence[str]",
        timeout: float,
        log: "Log",
        cancel: "Cancel",
        own: str = "",
        echo: bool = True,
        as_runtime: bool = False,
        ready: "Callable[[], None]" = lambda: None,
        reaps: bool = True,
    ) -> None:
        self._env = env
        self._as_runtime = as_runtime
        self._bin_dirs = bin_dirs
        self._timeout = timeout
        self.log = log
        self.cancel = cancel
        self._own = own
        self._echo = echo
        self._ready = ready
        self._reaps = reaps
        self.meanwhile: Callable[[], None] = lambda: None  # called while a plugin runs
        self._lock: Lock | None = None
        # what runs side by side: the process of each step, or why it has none any more
        self.begun: dict[Invoke, Run | GenieError] = {}
        # each step, whether it succeeded, and the seconds it took
        self.ran: list[tuple[Invoke, bool, float]] = []

    def holding(self, lock: "Lock", timeout: "float | None" = None) -> "Delegates":
        """A copy whose children inherit the container's lock, and may take at most `timeout` seconds each."""
        held = object.__new__(Delegates)
        held.__dict__.update(self.__dict__)
        held._lock = lock
        held._timeout = self._timeout if timeout is None else min(timeout, self._timeout)
        return held

    def find(self, type_: str, path: "Sequence[str]") -> str:
        """The plugin's file. Raises PluginMissing, or InvalidConfig where it is Genie itself."""
        binary = find_plugin(type_, self._search_path(path))
        if self._is_own(binary):
            raise InvalidConfig(f"plugin {type_}: {binary} is Genie itself", hint=_NOT_BACK)
        return binary

    def refuse_self(self, types: "Iterable[str]", path: "Sequence[str]", source: str) -> None:
        """Raise InvalidConfig where a type that a configuration names anywhere is Genie under another name.

        An IPAM plugin and another plugin's delegates are found by that plugin, in the same directories.
        """
        for type_ in types:
            try:
                binary = find_plugin(type_, self._search_path(path))
            except GenieError:
                continue  # no plugin of that name: its caller reports it
            if self._is_own(binary):
                raise InvalidConfig(f"{source}: plugin {type_}: {binary} is Genie itself", hint=_NOT_BACK)

    def _is_own(self, binary: str) -> bool:
        return bool(self._own) and _same_file(binary, self._own)

    def _search_path(self, path: "Sequence[str]") -> list[str]:
        """Where plugins are looked for, and what a plugin's own CNI_PATH says: the runtime's directories first."""
        return [*path, *(directory for directory in self._bin_dirs if directory not in path)]

    def invoke(self, step: "Invoke") -> str:
        """The plugin's stdout. Raises DelegateFailed with the plugin's own code, PluginMissing.

        It is started here, unless `edges.parallel` has started it and has seen its end.
        """
        run = self.begun.pop(step, None) or self.begin(step)
        if isinstance(run, GenieError):
            raise run
        status = 1
        try:
            status = self._wait(run)
            out, err = _content(run.files[1], MAX_OUTPUT_BYTES), _content(run.files[2], _TAIL_BYTES)
            if err and self._echo:
                _pass_on(err)
        finally:
            seconds = self.note_end(run, succeeded=status == 0)
        self.log.debug(
            "delegate",
            plugin=step.type,
            network=step.network,
            interface=step.ifname,
            delegateVerb=step.verb,
            status=status,
            ms=round(seconds * 1000, 1),
        )
        if status != 0:
            from genie_core.edges.delegate_errors import failure

            raise failure(step, status, out, err)
        return out

    def begin(self, step: "Invoke") -> "Run":
        """Start the plugin. Raises DelegateFailed, PluginMissing."""
        binary = step.binary
        if not binary or not _is_there(binary):
            binary = self.find(step.type, step.path)
        env = delegate_env(
            self._env,
            step.verb,
            path=self._search_path(step.path),
            container_id=step.container_id,
            netns=step.netns,
            ifname=step.ifname,
            args=step.args,
        )
        if self._as_runtime:
            del env[DELEGATE_MARK]
        run = Run(step)
        try:
            run.open()
            if not run.waits_for_stdin:
                self._ready()
            run.pid = self._spawn_noted(binary, env, run)
            if run.waits_for_stdin:
                self._ready()
                run.give_stdin()
        except BaseException:
            if run.pid:
                run.kill()
            self.note_end(run, succeeded=False)
            raise
        run.pidfd = _pidfd(run.pid)
        run.deadline = monotonic() + self._timeout
        return run

    def note_end(self, run: "Run", *, succeeded: bool) -> float:
        """Close what the run has open; how many seconds it took."""
        seconds = monotonic() - run.began
        self.ran.append((run.step, succeeded, seconds))
        run.close()
        return seconds

    def _spawn_noted(self, binary: str, env: "Mapping[str, str]", run: "Run") -> int:
        """Start the child, noted in the lock file before and after: a kill at any moment leaves a sign of it."""
        if not self._lock:
            return self._spawn(binary, env, run)
        beside = [other.pid for other in self.begun.values() if isinstance(other, Run)]
        self._lock.name_delegates(STARTING, *beside)
        pid = 0
        try:
            pid = self._spawn(binary, env, run)
        finally:
            self._lock.name_delegates(pid, *beside)
        return pid

    def _spawn(self, binary: str, env: "Mapping[str, str]", run: "Run") -> int:
        self.cancel.check()
        actions = [(posix.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(run.files)]
        give_up = monotonic() + BUSY_SECONDS
        while True:
            try:
                return posix.posix_spawn(
                    binary,
                    [binary],
                    env,
                    file_actions=actions,
                    setpgroup=0,
                    setsigmask=[],
                    setsigdef=[_SIGPIPE, _SIGXFSZ],  # which Python ignores, and a child would inherit that
                )
            except OSError as error:
                if error.errno != ETXTBSY or monotonic() >= give_up:
                    from genie_core.edges.delegate_errors import cannot_execute

                    raise cannot_execute(run.step, binary, error) from None
            sleep(0.1)
            self.cancel.check()

    def _wait(self, run: "Run") -> int:
        """The child's exit status, negative for a signal. What it started does not outlive its failure."""
        try:
            self.meanwhile()
            while not run.ends_within(min(SLICE_SECONDS, max(run.deadline - monotonic(), 0))):
                self.cancel.check()
                self.refuse_excess(run)
        except BaseException:
            run.kill()
            raise
        return _status(run.pid, self._reaps)

    def refuse_excess(self, run: "Run") -> None:
        """Raise DelegateFailed where the child has used up its time, or has printed too much."""
        where = run.step.where
        if monotonic() >= run.deadline:
            raise DelegateFailed(
                f"{where}: no answer after {self._timeout:g} seconds, so it was killed",
                hint="see why the plugin hangs, or raise delegate_timeout_seconds",
                code=TRY_AGAIN,
            )
        if any(posix.fstat(fd).st_size > MAX_OUTPUT_BYTES for fd in run.files):
            raise DelegateFailed(f"{where}: printed more than {MAX_OUTPUT_BYTES >> 20} MiB, so it was killed")


class Run:
    """A plugin's process and its files: stdin, stdout, stderr. `deadline` is when it has to end (time.monotonic())."""

    __slots__ = ("_feed", "_stdin", "began", "deadline", "files", "pid", "pidfd", "step")

    def __init__(self, step: "Invoke") -> None:
        self.step = step
        self.began = monotonic()
        self.deadline = 0.0
        self.files: list[int] = []
        self.pid = 0
        self.pidfd = -1
        self._stdin = step.stdin.encode("utf-8", "surrogateescape")
        self._feed = -1

    def open(self) -> None:
        """Make its files."""
        if len(self._stdin) <= _PIPE_BYTES:
            reading, self._feed = posix.pipe2(posix.O_CLOEXEC)
            self.files.append(reading)
        else:
            self.files.append(_memory_file("stdin"))
            _fill(self.files[0], self._stdin)
        self.files += map(_memory_file, ("stdout", "stderr"))

    @property
    def waits_for_stdin(self) -> bool:
        """Whether it gets its configuration by `give_stdin`."""
        return self._feed >= 0

    def give_stdin(self) -> None:
        """Write the configuration; the pipe takes it at once, also where the plugin does not read it or has ended."""
        posix.write(self._feed, self._stdin)
        posix.close(self._feed)
        self._feed = -1

    def ends_within(self, seconds: float) -> bool:
        """Wait up to so many seconds for its end, and say whether it came."""
        if self.pidfd >= 0:
            poller = poll()
            poller.register(self.pidfd, POLLIN)
            return bool(poller.poll(seconds * 1000))
        give_up = monotonic() + seconds
        while posix.waitid(posix.P_PID, self.pid, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT) is None:
            if monotonic() >= give_up:
                return False
            sleep(PAUSE_SECONDS)
        return True

    def kill(self) -> None:
        """End it, with what it has started, and wait for its end."""
        _kill_group(self.pid)
        posix.waitpid(self.pid, 0)

    def close(self) -> None:
        """Close its files."""
        for fd in (*self.files, self._feed, self.pidfd):
            if fd >= 0:
                posix.close(fd)


def _status(pid: int, reaps: bool) -> int:
    """The ended child's status. A daemon of one that succeeded lives on; the IPAM plugin of one that died does not."""
    ended = posix.waitid(posix.P_PID, pid, posix.WEXITED | posix.WNOWAIT)
    if ended and (ended.si_code, ended.si_status) == (posix.CLD_EXITED, 0):
        if not reaps:
            return 0
    elif ended:
        _kill_group(pid)  # while the number is still taken
    return posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])


def _pidfd(pid: int) -> int:
    """A descriptor that is readable once the child has ended; -1 before Linux 5.3, or without a free descriptor."""
    try:
        return posix.pidfd_open(pid)
    except OSError:
        return -1


def _kill_group(pid: int) -> None:
    try:
        posix.killpg(pid, _SIGKILL)
    except OSError:
        return


def _memory_file(name: str) -> int:
    return posix.memfd_create(name, posix.MFD_CLOEXEC)


def _fill(fd: int, data: bytes) -> None:
    while data:
        data = data[posix.write(fd, data) :]
    posix.lseek(fd, 0, 0)


def _content(fd: int, limit: int) -> str:
    """The last `limit` bytes that the child wrote."""
    size = posix.fstat(fd).st_size
    chunks, position = [], max(size - limit, 0)
    while position < size and (chunk := posix.pread(fd, size - position, position)):
        chunks.append(chunk)
        position += len(chunk)
    return b"".join(chunks).decode("utf-8", "replace")


def _pass_on(err: str) -> None:
    """Write to our stderr. A runtime that does not read it has lost a message, and nothing else."""
    try:
        posix.write(2, err.encode("utf-8", "surrogateescape"))
    except OSError:
        return


def _is_there(file: str) -> bool:
    try:
        return posix.stat(file).st_mode & 0o170000 == _REGULAR
    except OSError:
        return False


def _same_file(one: str, other: str) -> bool:
    try:
        a, b = posix.stat(one), posix.stat(other)
    except OSError:
        return False
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
