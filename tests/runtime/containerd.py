"""Debian's containerd with a root, state, socket and CNI directories of its own, and its client: kubelet's side of CRI.

It runs on the network namespace `host`, in mount and PID namespaces that are its alone: `/run` and `/var/lib` are
folders below `root`, so nothing that it, its shims or the CNI plugins write is the machine's. The PID namespace's
first process waits for the end of its standard input; with it everything ends that containerd has started.
"""

import json
import os
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import grpc
from cri_api.v1 import api_pb2 as cri
from cri_api.v1.api_pb2_grpc import RuntimeServiceStub

from . import image

START_SECONDS = 120
_SNAPSHOTS = ("--snapshotter", "native")
CALL_SECONDS = 120

_CONFIG = """
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.tracing", "io.containerd.nri.v1.nri"]
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  sandbox_image = "{image}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{bin_dir}"
    conf_dir = "{conf_dir}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""

# Of CNI's directories `ctr` knows only the usual ones: those show containerd's directories.
_INIT = """\
mount --bind "$1/run" /run && mount --bind "$1/lib" /var/lib || exit
mount -t tmpfs none /opt/cni && mkdir /opt/cni/bin && mount --bind "$2" /opt/cni/bin || exit
mount -t tmpfs none /etc/cni && mkdir /etc/cni/net.d && mount --bind "$3" /etc/cni/net.d || exit
echo ready && read -r _
"""


def _namespaces(host, init, *folders):
    """The process that holds them; it ends when its standard input does."""
    unshare = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", init, "sh"]
    command = ["nsenter", f"--net={host.path}", "--", *unshare, *map(str, folders)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout
    assert holder.stdout.readline() == b"ready\n"
    return holder


class Containerd:
    """The runtime. It reads CNI from `bin_dir` and `conf_dir`; `root` is a short path (sockets have 108 bytes)."""

    def __init__(self, root, host, bin_dir, conf_dir, *, init=_INIT):
        self.lib = root / "lib"
        self.log = root / "containerd.log"
        self._config = root / "config.toml"
        self.socket = root / "c.sock"
        self._cgroup = f"genie-{host.name}"
        self._daemon: Any = None
        self._channel: Any = None
        self.client: Any = None
        for folder in ("run/netns", "lib/cni"):
            (root / folder).mkdir(parents=True)
        self._config.write_text(
            _CONFIG.format(socket=self.socket, image=image.NAME, bin_dir=bin_dir, conf_dir=conf_dir)
        )
        image.write(self.lib / "pause.tar")
        self._spaces = _namespaces(host, init, root, bin_dir, conf_dir)

    # --- its life ---------------------------------------------------------------------------------------

    def command(self):
        """The words that start it."""
        return ["containerd", "--config", self._config]

    def start(self):
        """Start the daemon and wait until it answers and has a network."""
        with self.log.open("ab") as log:
            self._daemon = subprocess.Popen(self.inside(*self.command()), stdout=log, stderr=log)
        patience = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 200)]
        self._channel = grpc.insecure_channel(f"unix://{self.socket}", options=patience)
        self.client = RuntimeServiceStub(self._channel)
        self._wait(self._answers)

    def import_image(self):
        """Give it the sandbox image, for its CRI and for `ctr`."""
        for namespace in ("k8s.io", "default"):
            self.ctr("--namespace", namespace, "images", "import", *_SNAPSHOTS, "/var/lib/pause.tar")

    def kill(self):
        """SIGKILL, as from the kernel that is out of memory: sandboxes and their shims live on."""
        self.run("pkill", "-KILL", "--exact", "containerd")
        self._daemon.wait()
        self._channel.close()

    def close(self):
        """End it, with everything that it has started and all that it has made."""
        if self._channel:
            self._channel.close()
        self._spaces.stdin.close()  # the kernel kills what is left in the PID namespace, and waits for it
        self._spaces.wait()
        self._spaces.stdout.close()
        if self._daemon:
            self._daemon.wait()
        for group in Path("/sys/fs/cgroup").glob(f"*/{self._cgroup}"):
            for folder, _, _ in os.walk(group, topdown=False):
                os.rmdir(folder)

    def _answers(self):
        assert self._daemon.poll() is None, self.log.read_text()[-3000:]
        try:
            return self.network() is not None
        except grpc.RpcError:
            return False

    def _wait(self, condition):
        give_up = time.monotonic() + START_SECONDS
        while not condition():
            assert time.monotonic() < give_up, self.log.read_text()[-3000:]
            time.sleep(0.05)

    # --- inside its namespaces --------------------------------------------------------------------------

    def inside(self, *argv):
        """The command, where containerd runs."""
        proc = Path("/proc", str(self._spaces.pid))
        # that process made the PID namespace and stays outside: its children are in it
        pid = f"--pid={proc / 'ns/pid_for_children'}"
        net, mount = f"--net={proc / 'ns/net'}", f"--mount={proc / 'ns/mnt'}"
        return ["nsenter", net, mount, pid, "--", *map(str, argv)]

    def run(self, *argv, env=None, check=True):
        """Run a command there; its CompletedProcess, with text output."""
        done = subprocess.run(
            self.inside(*argv), capture_output=True, text=True, check=False, timeout=CALL_SECONDS, env=env
        )
        assert not check or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done

    def ctr(self, *words):
        """What containerd's own client prints; it calls CNI itself, without any pod."""
        return self.run("ctr", "--address", self.socket, *words).stdout

    def run_container(self, name):
        """`ctr run --cni`: the process's network namespace, for commands that `run` runs."""
        self.ctr(
            "run", "--detach", "--cni", *_SNAPSHOTS, "--cgroup", f"/{self._cgroup}/ctr", image.NAME, name
        )
        lines = [line.split() for line in self.ctr("tasks", "list").splitlines()]
        return next(f"/proc/{words[1]}/ns/net" for words in lines if words[0] == name)

    def remove_container(self, name):
        self.ctr("tasks", "kill", "--signal", "SIGKILL", name)
        self._wait(lambda: "RUNNING" not in self.ctr("tasks", "list"))
        self.ctr("tasks", "delete", name)
        self.ctr("containers", "delete", name)

    def namespaces(self):
        """The paths of the pods' network namespaces, good outside too."""
        return sorted(self._outside("/run/netns").iterdir())

    def _outside(self, path):
        return Path(f"/proc/{self._spaces.pid}/root{path}")

    # --- CRI --------------------------------------------------------------------------------------------

    def network(self):
        """The name of the network that new pods get, None while there is none."""
        info = self.client.Status(cri.StatusRequest(verbose=True), timeout=CALL_SECONDS).info
        networks = json.loads(info["cniconfig"])["Networks"] or []
        return next((one["Config"]["Name"] for one in networks if one["IFName"] == "eth0"), None)

    def wait_for_network(self, name):
        """It watches its configuration directory: wait until it has seen what was changed."""
        self._wait(lambda: self.network() == name)

    def run_pod(self, name, annotations=None, *, namespace="default", ports=()):
        """RunPodSandbox: the sandbox's ID. `ports` are (host port, container port). Raises grpc.RpcError."""
        mappings = [
            cri.PortMapping(protocol=cri.TCP, host_port=outer, container_port=inner) for outer, inner in ports
        ]
        config = cri.PodSandboxConfig(
            metadata=cri.PodSandboxMetadata(name=name, uid=uid_of(name), namespace=namespace),
            hostname=name,
            annotations=annotations or {},
            port_mappings=mappings,
            linux=cri.LinuxPodSandboxConfig(cgroup_parent=f"/{self._cgroup}"),
        )
        request = cri.RunPodSandboxRequest(config=config)
        return self.client.RunPodSandbox(request, timeout=CALL_SECONDS).pod_sandbox_id

    def addresses(self, sandbox):
        """The pod's addresses as kubelet puts them into its status."""
        network = self._status(sandbox).status.network
        return [network.ip, *(more.ip for more in network.additional_ips)]

    def netns(self, sandbox):
        """The path of the pod's network namespace, good outside too."""
        spaces = json.loads(self._status(sandbox).info["info"])["runtimeSpec"]["linux"]["namespaces"]
        path = next(space["path"] for space in spaces if space["type"] == "network")
        # containerd says /var/run, whose link leads out of the folder of that root
        return self._outside("/run/netns") / Path(path).name

    def pod_links(self, sandbox):
        """Interface name -> its addresses but those of the link, in the pod."""
        command = ["nsenter", f"--net={self.netns(sandbox)}", "ip", "-json", "address"]
        shown = subprocess.run(command, capture_output=True, check=True)
        return {
            link["ifname"]: [entry["local"] for entry in link["addr_info"] if entry["scope"] == "global"]
            for link in json.loads(shown.stdout)
            if link["ifname"] != "lo"
        }

    def sandboxes(self):
        """The IDs of all sandboxes."""
        listed = self.client.ListPodSandbox(cri.ListPodSandboxRequest(), timeout=CALL_SECONDS)
        return [item.id for item in listed.items]

    def remove_pod(self, sandbox):
        self.client.StopPodSandbox(cri.StopPodSandboxRequest(pod_sandbox_id=sandbox), timeout=CALL_SECONDS)
        self.client.RemovePodSandbox(
            cri.RemovePodSandboxRequest(pod_sandbox_id=sandbox), timeout=CALL_SECONDS
        )

    def _status(self, sandbox):
        request = cri.PodSandboxStatusRequest(pod_sandbox_id=sandbox, verbose=True)
        return self.client.PodSandboxStatus(request, timeout=CALL_SECONDS)


def uid_of(name):
    """The UID of the pod of that name."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
