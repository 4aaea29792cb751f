"""The files and variables of a case's parts, and one call of the plugin with them.

    stdin, CNI_*            what the runtime passes; a variable without a part is not set
    net.d/FILE              a configuration file; other files below the root likewise (kubeconfig, token)
    api/PLURAL              the raw HTTP answer to requests for objects of that kind; none: connection closed
    VERB.stdout, VERB.stderr, VERB.status    what the delegates answer to VERB
    annotations             the text in the place of `"@ANNOTATIONS@"` in stdin
    before                  a verb that is called first, with the target's own parts

`@ROOT@` in a part stands for the scratch directory, `@BOOT@` for the identity of this boot.
"""

import gc
import json
import os
import resource
import shutil
import signal
import time
from pathlib import Path
from typing import NamedTuple

from genie_core import plugin
from genie_core.edges.store import boot_id

ANNOTATIONS = b"@ANNOTATIONS@"
# A delegate that answers as written down, and else as a good plugin does.
# It notes what it was given, with what the shell itself can do: another program would cost a millisecond.
DELEGATE = b"""#!/bin/sh
{
    printf '%s\\n' "$CNI_COMMAND"
    while IFS= read -r line || [ "$line" ]; do printf '%s\\n' "$line"; done
    printf '\\0'
} >>"${0%/*}/../given"
answer=${0%/*}/../answers/$CNI_COMMAND
[ ! -f "$answer" ] || . "$answer"
[ "$CNI_COMMAND" = ADD ] || exit 0
printf '{"cniVersion": "1.0.0", "interfaces": [{"name": "%s", "sandbox": "%s"}], ' "$CNI_IFNAME" "$CNI_NETNS"
printf '"ips": [{"address": "10.0.0.2/24", "interface": 0}]}'
"""
TYPES = [
    "a",
    "b",
    "c",
    "bandwidth",
    "bridge",
    "calico",
    "cilium-cni",
    "flannel",
    "macvlan",
    "portmap",
    "weave-net",
]
LIMIT_SECONDS = 100
LIMIT_BYTES = 2 << 30
_LASTING = {"answers", "api", "bin", "net.d", "netns", "current"}
_OUTPUTS = ("stdout", "stderr", "status")
_LONGEST_VARIABLE = 100_000  # bytes; execve(2) takes 131,072 less the name, and no NUL (MAX_ARG_STRLEN)
_OLD = (1e9, 1e9)  # a file that changed just now is read twice


class Answer(NamedTuple):
    """A call's answer and cost: `seconds` do not count those in which another process had the processor."""

    verb: str
    status: int
    stdout: bytes
    stderr: bytes
    seconds: float
    leaks: list[str]


class Hang(BaseException):
    """A call that does not end."""


