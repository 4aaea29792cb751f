"""A throw-away node with Genie installed on it, and the runtime that calls it.

The node is a network namespace that stands for the host, so that no bridge and no firewall rule is the machine's
own, and a folder with everything that is written: configuration, leases, state. `Node.trace()` says what is
there; a test compares it with what was there before (`audit.py`).
"""

import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genie_core import __version__
from genie_core.plan import POD_ANNOTATIONS
from genie_core.tasks.install.run import InstallOptions, install
from tests import compiled
from tests.netns import Namespace
from tests.system import audit
from tests.test_lint import ROOT

CNI_BIN = Path("/usr/lib/cni")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
TIMEOUT = 120  # seconds; a call that takes longer hangs
OTHER = "99.0.0"  # a version that is not this one

# Three attachments as in the field: a bridge and a point-to-point link with masquerading, and a macvlan.
THREE = "blue,red@net1,green@net2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a call. `reply` is the JSON document on stdout, None where there was none."""

    status: int
    reply: Any
    stderr: str

    @property
    def killed(self):
        return self.status in (-signal.SIGKILL, 128 + signal.SIGKILL)

    @property
    def events(self):
        """The log's lines."""
        return [json.loads(line) for line in self.stderr.splitlines() if line.startswith("{")]


def install_plugin(directory, **options):
    """Genie's folder for plugins, as `genie install` fills it."""
    compiled.add_to(directory / "bin")
    report = install(InstallOptions(bin_dir=directory / "bin", conf_dir=directory / "conf", **options))
    return report.launcher.parent


def other_version(folder):
    """The folder, with this code in it as the version `OTHER`."""
    for package in ("genie_core", "genie_cli"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.pyc.*"))
    module = folder / "genie_core/__init__.py"
    module.write_text(module.read_text().replace(f'"{__version__}"', f'"{OTHER}"'))
    return folder


class Node:
    """`root` is its folder, `plugins` the folder that Genie was installed into."""

    def __init__(self, root, plugins):
        self.root = root
        self.plugins = plugins
        self.conf = root / "conf"
        self.leases = root / "leases"
        self.state = root / "state"
        self.binaries = [CNI_BIN]
        self.settings: dict[str, Any] = {"log_level": "debug"}
        self.conf.mkdir(parents=True)
        self.attach_host()
        self.pods = [Namespace()]

    @property
    def pod(self):
        return self.pods[0]

    def attach_host(self):
        """A new namespace for the host, as after a boot."""
        self.host = Namespace()
        self.host.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up1")
        self.host.run("ip", "link", "set", "up0", "up")
        self.host.run("ip", "link", "set", "up1", "up")

    def add_pod(self):
        self.pods.append(Namespace())
        return self.pods[-1]

    def remove(self):
        for namespace in (*self.pods, self.host):
            namespace.remove()

    # --- networks ---------------------------------------------------------------------------------------

    def ipam(self, *subnets):
        return {
            "type": "host-local",
            "dataDir": str(self.leases),
            "ranges": [[{"subnet": subnet}] for subnet in subnets],
        }

    def configure(self, file, document):
        path = self.conf / file
        path.write_text(json.dumps(document))
        return path

    def configure_three(self):
        """Networks blue (bridge), red (ptp) and green (macvlan); blue is the default one."""
        bridge = {"type": "bridge", "bridge": "br0", "isGateway": True, "ipMasq": True}
        self._single("10-blue.conf", "blue", **bridge, ipam=self.ipam("10.1.0.0/16"))
        self._single("20-red.conf", "red", type="ptp", ipMasq=True, ipam=self.ipam("10.2.0.0/16"))
        self._single("30-green.conf", "green", type="macvlan", master="up0", ipam=self.ipam("10.3.0.0/16"))
        self.settings["default_plugin"] = "blue"

    def _single(self, file, name, **plugin):
        self.configure(file, {"cniVersion": "1.0.0", "name": name, **plugin})

    def wrap(self, plugin, script):
        """Put a shell script in front of a plugin; it ends with `exec "$REAL"`, or does not."""
        folder = self.root / "wrapped"
        folder.mkdir(exist_ok=True)
        file = folder / plugin
        file.write_text(f"#!/bin/sh\nREAL={CNI_BIN / plugin}\n{script}\n")
        file.chmod(0o755)
        self.binaries = [folder, CNI_BIN]

    # --- calls ------------------------------------------------------------------------------------------

    def stdin(self, *, annotations=None, runtime=None, version="1.0.0", **more):
        """What the runtime puts on stdin: Genie's configuration, with annotations and capability arguments."""
        capabilities = {
            **(runtime or {}),
            **({POD_ANNOTATIONS: annotations} if annotations is not None else {}),
        }
        document = {
            "cniVersion": version,
            "name": "genie",
            "type": "genie",
            "conf_dirs": [str(self.conf)],
            "bin_dirs": [str(self.plugins)],
            "state_dir": str(self.state),
            **self.settings,
            **({"runtimeConfig": capabilities} if capabilities else {}),
        }
        return json.dumps({**document, **more})

    def env(self, verb, container="c1", netns=None, ifname="eth0"):
        """The whole environment of a call; `netns` is this node's first pod unless given."""
        path = str(self.pod.path) if netns is None else str(netns)
        return {
            "PATH": PATH,
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": path,
            "CNI_IFNAME": ifname,
            "CNI_PATH": ":".join(str(folder) for folder in (self.plugins, *self.binaries)),
        }

    def inside(self, *argv):
        """The command, on this node."""
        return ["nsenter", f"--net={self.host.path}", "--", *(str(word) for word in argv)]

    def start(self, env, stdin, *, wrap=(), extra_env=None, **options):
        """Start the plugin; its Popen. `wrap` are words before its command, such as strace's."""
        process = subprocess.Popen(
            self.inside(*wrap, self.plugins / "genie"),
            env={**env, **(extra_env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            **options,
        )
        assert process.stdin
        try:
            os.write(process.stdin.fileno(), stdin.encode())  # small enough for the pipe
        except BrokenPipeError:  # VERSION reads nothing, nor does a call that is killed
            pass
        process.stdin.close()
        process.stdin = None
        return process

    def call(self, verb, container="c1", *, netns=None, ifname="eth0", wrap=(), env=None, **document):
        """One call from start to end."""
        process = self.start(
            self.env(verb, container, netns, ifname), self.stdin(**document), wrap=wrap, extra_env=env
        )
        return finish(process)

    def add(self, cni=THREE, container="c1", **more):
        """An ADD that must succeed: its result."""
        outcome = self.call("ADD", container, annotations={"cni": cni}, **more)
        assert outcome.status == 0, outcome
        return outcome.reply

    def delete(self, container="c1", **more):
        """A DEL that must succeed, and print nothing (conformance A60)."""
        outcome = self.call("DEL", container, **more)
        assert (outcome.status, outcome.reply) == (0, None), outcome
        return outcome

    # --- what is there ----------------------------------------------------------------------------------

    def trace(self):
        """Everything that networks leave behind, as lines."""
        return audit.trace(self)

    def state_files(self):
        """The recorded containers."""
        return sorted(path.name for path in self.state.glob("containers/*"))

    def held(self):
        """The addresses that are given away."""
        return sorted(path.name for path in audit.lease_files(self.leases))


def finish(process, timeout=TIMEOUT):
    """The outcome of a process that `Node.start` started."""
    out, err = process.communicate(timeout=timeout)
    return Outcome(
        status=process.returncode,
        reply=json.loads(out) if out.strip() else None,
        stderr=err.decode("utf-8", "replace"),
    )
