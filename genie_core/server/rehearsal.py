"""A call of no pod, made before one comes: ADD and DEL of one network.

The server makes it some times, so that what the code imports late is imported once, and the interpreter has
specialized the code. A forked process makes it again while the node is quiet: it shares the server's memory, and the
first write to each page copies the page. Of the 440 pages of a call that leaves 35.

It is a call as any other, with a directory of its own in place of the node's: its plugin is cat(1), which prints the
result that stands in its configuration, and its namespace does not exist. What it prints goes to /dev/null.
"""

import posix
from fcntl import LOCK_NB, LOCK_SH, flock

from genie_core.edges.cancel import Cancel
from genie_core.edges.files import exists, make_private_directory, open_private, remove, write_all
from genie_core.edges.kube_ahead import AHEAD
from genie_core.edges.kube_tls import client_context
from genie_core.edges.kubeconfig import load_cluster
from genie_core.edges.log import JSONLog
from genie_core.edges.podnet import existing_links
from genie_core.edges.store import FOLDERS
from genie_core.errors import GenieError
from genie_core.jsontext import encode
from genie_core.plugin import run
from genie_core.server import REHEARSAL
from genie_core.server.caller import Caller

_NETWORK = "rehearsal"
_PLUGIN = "cat"  # under its own name: one program may be many commands, as busybox's, and goes by its name
_NO_NETNS = "/proc/self/nowhere"


class Rehearsal:
    """The call, in a directory below `folder`. Raises IOFailure, OSError."""

    def __init__(self, folder: str) -> None:
        self._folder = f"{folder}/{REHEARSAL}"
        self._kubeconfig = f"{self._folder}/kubeconfig"  # until a call has used another
        self._state = f"{self._folder}/state"
        make_private_directory(self._folder)
        self._forget()
        for file, content in (
            (f"{self._folder}/{_NETWORK}.conf", _network()),
            (self._kubeconfig, _kubeconfig()),
        ):
            fd = open_private(file, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC)
            write_all(fd, encode(content))
            posix.close(fd)
        plugin = f"{self._folder}/{_PLUGIN}"
        remove(plugin)
        posix.symlink(next(filter(exists, (f"/bin/{_PLUGIN}", f"/usr/bin/{_PLUGIN}")), _PLUGIN), plugin)
        AHEAD.share()
        self._config = encode(
            {
                "cniVersion": "1.1.0",
                "name": "genie",
                "type": "genie",
                "conf_dirs": [self._folder],
                "bin_dirs": [self._folder],
                "state_dir": self._state,
                "delegate_timeout_seconds": 1,
                "runtimeConfig": {"io.kubernetes.cri.pod-annotations": {"cni": _NETWORK}},
            }
        ).encode("ascii")

    def _forget(self) -> None:
        """Remove what processes left that were killed while they rehearsed."""
        for directory in filter(exists, (f"{self._state}/{name}" for name in FOLDERS)):
            for name in posix.listdir(directory):
                remove(f"{directory}/{name}")

    def make(self, times: int = 1) -> None:
        """Make it so many times; the interpreter specializes the code after some (PEP 659).

        `genie uninstall` removes the directory while it alone has it locked; then none is made any more.
        """
        try:
            lock = posix.open(self._folder, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
        except OSError:
            return
        try:
            flock(lock, LOCK_SH | LOCK_NB)
            if exists(self._folder):
                self._make(times)
        except OSError:
            return
        finally:
            posix.close(lock)

    def _make(self, times: int) -> None:
        """Whatever fails here does not matter: a call says it, and where."""
        standard_error = posix.dup(2)
        null = posix.open("/dev/null", posix.O_RDWR | posix.O_CLOEXEC)
        posix.dup2(null, 2)
        try:
            for _ in range(times):
                _meet_caller()
                self._call("ADD", null)
                self._call("DEL", null)
                existing_links("/proc/self/ns/net")  # instead of the pod's
                self._prepare_for_api_server()
        except (GenieError, OSError, ValueError, ImportError):
            return
        finally:
            posix.dup2(standard_error, 2)
            posix.close(standard_error)
            posix.close(null)

    def _prepare_for_api_server(self) -> None:
        """Read the kubeconfig and make a context, as a call does that asks for its pod. No server is asked."""
        cluster = load_cluster({"kubeconfig": AHEAD.kubeconfig() or self._kubeconfig}, {}, JSONLog("error"))
        if cluster and cluster.tls:
            AHEAD.prepare(cluster, client_context)

    def _call(self, verb: str, null: int) -> None:
        config = posix.memfd_create("stdin", posix.MFD_CLOEXEC)
        posix.write(config, self._config)
        posix.lseek(config, 0, 0)
        env = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": f"{_NETWORK}-{posix.getpid()}",
            "CNI_NETNS": _NO_NETNS,
            "CNI_IFNAME": "eth0",
            "CNI_PATH": self._folder,
            "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=none;K8S_POD_NAME=rehearsal",
        }
        run(env, config, "", stdout=null, listening=Cancel())
        posix.close(config)


def _kubeconfig() -> dict[str, object]:
    """Like the one that `genie install` writes."""
    cluster = {"server": "https://192.0.2.1:6443", "insecure-skip-tls-verify": True}
    return {
        "clusters": [{"name": _NETWORK, "cluster": cluster}],
        "users": [{"name": _NETWORK, "user": {"tokenFile": "/dev/null"}}],
        "contexts": [{"name": _NETWORK, "context": {"cluster": _NETWORK, "user": _NETWORK}}],
        "current-context": _NETWORK,
    }


def _network() -> dict[str, object]:
    """A network's configuration, and in it the result that its plugin prints."""
    return {
        "cniVersion": "1.0.0",
        "name": _NETWORK,
        "type": _PLUGIN,
        "ipam": {"type": "host-local", "subnet": "192.0.2.0/24"},
        "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": _NO_NETNS}],
        "ips": [{"address": "192.0.2.2/24", "gateway": "192.0.2.1", "interface": 0}],
        "routes": [{"dst": "0.0.0.0/0"}],
    }


def _meet_caller() -> None:
    """What is read of the process that calls."""
    itself = Caller(posix.getpid())
    itself.namespaces()
    itself.environment()
    itself.close()
