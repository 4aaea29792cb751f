"""The plugin, as the container runtime calls it: one call in, exactly one JSON document out (SPEC, section 2).

The path from exec to result is a budget. Measured on a 2-core machine with CPython 3.11, milliseconds over a
bare interpreter that exits at once (5): sh, which starts it, 0.5; this module and what it imports 1.1;
`verbs.add` and the rules 2; `fcntl` and `select` 0.2; `json` 7, so it is not used; `ssl` and a connection
20-25, only in `edges.kube_tls`, only when the API server is asked. VERSION, STATUS and DEL never ask it.
docs/performance.md has the profile. What may be loaded after a full ADD is a list in tests/core/test_startup.py.

Rules: standard library only, and of that only what is cheap; verbs are imported when called; every error ends
here, as a JSON document on stdout and exit status 1 (conformance A52-A59).
"""

import _signal
import posix
from errno import EBADF, EISDIR
from time import monotonic

from genie_core.edges.cancel import Cancel
from genie_core.edges.files import read_all
from genie_core.edges.log import JSONLog
from genie_core.errors import DecodingFailure, GenieError, IncompatibleVersion, InvalidConfig, IOFailure
from genie_core.jsontext import encode
from genie_core.settings import Settings
from genie_core.spec.request import DELEGATE_MARK, VERBS, read_request
from genie_core.spec.versions import CURRENT, REPLY, SUPPORTED, at_least, require_supported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import NoReturn

    from genie_core.model import Request
    from genie_core.verbs.context import Context

    Run = Callable[[Request, Context], str]

MAX_STDIN_BYTES = 16 << 20
ABOUT = f"""\
Genie: a CNI plugin that calls the plugins that a pod's annotations name
CNI protocol versions supported: {", ".join(SUPPORTED)}
"""

# The launcher begins as a script of sh's, and shells add these, asked or not. A caller's own are lost with them: they
# say where another shell was.
_SHELL_ADDS = ("PWD", "OLDPWD", "SHLVL", "_")


def main(own: str) -> "NoReturn":
    """The process: `own` is the path of Genie's binary. Ends without the interpreter's shutdown, which costs 2 ms."""
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)  # a caller that ignores it hides how plugins ended
    env = _caller_environment()
    closed_stdin = occupy_standard_descriptors()
    posix._exit(run(env, 0, own, closed_stdin=closed_stdin))  # noqa: SLF001 (the name of exit(2))


def _caller_environment() -> dict[str, str]:
    """The environment as the caller gave it (B22): Python has written LC_CTYPE into its own copy (PEP 538)."""
    try:
        fd = posix.open("/proc/self/environ", posix.O_RDONLY | posix.O_CLOEXEC)
        try:
            entries = read_all(fd).split(b"\0")
        finally:
            posix.close(fd)
    except OSError:  # no /proc
        entries = [key + b"=" + value for key, value in posix.environ.items()]
    return environment_of(entries)


def environment_of(entries: "Iterable[bytes]") -> dict[str, str]:
    """The variables of an environment, without those of shells."""
    env: dict[str, str] = {}
    for entry in entries:
        key, equals, value = entry.decode("utf-8", "surrogateescape").partition("=")
        if equals and key and key not in _SHELL_ADDS:
            env.setdefault(key, value)  # of two, getenv(3) finds the first
    return env


def occupy_standard_descriptors() -> bool:
    """Keep 0, 1 and 2 from becoming one of our files where the caller closed them. True if stdin was closed."""
    closed_stdin = False
    for number in range(3):
        try:
            posix.fstat(number)
        except OSError:
            closed_stdin = closed_stdin or number == 0
            posix.open("/dev/null", posix.O_RDWR)
    return closed_stdin


def run(
    env: "Mapping[str, str]",
    stdin: int,
    own: str,
    *,
    closed_stdin: bool = False,
    stdout: int = 1,
    listening: Cancel | None = None,
    reaps: bool = True,
) -> int:
    """One call. `stdin` and `stdout` are descriptors. The exit status: 0, or 1 after an error document.

    `listening` already listens to signals; None: the call listens once it has begun. Without `reaps` the caller waits
    for the plugins' processes.
    """
    verb = env.get("CNI_COMMAND", "")
    if not verb:
        posix.write(2, ABOUT.encode("ascii"))
        return 0
    version = CURRENT
    log = JSONLog()
    try:
        if verb == "VERSION":
            text = REPLY
        elif DELEGATE_MARK in env:
            text = _refuse_own_call(verb, log)
        else:
            cancel = listening or Cancel()
            if not listening:
                cancel.listen()
            request = read_request(env, lambda: "" if closed_stdin else _read_stdin(stdin, cancel))
            version = _answer_version(request)
            text = _call(request, log, cancel, own, reaps)
    except GenieError as error:
        log.error("failed", code=error.code, msg=error.msg, details=error.details)
        return _print_error(stdout, version, error)
    except BaseException as error:  # noqa: BLE001 (the last resort: the runtime reads JSON, whatever happened)
        return _print_error(stdout, version, _internal(error, log))
    return _print(stdout, text) if text else 0


