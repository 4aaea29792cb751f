"""A node for black-box tests: the installed plugin, called as a runtime calls it, with scripted delegates.

Nothing here needs root or a network namespace: delegates are `probe`, CNI_NETNS is any path.
"""

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

PROBE = Path(__file__).with_name("probe")
POD_ANNOTATIONS = "io.kubernetes.cri.pod-annotations"
ARGS = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;K8S_POD_INFRA_CONTAINER_ID=cid1;K8S_POD_UID=u1"
VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
TIMEOUT_SECONDS = 100  # for a call that hangs; the longest takes two
# A line for `Node.answer`: the delegate works until the test calls `Node.release`, and not for ever where it does not.
HOLD = 'tries=0; until [ -e "$home/released" ] || [ $((tries += 1)) -gt 2000 ]; do sleep 0.05; done'


class Reply:
    """What a call answered."""

    def __init__(self, status, stdout, stderr):
        self.status = status
        self.stdout = stdout
        self.stderr = stderr

    def __repr__(self):
        return f"exit status {self.status}\nstdout: {self.stdout!r}\nstderr: {self.stderr}"

    @property
    def result(self):
        """The one JSON document of a success (A53: whatever followed it would not be JSON)."""
        assert self.status == 0, self
        return json.loads(self.stdout)

    @property
    def is_silent_success(self):
        """Whether it succeeded and printed nothing."""
        return (self.status, self.stdout) == (0, b"")

    def error(self, code):
        """The one JSON document of a failure, with this code; every failure has this shape (A52, A54)."""
        assert self.status == 1, self
        document = json.loads(self.stdout)
        assert document["code"] == code, self
        assert document["msg"], self
        assert set(document) <= {"cniVersion", "code", "msg", "details"}, self
        assert "Traceback" not in self.stdout.decode(), self
        return document

    def events(self, event):
        """The log lines of this name."""
        lines = (json.loads(line) for line in self.stderr.splitlines() if line.startswith("{"))
        return [line for line in lines if line["event"] == event]


class Call:
    """One run of a delegate, as the delegate saw it. `environ` holds the raw NAME=VALUE entries.

    `started` and `ended` are places in the order of what happened, None for what has not.
    """

    def __init__(self, log, order):
        head, _, self.stdin = log.read_bytes().partition(b"\0\0")
        argv0, *self.environ = os.fsdecode(head).split("\0")
        self.env = dict(entry.split("=", 1) for entry in self.environ)
        self.type = Path(argv0).name
        self.argv0 = argv0
        self.verb = self.env["CNI_COMMAND"]
        self.ifname = self.env["CNI_IFNAME"]
        self.started = order.get(f"{log.name} begins")
        self.ended = order.get(f"{log.name} ends")

    @property
    def config(self):
        return json.loads(self.stdin)

    def __repr__(self):
        return f"{self.verb} {self.type}@{self.ifname}"


def listens(pid):
    """Whether the process has a handler for SIGTERM, or blocks it to read it (proc(5), SigCgt and SigBlk)."""
    status = Path(f"/proc/{pid}/status").read_text()
    sets = (int(status.split(name)[1].split()[0], 16) for name in ("SigCgt:", "SigBlk:"))
    return any(numbers & (1 << (signal.SIGTERM - 1)) for numbers in sets)


