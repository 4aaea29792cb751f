"""Why a plugin failed, as the error that the runtime gets. Cold: only a failure comes here."""

import posix
from errno import EACCES, ENOENT, ENOEXEC, ETXTBSY

from genie_core.errors import DELEGATE_FAILED, UNKNOWN_CONTAINER, DelegateFailed
from genie_core.gojson import view
from genie_core.jsontext import JSONError, decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from genie_core.steps import Invoke

_MAX_CODE = 0xFFFFFFFF  # a `uint` of the runtime's, which would refuse the whole error for a larger one
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

_WHY = {
    ENOENT: "the interpreter in its first line, or the loader that it names, does not exist",
    EACCES: "it is not executable, or on a file system mounted noexec",
    ENOEXEC: "it is neither a program for this machine nor a script with a #! line",
    ETXTBSY: "text file busy: a process is writing to it",
}


def cannot_execute(step: "Invoke", binary: str, error: OSError) -> DelegateFailed:
    """Why a plugin's file could not be started."""
    why = _WHY.get(error.errno or 0, posix.strerror(error.errno or 0))
    return DelegateFailed(
        f"{step.where}: cannot execute {binary}: {why}", hint="install the plugin's binary again"
    )


def failure(step: "Invoke", status: int, out: str, err: str) -> DelegateFailed:
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
