"""The bench's node: namespaces of its own, the installed plugin, an API server as a process beside it."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from genie_core.tasks.install.run import InstallOptions, InstallReport, install

CNI_BIN = Path("/usr/lib/cni")
PARENT = "up0"  # of the macvlan network's interfaces
POD_UID = "6a1f3e5c-0000-4000-8000-000000000001"
NAMESPACE, POD = "default", "bench"


def enter():
    """Start this program again in private network and mount namespaces, unless it is there already."""
    if os.environ.get("GENIE_BENCH_INSIDE"):
        for folder in ("/run", "/var/lib/cni"):  # what `genie install` records there is of the machine
            os.makedirs(folder, exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    if os.geteuid():
        sys.exit("the bench makes network namespaces and runs real plugins, which needs root")
    os.environ["GENIE_BENCH_INSIDE"] = "1"
    command = ["unshare", "--net", "--mount", sys.executable, "-m", "tests.bench", *sys.argv[1:]]
    os.execvp(command[0], command)


class Case(NamedTuple):
    """One way to attach a pod: what runs for ADD and DEL, and beside which case it is read."""

    name: str
    calls: list[tuple[Path, bytes]]
    beside: str = ""
    before: Callable[[], None] = lambda: None


def run(node: "Node", verb: str, place: int, binary: Path, stdin: bytes, container: str = "bench") -> float:
    """Milliseconds from spawn to the end of one process. Raises SystemExit if it fails."""
    env = node.env(verb, container)
    if binary.parent == CNI_BIN and len(stdin) and b'"ptp"' in stdin:
        env["CNI_IFNAME"] = "eth1"
    files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr")]
    os.write(files[0], stdin)
    os.lseek(files[0], 0, 0)
    actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(files)]
    began = time.perf_counter()
    pid = os.posix_spawn(binary, [str(binary)], env, file_actions=actions)
    status = os.waitpid(pid, 0)[1]
    spent = (time.perf_counter() - began) * 1000
    output = [os.pread(fd, 1 << 20, 0).decode() for fd in files[1:]]
    for fd in files:
        os.close(fd)
    if status:
        sys.exit(f"{binary.name} {verb} failed: {output[0]}{output[1]}")
    return spent


class Node:
    """Where everything is, below one directory, and what a runtime would say in a call."""

    def __init__(self, root: Path):
        self.root = root
        self.conf_dir = root / "net.d"
        self.netns = Path("/run/netns/bench")
        subprocess.run(["ip", "netns", "add", "bench"], check=True)
        subprocess.run(["ip", "link", "add", PARENT, "up", "type", "veth", "peer", "name", "up1"], check=True)
        self.networks = {
            name: self._network(name, number) for number, name in enumerate(("bridge", "ptp", "macvlan"), 1)
        }
        for name, network in self.networks.items():
            self._write(self.conf_dir / f"10-{name}.conf", network)
        report = self._install("bin")
        self.genie = report.launcher
        self.native = self._install("native", serve=True, run_dir=root / "no-server").launcher
        self.served = self._install("served", serve=True, run_dir=root / "run").launcher
        self.code = report.code
        self.python = report.python
        plugin = json.loads(report.conflist.read_text())["plugins"][0]
        self.config = plugin | {
            "cniVersion": "1.0.0",
            "name": "genie",
            "bin_dirs": [str(CNI_BIN)],
            "log_level": "warning",
        }

    def _install(self, name: str, **options) -> InstallReport:
        """Genie in a directory of this name; all use one state directory."""
        return install(
            InstallOptions(
                bin_dir=self.root / name,
                conf_dir=self.conf_dir if name == "bin" else self.root / f"{name}.net.d",
                state_dir=self.root / "state",
                python=_system_python(),
                **options,
            )
        )

    @contextmanager
    def server(self):
        """`genie serve` for the plugin in `served`; its PID."""
        command = [self.served.parent / ".genie/serve"]
        with subprocess.Popen(command, env={}, stderr=subprocess.PIPE, text=True) as server:
            try:
                if server.stderr is None or "serving" not in server.stderr.readline():
                    sys.exit("genie serve did not start")
                yield server.pid
            finally:
                server.terminate()
                if server.stderr:
                    sys.stderr.write(server.stderr.read())  # nothing, unless a call was lost

    def _network(self, name: str, number: int) -> dict:
        """What pod networks look like: a gateway on the node, masquerading, host-local addresses."""
        ipam = {
            "type": "host-local",
            "subnet": f"10.{200 + number}.0.0/16",
            "dataDir": str(self.root / "ipam"),
        }
        own: dict[str, dict] = {
            "bridge": {"ipMasq": True, "bridge": "gbench0", "isGateway": True},
            "ptp": {"ipMasq": True},
            "macvlan": {"master": PARENT},
        }
        return {"cniVersion": "1.0.0", "name": name, "type": name, "ipam": ipam, **own[name]}

    def _write(self, path: Path, document: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document))

    def env(self, verb: str, container: str = "bench") -> dict[str, str]:
        args = {
            "IgnoreUnknown": "1",
            "K8S_POD_NAMESPACE": NAMESPACE,
            "K8S_POD_NAME": POD,
            "K8S_POD_INFRA_CONTAINER_ID": container,
            "K8S_POD_UID": POD_UID,
        }
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": str(self.netns.with_name(container)),
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(CNI_BIN),
            "CNI_ARGS": ";".join(f"{key}={value}" for key, value in args.items()),
        }

    def stdin(
        self, annotations: dict[str, str] | None = None, kubeconfig: Path | None = None, **settings
    ) -> bytes:
        """Genie's configuration as the runtime passes it: with the annotations, or with an API server to ask."""
        config = {**self.config, **settings}
        if annotations is not None:
            config["runtimeConfig"] = {"io.kubernetes.cri.pod-annotations": annotations}
        if kubeconfig:
            config["kubernetes"] = {"kubeconfig": str(kubeconfig)}
        return json.dumps(config).encode()

    @contextmanager
    def api_server(self, annotations: dict[str, str]):
        """A process with the pod, and a NetworkAttachmentDefinition for each network; gives a kubeconfig."""
        metadata = {"name": POD, "namespace": NAMESPACE, "uid": POD_UID, "annotations": annotations}
        objects = [{"apiVersion": "v1", "kind": "Pod", "metadata": metadata}]
        objects += [
            {
                "apiVersion": "k8s.cni.cncf.io/v1",
                "kind": "NetworkAttachmentDefinition",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": {"config": json.dumps(network)},
            }
            for name, network in self.networks.items()
        ]
        folder = Path(tempfile.mkdtemp(prefix="api-", dir=self.root))
        file, kubeconfig = folder / "objects.json", folder / "kubeconfig"
        self._write(file, {"items": objects})
        options = {
            "--objects": file,
            "--tls-dir": folder / "tls",
            "--token": "bench",
            "--kubeconfig": kubeconfig,
        }
        command = [
            sys.executable,
            "-m",
            "tests.apiserver",
            *(str(word) for pair in options.items() for word in pair),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                if server.stdout is None or not server.stdout.readline():
                    sys.exit("the API server did not start")
                yield kubeconfig
            finally:
                server.terminate()

    def drop_code_from_cache(self) -> None:
        """Let the kernel forget the installed code's pages, as after a long time without a new pod."""
        for path in self.code.rglob("*.marshal"):
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _system_python() -> Path | None:
    """The distribution's interpreter, which is what a node has; None for the one that runs this."""
    return next(
        (path for path in map(Path, ("/usr/bin/python3.13", "/usr/bin/python3")) if path.exists()), None
    )
