"""Container runtimes as the plugin sees them, replayed: what libcni makes of an installed conflist, for each of them.

    Containerd  1.7, go-cni: labels in random order, runtimeConfig with Go's capitals
    CRIO        ocicni: VERSION of every plugin at load, CHECK right after ADD, STATUS, GC
    Podman      no pod but a container's name; aliases and static addresses
    Nerdctl     go-cni in an OCI hook: not even a name, never a namespace on DEL

The library: libcni/api.go (buildOneConfig, injectRuntimeConfig), pkg/invoke/args.go (AsEnv), pkg/version.
"""

import json
import random
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from tests.runtime.containerd import uid_of
from tests.system.node import Outcome

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SYSTEMD = {
    "INVOCATION_ID": "4f1c5d0b5c0a4f64b3ed3f3a57b0ad0e",
    "JOURNAL_STREAM": "8:23117",
    "LANG": "C.UTF-8",
    "NOTIFY_SOCKET": "/run/systemd/notify",
    "PATH": PATH,
    "SYSTEMD_EXEC_PID": "812",
}


@dataclass(frozen=True, kw_only=True)
class Pod:
    """What a runtime is asked to attach. `ports` are (host port, container port)."""

    name: str
    netns: str
    annotations: dict = field(default_factory=dict)
    ports: tuple = ()

    @property
    def container(self):
        return uid_of(self.name).replace("-", "") * 2


class Runtime:
    """libcni in a runtime's hands. `seen` is what it remembers: container -> the result of its ADD."""

    environ: ClassVar[dict] = _SYSTEMD
    newest = "1.1.0"  # the newest cniVersion that its libcni knows

    def __init__(self, node):
        self.node = node
        self.conflist = json.loads((node.conf / "00-genie.conflist").read_text())
        self.seen = {}

    # --- what differs -----------------------------------------------------------------------------------

    def container(self, pod):
        return pod.container

    def args(self, pod):
        """CNI_ARGS, as pairs."""
        return [("IgnoreUnknown", "1")]

    def capabilities(self, pod):
        """What it offers as runtimeConfig; the configuration says what of it is passed on."""
        return {}

    def netns_for_release(self, pod):
        return pod.netns

    # --- its calls --------------------------------------------------------------------------------------

    def add(self, pod):
        """Attach it: the Outcome."""
        outcome = self._call_for("ADD", pod, None)
        if outcome.status == 0:
            self.seen[self.container(pod)] = outcome.reply
        else:
            self.delete(pod)  # they all do
        return outcome

    def delete(self, pod):
        """Release it, which must succeed."""
        outcome = self._call_for("DEL", pod, self.seen.pop(self.container(pod), None))
        assert (outcome.status, outcome.reply) == (0, None), outcome

    # --- libcni -----------------------------------------------------------------------------------------

    def version(self):
        """Of `cniVersions` the newest that this libcni knows; older ones read `cniVersion` alone."""
        listed = self.conflist["cniVersions"] if self.newest >= "1.1.0" else []
        return max([self.conflist["cniVersion"], *(one for one in listed if one <= self.newest)])

    def _call_for(self, verb, pod, previous):
        netns = self.netns_for_release(pod) if verb == "DEL" else pod.netns
        args = ";".join(f"{key}={value}" for key, value in self.args(pod))
        more = {"prevResult": previous} if previous else {}
        wanted = self.conflist["plugins"][0].get("capabilities", {})
        passed = {key: value for key, value in self.capabilities(pod).items() if wanted.get(key)}
        if passed:
            more["runtimeConfig"] = passed
        return self.call(verb, container=self.container(pod), netns=netns, args=args, ifname="eth0", **more)

    def call(self, verb, *, container="", netns="", args="", ifname="", **more):
        """One call with libcni's environment and standard input."""
        plugin = self.conflist["plugins"][0]
        document = {**plugin, "name": self.conflist["name"], "cniVersion": self.version(), **more}
        stdin = json.dumps(document, sort_keys=True, separators=(",", ":"))
        env = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": netns,
            "CNI_ARGS": args,
            "CNI_IFNAME": ifname,
            "CNI_PATH": str(self.node.bin),
        }
        return self.execute(plugin["type"], env, stdin)

    def execute(self, type_, env, stdin):
        command = ["nsenter", f"--net={self.node.host.path}", "--", str(self.node.bin / type_)]
        done = subprocess.run(
            command,
            env={**self.environ, **env},
            input=stdin,
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
            timeout=240,
        )
        reply = json.loads(done.stdout) if done.stdout.strip() else None
        return Outcome(status=done.returncode, reply=reply, stderr=done.stderr)


