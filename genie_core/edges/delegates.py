"""The plugin binaries: finding them, running them (SPEC, section 2; conformance B15-B35). On the kubelet path.

stdin, stdout and stderr are memory files, not pipes: a delegate that does not read, or prints megabytes on
both, cannot block anything, and a daemon that it leaves behind cannot hold the answer back.
"""

import posix
from errno import EACCES, ENOENT, ENOEXEC, ETXTBSY
from select import POLLIN, poll
from time import monotonic, sleep

from genie_core.edges.locks import STARTING
from genie_core.errors import (
    DELEGATE_FAILED,
    TRY_AGAIN,
    UNKNOWN_CONTAINER,
    DelegateFailed,
    GenieError,
    InvalidConfig,
)
from genie_core.gojson import view
from genie_core.jsontext import JSONError, decode
from genie_core.spec.conf import check_plugin_type
from genie_core.spec.request import DELEGATE_MARK, delegate_env
from genie_core.steps import PluginMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from genie_core.edges.cancel import Cancel
    from genie_core.edges.locks import Lock
    from genie_core.ports import Log
    from genie_core.steps import Invoke

MAX_OUTPUT_BYTES = 16 << 20
BUSY_SECONDS = 6.0  # how long a binary may be "text file busy" while it is installed (conformance B31)
_SLICE_SECONDS = 0.25  # how soon a signal or a flood of output is noticed
_TAIL_BYTES = 4096
_MAX_CODE = 0xFFFFFFFF  # a `uint` of the runtime's, which would refuse the whole error for a larger one
_SIGKILL, _SIGPIPE, _SIGXFSZ = 9, 13, 25
_REGULAR = 0o100000
_NOT_BACK = "a network must not lead back to Genie"
# Signals as Go names them (syscall/zerrors_linux_amd64.go): by these words people look for "signal: killed"
_SIGNALS = {
    1: "hangup",
    2: "interrupt",
    3: "quit",
    4: "illegal instruction",
    5: "trace/breakpoint trap",
    6: "aborted",
    7: "bus error",
    8: "floating point exception",
    9: "killed",
    10: "user defined signal 1",
    11: "segmentation fault",
    12: "user defined signal 2",
    13: "broken pipe",
    14: "alarm clock",
    15: "terminated",
}


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
    ) -> None:
        self._env = env
        self._as_runtime = as_runtime
        self._bin_dirs = bin_dirs
        self._timeout = timeout
        self._log = log
        self._cancel = cancel
        self._own = own
        self._echo = echo
        self._lock: Lock | None = None
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
        """Carry the step out: the plugin's stdout. Raises DelegateFailed with the plugin's own code, PluginMissing."""
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
        started = monotonic()
        status = 1
        try:
            status, out, err = self._run(binary, env, step)
        finally:
            seconds = monotonic() - started
            self.ran.append((step, status == 0, seconds))
        self._log.debug(
            "delegate",
            plugin=step.type,
            network=step.network,
            interface=step.ifname,
            delegateVerb=step.verb,
            status=status,
            ms=round(seconds * 1000, 1),
        )
        if status != 0:
            raise _failure(step, status, out, err)
        return out

    def _run(self, binary: str, env: "Mapping[str, str]", step: "Invoke") -> tuple[int, str, str]:
        files = [_memory_file(name) for name in ("stdin", "stdout", "stderr")]
        try:
            _fill(files[0], step.stdin)
            pid = self._spawn_noted(binary, env, files, step)
            status = self._wait(pid, files, step)
            err = _content(files[2], _TAIL_BYTES)
            if err and self._echo:
                _pass_on(err)
            return status, _content(files[1], MAX_OUTPUT_BYTES), err
        finally:
            for fd in files:
                posix.close(fd)

    def _spawn_noted(self, binary: str, env: "Mapping[str, str]", files: list[int], step: "Invoke") -> int:
        """Start the child, noted in the lock file before and after: a kill at any moment leaves a sign of it."""
        if not self._lock:
            return self._spawn(binary, env, files, step)
        self._lock.name_delegate(STARTING)
        pid = 0
        try:
            pid = self._spawn(binary, env, files, step)
        finally:
            self._lock.name_delegate(pid)
        return pid

    def _spawn(self, binary: str, env: "Mapping[str, str]", files: list[int], step: "Invoke") -> int:
        self._cancel.check()
        actions = [(posix.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(files)]
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
                    raise _cannot_execute(step, binary, error) from None
            sleep(0.1)
            self._cancel.check()

    def _wait(self, pid: int, files: list[int], step: "Invoke") -> int:
        """The child's exit status, negative for a signal. What it started does not outlive its failure."""
        deadline = monotonic() + self._timeout
        pidfd = _pidfd(pid)
        try:
            while not _ended(pid, pidfd, min(_SLICE_SECONDS, max(deadline - monotonic(), 0))):
                self._cancel.check()
                if monotonic() >= deadline:
                    raise DelegateFailed(
                        f"{step.where}: no answer after {self._timeout:g} seconds, so it was killed",
                        hint="see why the plugin hangs, or raise delegate_timeout_seconds",
                        code=TRY_AGAIN,
                    )
                if any(posix.fstat(fd).st_size > MAX_OUTPUT_BYTES for fd in files):
                    raise DelegateFailed(
                        f"{step.where}: printed more than {MAX_OUTPUT_BYTES >> 20} MiB, so it was killed"
                    )
        except BaseException:
            _kill_group(pid)
            posix.waitpid(pid, 0)
            raise
        finally:
            if pidfd >= 0:
                posix.close(pidfd)
        return _reap(pid)


def _reap(pid: int) -> int:
    """The ended child's status. A daemon of one that succeeded lives on; the IPAM plugin of one that died does not."""
    ended = posix.waitid(posix.P_PID, pid, posix.WEXITED | posix.WNOWAIT)
    if ended and (ended.si_code, ended.si_status) != (posix.CLD_EXITED, 0):
        _kill_group(pid)  # while the number is still taken
    return posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])