class Node:
    """Directories of one test, and the calls on them. `config` is what every call's stdin begins with."""

    def __init__(self, genie, root):
        self.genie = genie
        self.root = root
        self.bin, self.conf, self.state = root / "bin", root / "net.d", root / "state"
        self.log, self.order, self.answers = root / "log", root / "order", root / "answers"
        for directory in (self.bin, self.conf, self.log, self.answers):
            directory.mkdir()
        self.netns = str(root / "netns")
        self.config = {
            "cniVersion": "1.1.0",
            "name": "genie",
            "type": "genie",
            "conf_dirs": [str(self.conf)],
            "bin_dirs": [],
            "state_dir": str(self.state),
        }

    # --- what is on the node

    def install(self, *types, directory=None):
        """Put the probe into a plugin directory under these names."""
        for type_ in types:
            path = (directory or self.bin) / type_
            if not path.is_symlink():
                path.symlink_to(PROBE)

    def network(self, name, *plugins, file=None, version="1.0.0", **fields):
        """A network whose chain is these types, or plugin objects; the one of its own name by default."""
        entries = [{"type": item} if isinstance(item, str) else item for item in plugins or [name]]
        self.install(*(entry["type"] for entry in entries))
        return self.file(
            file or f"10-{name}.conflist",
            {"cniVersion": version, "name": name, "plugins": entries, **fields},
        )

    def networks(self, *names):
        for name in names:
            self.network(name)

    def file(self, name, content):
        """A file in the configuration directory: text, bytes, or an object to encode."""
        data = content if isinstance(content, str | bytes) else json.dumps(content)
        path = self.conf / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def answer(self, verb, type_=None, *, shell="", stdout="", stderr="", sleep=0, kill="", status=0):
        """Set a delegate's behaviour: that of `type_` ("a" or "a.eth1"), or of all. `stdout` may be an object."""
        text = stdout if isinstance(stdout, str) else json.dumps(stdout)
        lines = [shell]
        if stderr:
            lines.append(f"printf '%s' {shlex.quote(stderr)} >&2")
        if sleep:
            lines.append(f"sleep {sleep}")
        if text:
            lines.append(f"printf '%s' {shlex.quote(text)}")
        if kill:
            lines.append(f"kill -{kill} $$")
        lines.append(f"exit {status}")
        (self.answers / (f"{verb}.{type_}" if type_ else verb)).write_text("\n".join(lines) + "\n")

    def fail(self, verb, type_=None, *, code=7, msg="no", **fields):
        """Let a delegate fail with an error document."""
        self.answer(verb, type_, stdout={"code": code, "msg": msg, **fields}, status=1)

    def release(self):
        """Let the delegates continue that HOLD holds, and later ones."""
        (self.root / "released").touch()

    def heal(self):
        """Let every delegate answer as at first."""
        for path in self.answers.iterdir():
            path.unlink()

    # --- calling the plugin

    def environment(self, verb, **changes):
        """The CNI variables of a call; None leaves one out."""
        env = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": "cid1",
            "CNI_NETNS": self.netns,
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.bin),
            "CNI_ARGS": ARGS,
        }
        return {key: value for key, value in {**env, **changes}.items() if value is not None}

    def stdin(self, annotations=None, **changes):
        """The configuration on stdin; `annotations` are passed as containerd passes them, None leaves a key out."""
        config = {**self.config, **changes}
        if annotations is not None:
            config["runtimeConfig"] = {**config.get("runtimeConfig", {}), POD_ANNOTATIONS: annotations}
        return json.dumps({key: value for key, value in config.items() if value is not None}).encode()

    def start(self, verb, *, env=None, stdin=None, wrap=(), genie=None, **changes):
        """Begin a call, with nothing in the environment but the CNI variables."""
        process = subprocess.Popen(
            [*wrap, genie or self.genie],
            env=self.environment(verb, **(env or {})),
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        return Running(process, self.stdin(**changes) if stdin is None else stdin)

    def call(self, verb, **options):
        """Make a call and wait for its answer."""
        return self.start(verb, **options).wait()

    def add(self, cni=None, **options):
        """ADD of a pod whose annotation `cni` is this; of one without annotations for None."""
        options.setdefault("annotations", {} if cni is None else {"cni": cni})
        return self.call("ADD", **options)

    def delete(self, **options):
        return self.call("DEL", **options)

    def check(self, **options):
        """CHECK with a prevResult, as runtimes pass it."""
        options.setdefault("prevResult", {"cniVersion": "1.1.0"})
        return self.call("CHECK", **options)

    def gc(self, *pairs, **options):
        """GC; `pairs` are the (container, interface) that are still attached."""
        valid = [{"containerID": container, "ifname": ifname} for container, ifname in pairs]
        return self.call("GC", **{"cni.dev/valid-attachments": valid, **options})

    # --- what happened

    def calls(self, verb=None):
        """The delegates' runs so far, in order."""
        logs = [path for path in self.log.iterdir() if b"\0\0" in path.read_bytes()]
        lines = self.order.read_text().splitlines() if self.order.exists() else []
        order = {line: place for place, line in enumerate(lines)}
        calls = [Call(path, order) for path in sorted(logs, key=lambda path: int(path.name))]
        return [call for call in calls if verb in (None, call.verb)]

    def said(self, verb=None):
        """The delegates' runs so far, in short: `ADD a@eth0`."""
        return [repr(call) for call in self.calls(verb)]

    def forget_calls(self):
        for path in (*self.log.iterdir(), self.order):
            path.unlink(missing_ok=True)

    def states(self):
        """The state files."""
        folder = self.state / "containers"
        return sorted(folder.iterdir()) if folder.is_dir() else []

    def leftovers(self):
        """Every file in the state directory, except the node's locks, which stay."""
        files = (path.relative_to(self.state) for path in self.state.rglob("*") if path.is_file())
        return sorted(str(path) for path in files if path.parts[0] not in ("lock", "slots"))


class Running:
    """A call that has begun."""

    def __init__(self, process, stdin):
        self.process = process
        self._stdin = stdin

    def wait(self):
        try:
            stdout, stderr = self.process.communicate(self._stdin, timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
            raise
        return Reply(self.process.returncode, stdout, stderr.decode(errors="replace"))

    def feed(self):
        """Write stdin now, for a test that does something before it waits for the answer."""
        self.process.stdin.write(self._stdin)
        self.process.stdin.close()
        self.process.stdin = None
        self._stdin = None
        return self

    def signal(self, number):
        self.process.send_signal(number)
        return self