class World:
    """A node below `root`, which is the sandbox's. `base` are the parts of a target that a case does not name.

    A call waits `api_seconds` for the API server, at most: it repeats what was answered in a way that no server does.
    `patient`: it waits no shorter, whatever the case says.
    """

    def __init__(self, root, base, api_seconds=0.1, *, patient=False):
        self.root = Path(root)
        self.base = base
        self._api_seconds = api_seconds
        self._patient = patient
        self._written = {}
        self._boot = boot_id().encode()
        for folder in ("bin", "net.d", "answers", "api"):
            shutil.rmtree(self.root / folder, ignore_errors=True)
            (self.root / folder).mkdir()
        for name in TYPES:
            path = self.root / "bin" / name
            path.write_bytes(DELEGATE)
            path.chmod(0o755)
        gc.freeze()  # so that looking for cycles means a case's
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT_BYTES, LIMIT_BYTES))

    def play(self, case):
        """The answers: to the call that comes before, if any; to the call; to the DEL that follows."""
        parts = {**self.base, **case}
        self._write(parts)
        answers = []
        verb = os.fsdecode(parts.get("CNI_COMMAND", b""))
        before = os.fsdecode(parts.get("before", b""))
        if before:
            answers.append(self._call({**self.base, "CNI_COMMAND": before.encode()}))
        answers.append(self._call(parts))
        if verb == "ADD":
            answers.append(self._call({**parts, "CNI_COMMAND": b"DEL"}))
        return answers

    def held(self):
        """The attachments of the state directory, unfinished ones too."""
        folders = (self.root / "state" / name for name in ("containers", "locks", "tmp"))
        return [
            str(path.relative_to(self.root))
            for folder in folders
            if folder.is_dir()
            for path in folder.iterdir()
        ]

    def given(self):
        """(verb, stdin) of each delegate that was called in this case."""
        try:
            calls = (self.root / "given").read_bytes().split(b"\0")[:-1]
        except FileNotFoundError:
            return []
        return [(verb.decode(), data) for verb, _, data in (call.partition(b"\n") for call in calls)]

    def heal(self, parts):
        """The same DEL again, with delegates that work."""
        for name in [name for name in self._written if name.startswith("answers/")]:
            self._remove(name)
        return self._call({**parts, "CNI_COMMAND": b"DEL"})

    def clear(self):
        """Nothing is left for the next case."""
        for name in set(os.listdir(self.root)) - _LASTING:
            path = self.root / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            self._written = {
                file: data for file, data in self._written.items() if file.partition("/")[0] != name
            }

    # --- files

    def _write(self, parts):
        files = {name: data for name, data in parts.items() if "/" in name or name in ("kubeconfig", "token")}
        for verb in {name.partition(".")[0] for name in parts if name.partition(".")[2] in _OUTPUTS}:
            files |= self._outputs(verb, parts)
        for name in [name for name in self._written if name not in files]:
            self._remove(name)
        for name, given in files.items():
            data = self._placed(given)
            if self._written.get(name) != data:
                path = self.root / name
                path.parent.mkdir(0o700, parents=True, exist_ok=True)
                path.write_bytes(data)
                os.utime(path, _OLD)
                self._written[name] = data

    def _outputs(self, verb, parts):
        """The files by which the delegates know what to answer to a verb."""
        out, err, status = (parts.get(f"{verb}.{kind}") for kind in _OUTPUTS)
        script = b"".join(
            f"cat '@ROOT@/answers/{verb}.{kind}'{to}\n".encode()
            for kind, data, to in (("stderr", err, " >&2"), ("stdout", out, ""))
            if data is not None
        )
        files = {f"answers/{verb}": script + b"exit %d\n" % int(status or b"0")}
        if out is not None:
            files[f"answers/{verb}.stdout"] = out
        if err is not None:
            files[f"answers/{verb}.stderr"] = err
        return files

    def _remove(self, name):
        (self.root / name).unlink()
        del self._written[name]

    def _placed(self, data):
        return data.replace(b"@ROOT@", os.fsencode(self.root)).replace(b"@BOOT@", self._boot)

    # --- the call

    def _call(self, parts):
        env = {
            name: os.fsdecode(self._placed(data).replace(b"\0", b"")[:_LONGEST_VARIABLE])
            for name, data in parts.items()
            if name.startswith("CNI_")
        }
        text = _timed(parts["stdin"], self._api_seconds, patient=self._patient)
        text = text.replace(b'"%s"' % ANNOTATIONS, parts.get("annotations", b"null"))
        before = _held_by_process()
        started = time.perf_counter() - _delay()
        status, out, err = _captured(
            lambda stdin, stdout: plugin.run(env, stdin, "", stdout=stdout), self._placed(text)
        )
        seconds = time.perf_counter() - _delay() - started
        leaks = _held_by_process() - before  # what an earlier call left to the garbage may end meanwhile
        if leaks:
            gc.collect()  # a connection to the API server ends with the process, and here with its last reference
            leaks = _held_by_process() - before
        return Answer(env.get("CNI_COMMAND", ""), status, out, err, seconds, sorted(leaks))


def _captured(run, stdin):
    """Its value, stdout and stderr. Signals are the caller's again afterwards; what hangs is ended."""
    files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    own = os.dup(2)
    try:
        os.write(files[0], stdin)
        os.lseek(files[0], 0, 0)
        os.dup2(files[2], 2)
        signal.setitimer(signal.ITIMER_REAL, LIMIT_SECONDS)
        status = run(files[0], files[1])
        return status, *(os.pread(fd, os.fstat(fd).st_size, 0) for fd in files[1:])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.dup2(own, 2)
        for fd in (own, *files):
            os.close(fd)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _delay():
    """Seconds in which this process could run and another had the processor (proc_pid_schedstat(5))."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def _timed(data, seconds, *, patient):
    """The configuration with this limit for the API server where it has a longer one; `patient`: or a shorter one."""
    try:
        config = json.loads(data.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return data
    if not isinstance(config, dict) or not config:
        return data
    given = config.get("api_timeout_seconds", 30)
    if given is not None and not (isinstance(given, int | float) and given > (0 if patient else seconds)):
        return data
    return b'%s, "api_timeout_seconds": %g}' % (data.rstrip()[:-1], seconds)  # the last one counts


def _held_by_process():
    """The descriptors and children that this process has."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        children = {f"process {pid}" for pid in file.read().split()}
    listed = [fd for fd in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{fd}")]
    return {f"descriptor {fd}" for fd in listed} | children  # without that of the listing itself


def _hang(_number, _frame):
    raise Hang(f"no answer after {LIMIT_SECONDS} seconds")


signal.signal(signal.SIGALRM, _hang)