def _pidfd(pid: int) -> int:
    """A descriptor that is readable once the child has ended; -1 before Linux 5.3, or without a free descriptor."""
    try:
        return posix.pidfd_open(pid)
    except OSError:
        return -1


def _ended(pid: int, pidfd: int, seconds: float) -> bool:
    """Wait up to so many seconds for the child's end, and say whether it came."""
    if pidfd >= 0:
        poller = poll()
        poller.register(pidfd, POLLIN)
        return bool(poller.poll(seconds * 1000))
    give_up = monotonic() + seconds
    while posix.waitid(posix.P_PID, pid, posix.WEXITED | posix.WNOHANG | posix.WNOWAIT) is None:
        if monotonic() >= give_up:
            return False
        sleep(0.002)  # look often
    return True


def _kill_group(pid: int) -> None:
    try:
        posix.killpg(pid, _SIGKILL)
    except OSError:
        return


def _memory_file(name: str) -> int:
    return posix.memfd_create(name, posix.MFD_CLOEXEC)


def _fill(fd: int, text: str) -> None:
    data = text.encode("utf-8", "surrogateescape")
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


_WHY = {
    ENOENT: "the interpreter in its first line does not exist",
    EACCES: "it is not executable, or on a file system mounted noexec",
    ENOEXEC: "it is neither a program for this machine nor a script with a #! line",
    ETXTBSY: "text file busy: a process is writing to it",
}


def _cannot_execute(step: "Invoke", binary: str, error: OSError) -> DelegateFailed:
    why = _WHY.get(error.errno or 0, posix.strerror(error.errno or 0))
    return DelegateFailed(
        f"{step.where}: cannot execute {binary}: {why}", hint="install the plugin's binary again"
    )


def _failure(step: "Invoke", status: int, out: str, err: str) -> DelegateFailed:
    """The delegate's own error, its code kept, with the network and interface in front (conformance A56, B26-B28)."""
    signal = _SIGNALS.get(-status, f"signal {-status}")
    how = f"exit status {status}" if status > 0 else f"signal: {signal}"
    if not out.strip():
        said = (
            f'netplugin failed: "{err.strip()}": {how}'
            if err.strip()
            else f"netplugin failed with no error message: {how}"
        )
        return DelegateFailed(f"{step.where}: {said}")
    try:
        reply = decode(out)
        fields = {str(key).lower(): value for key, value in reply.items()}
    except (JSONError, AttributeError):
        return DelegateFailed(
            f'{step.where}: netplugin failed but error parsing its diagnostic message "{out.strip()[:500]}"',
            details=how,
        )
    code = fields.get("code")
    if not isinstance(code, int) or isinstance(code, bool) or not 0 < code <= _MAX_CODE:
        code = DELEGATE_FAILED
    if code == UNKNOWN_CONTAINER and step.verb == "ADD":
        code = DELEGATE_FAILED  # from ADD it means that no DEL is needed (SPEC, "Error")
    message = str(fields.get("msg") or "") or f"netplugin failed with no error message: {how}"
    details = str(fields.get("details") or "")
    hint = _hint(f"{message} {details}", step.stdin) if step.verb == "ADD" else ""
    return DelegateFailed(f"{step.where}: {message}", details=details, hint=hint, code=code)


def _hint(words: str, stdin: str) -> str:
    from genie_core.spec.plugin_errors import hint_for

    return hint_for(words, view(stdin))