class Kubernetes(Runtime):
    """A runtime that kubelet drives."""

    def args(self, pod):
        return [
            ("IgnoreUnknown", "1"),
            ("K8S_POD_NAMESPACE", "default"),
            ("K8S_POD_NAME", pod.name),
            ("K8S_POD_INFRA_CONTAINER_ID", self.container(pod)),
            ("K8S_POD_UID", uid_of(pod.name)),
        ]

    def capabilities(self, pod):
        offered = {
            "io.kubernetes.cri.pod-annotations": {
                **pod.annotations,
                "kubernetes.io/config.source": "api",
                "kubernetes.io/config.seen": "2026-01-01T00:00:00.000000000Z",
            },
            "cgroupPath": f"/kubepods/besteffort/pod{uid_of(pod.name)}",
        }
        if pod.ports:
            offered["portMappings"] = [self.port_mapping(*pair) for pair in pod.ports]
        rates = (pod.annotations.get(f"kubernetes.io/{way}-bandwidth") for way in ("ingress", "egress"))
        if bandwidth := self.bandwidth(*(int(rate[:-1]) * 10**6 for rate in rates if rate)):
            offered["bandwidth"] = bandwidth
        return offered

    def port_mapping(self, host, container):
        return {"hostPort": host, "containerPort": container, "protocol": "tcp", "hostIP": ""}

    def bandwidth(self, ingress=0, egress=0):
        burst = 2**31 - 1  # bits: kubelet's plugins had math.MaxInt32 as well
        limits: dict = {}
        if ingress:
            limits |= {"ingressRate": ingress, "ingressBurst": burst}
        if egress:
            limits |= {"egressRate": egress, "egressBurst": burst}
        return limits


class Containerd(Kubernetes):
    """Its go-cni: go-cni/types.go has no JSON tags, go-cni/opts.go keeps labels in a map."""

    newest = "1.0.0"

    def args(self, pod):
        return random.sample(args := super().args(pod), len(args))

    def port_mapping(self, host, container):
        return {"HostPort": host, "ContainerPort": container, "Protocol": "tcp", "HostIP": ""}

    def bandwidth(self, ingress=0, egress=0):
        limits = super().bandwidth(ingress, egress)
        return {key[0].upper() + key[1:]: value for key, value in limits.items()}

    def netns_for_release(self, pod):
        return pod.netns if Path(pod.netns).exists() else ""


class CRIO(Kubernetes):
    """ocicni/pkg/ocicni/ocicni.go."""

    environ: ClassVar[dict] = {**_SYSTEMD, "GOTRACEBACK": "crash"}

    def capabilities(self, pod):
        """Host ports are its own business (internal/hostport)."""
        return super().capabilities(replace(pod, ports=()))

    def load(self):
        """At start, and whenever the directory changes: VERSION of every plugin of every file (A32)."""
        fake = {"CNI_NETNS": "dummy", "CNI_IFNAME": "dummy", "CNI_PATH": "dummy"}
        env = {"CNI_COMMAND": "VERSION", "CNI_CONTAINERID": "", "CNI_ARGS": "", **fake}
        supported = {}
        for path in sorted(self.node.conf.glob("*.conf*")):
            document = json.loads(path.read_text())
            for plugin in document.get("plugins", [document]):
                answer = self.execute(plugin["type"], env, '{"cniVersion":"1.1.0"}')
                assert answer.status == 0, answer
                supported[plugin["type"]] = answer.reply["supportedVersions"]
        return supported

    def add(self, pod):
        """networkStart: ADD, and the pod's status at once, for which CHECK must pass (A73)."""
        outcome = super().add(pod)
        if outcome.status == 0:
            self.check(pod)
        return outcome

    def check(self, pod):
        outcome = self._call_for("CHECK", pod, self.seen[self.container(pod)])
        assert (outcome.status, outcome.reply) == (0, None), outcome

    def status(self):
        return self.call("STATUS")

    def collect_garbage(self, pods):
        """GC; without pods libcni's list is nil, which Go writes as null (A79)."""
        valid = [{"containerID": self.container(pod), "ifname": "eth0"} for pod in pods] or None
        return self.call("GC", **{"cni.dev/valid-attachments": valid, "cni.dev/attachments": valid})


class Podman(Runtime):
    """libpod/network/cni/run.go, with a user's environment. Annotations and pods mean nothing to it."""

    newest = "1.0.0"
    environ: ClassVar[dict] = {
        "HOME": "/root",
        "LANG": "de_DE.UTF-8",
        "PATH": PATH,
        "SHELL": "/bin/bash",
        "TERM": "xterm",
    }
    address = ""

    def args(self, pod):
        static = [("IP", self.address)] if self.address else []
        return [("IgnoreUnknown", "1"), ("K8S_POD_NAME", pod.name), *static]

    def capabilities(self, pod):
        mappings = [
            {"hostPort": host, "containerPort": container, "protocol": "tcp", "hostIP": ""}
            for host, container in pod.ports
        ]
        aliases = {"aliases": {self.conflist["name"]: [pod.container[:12]]}}
        return {**aliases, "portMappings": mappings} if mappings else aliases


class Nerdctl(Containerd):
    """pkg/ocihook/ocihook.go, at createRuntime and postStop."""

    newest = "1.1.0"
    environ: ClassVar[dict] = {"HOME": "/root", "PATH": PATH, "XDG_RUNTIME_DIR": "/run/user/0"}

    def netns_for_release(self, pod):
        return ""

    def container(self, pod):
        return f"default-{pod.container}"

    def args(self, pod):
        return [("IgnoreUnknown", "1")]

    def capabilities(self, pod):
        return {"portMappings": [self.port_mapping(*pair) for pair in pod.ports]} if pod.ports else {}