def _refuse_own_call(verb: str, log: JSONLog) -> str:
    """Answer a call that came from one of Genie's own delegates, before anything of its configuration is read.

    The configuration is that delegate's, perhaps written by the author of a definition: its directories, log file and
    API server are not this node's. DEL succeeds without doing anything, since no ADD of such a call ever attached
    anything, and a failure would keep the pod in Terminating.
    """
    problem = "Genie was called by a plugin that Genie itself had called: the network leads back to Genie"
    if verb == "DEL":
        log.warning("nothing released", problem=problem)
        return ""
    raise InvalidConfig(problem, hint="name another plugin as the IPAM plugin or delegate of that network")


def _call(request: "Request", log: JSONLog, cancel: Cancel, own: str, reaps: bool) -> str:
    """Run the verb. Raises GenieError."""
    verb = VERBS[request.verb]
    first = verb.since
    if first and not at_least(request.version, first):  # refuses with code 6 what is no version at all (A29)
        raise IncompatibleVersion(
            f"config version does not allow {request.verb}",
            details=f"config is {request.version!r}",
            hint=f"{request.verb} needs cniVersion {first} or newer",
        )
    require_supported(request.version)
    settings = Settings(request.config, forgiving=request.verb == "DEL")
    log.configure(settings.log_level, settings.log_file)
    log.context = {"verb": request.verb, "container": request.container_id, "interface": request.ifname}
    for problem in settings.problems:
        log.warning("setting ignored", problem=problem)
    from genie_core.verbs.context import Context

    context = Context(settings, log, cancel, request.env, request.path, own, reaps=reaps)
    started = monotonic()
    code = GenieError.code  # of a bug
    try:
        run: Run = __import__(f"genie_core.verbs.{verb.module}", fromlist=["run"]).run
        text = run(request, context)
        code = 0
    except GenieError as error:
        code = error.code
        raise
    finally:
        seconds = monotonic() - started
        if settings.metrics_file:
            _count(settings.metrics_file, request.verb, code, seconds, context)
    log.info("done", ms=round(seconds * 1000, 1))
    return text


def _count(path: str, verb: str, code: int, seconds: float, context: "Context") -> None:
    """Add the call to the counters; a failure to count is a warning."""
    from genie_core.edges.metrics_file import count
    from genie_core.metrics import Run

    runs = [Run(step.verb, step.network, step.type, spent) for step, _, spent in context.delegates.ran]
    try:
        count(path, verb, code, seconds, runs)
    except IOFailure as error:
        context.log.warning("call not counted", problem=error.msg)


def _answer_version(request: "Request") -> str:
    return request.version if request.version in SUPPORTED else CURRENT


def _read_stdin(fd: int, cancel: Cancel) -> str:
    """Everything on stdin; bytes that are not UTF-8 survive. Raises IOFailure, DecodingFailure (A19-A23)."""
    chunks, size = [], 0
    try:
        with cancel:
            while chunk := posix.read(fd, 1 << 16):
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_STDIN_BYTES:
                    raise IOFailure(f"error reading from stdin: more than {MAX_STDIN_BYTES >> 20} MiB")
    except OSError as error:
        if error.errno == EBADF:
            return ""
        reason = "it is a directory" if error.errno == EISDIR else posix.strerror(error.errno or 0)
        raise IOFailure(f"error reading from stdin: {reason}") from None
    text = b"".join(chunks)
    if text.startswith(b"\xef\xbb\xbf"):
        raise DecodingFailure("error unmarshall network config", details="it starts with a byte order mark")
    return text.decode("utf-8", "surrogateescape")


def _internal(error: BaseException, log: JSONLog) -> GenieError:
    """The error for a bug. The traceback goes to the log alone."""
    from traceback import format_exception  # 10 ms, when something is broken anyway

    log.error("internal error", traceback="".join(format_exception(error)))
    return GenieError(
        f"internal error: {type(error).__name__}",
        hint="this is a bug in Genie: please report it with the traceback in the log",
    )


def _print_error(stdout: int, version: str, error: GenieError) -> int:
    details = "; ".join(part for part in (error.details, error.hint) if part)
    document = {"cniVersion": version, "code": error.code, "msg": error.msg}
    if details:
        document["details"] = details
    _print(stdout, encode(document))
    return 1


def _print(stdout: int, text: str) -> int:
    """Write the one document. Where the runtime is gone, the state still has what was attached."""
    data = (text + "\n").encode("ascii")
    try:
        while data:
            data = data[posix.write(stdout, data) :]
    except OSError:
        return 1
    return 0
