"""CRI-O with its whole directory: the network that it chooses, its cache, and the garbage that it collects at start.

ocicni/pkg/ocicni/ocicni.go (loadNetworks, forEachNetwork, TearDownPod, GC) and libcni/api.go (GCNetworkList): a pod
without networks of its own counts for the default one; every network of the directory is collected, first what libcni
has cached of it and is not valid (DEL, with the cached configuration), then by the verb GC where its version has it.
"""

import json

from tests.runtime.replays import CRIO

_ENDINGS = (".conf", ".conflist", ".json")


class Daemon(CRIO):
    """The daemon; `start` is its start, with the sandboxes that it finds."""

    def __init__(self, node):  # nothing of Genie has to be there
        self.node = node
        self.seen = {}
        self.cache = {}
        self.networks = {}

    # --- its directory ----------------------------------------------------------------------------------

    def start(self, pods=()):
        """Load the directory, then collect garbage (server.New, restore)."""
        self.reload()
        for name, network in self.networks.items():
            self._collect(network, pods if name == self.default else ())

    def reload(self):
        """As inotify has it do: the files by name, the first of a name wins."""
        self.networks = {}
        for path in sorted(self.node.conf.iterdir()):
            if path.suffix in _ENDINGS:
                document = json.loads(path.read_text())
                chain = document.get("plugins", [document])
                if all((self.node.bin / plugin["type"]).exists() for plugin in chain):
                    lists = document if "plugins" in document else {}
                    named = {key: document[key] for key in ("name", "cniVersion")}
                    self.networks.setdefault(document["name"], {**lists, **named, "plugins": chain})
        self.default = next(iter(self.networks))

    # --- pods -------------------------------------------------------------------------------------------

    def add(self, pod):
        """RunPodSandbox: the result, which must be there."""
        network = self.networks[self.default]
        result = self._chain("ADD", network, pod)
        self.cache[network["name"], pod.container] = (network, pod, result)
        return result

    def delete(self, pod):
        """StopPodSandbox: the networks of the cache, else the default one, each with its cached configuration."""
        cached = [key for key in self.cache if key[1] == pod.container]
        for key in cached:
            network, _, result = self.cache.pop(key)
            self._chain("DEL", network, pod, result)
        if not cached:
            self._chain("DEL", self.networks[self.default], pod)

    def _collect(self, network, pods):
        if network.get("disableGC"):
            return
        valid = [{"containerID": pod.container, "ifname": "eth0"} for pod in pods]
        kept = {one["containerID"] for one in valid}
        for name, container in [*self.cache]:
            if name == network["name"] and container not in kept:
                self.delete(self.cache[name, container][1])
        if self._version(network) >= "1.1.0":
            attachments = {"cni.dev/valid-attachments": valid or None, "cni.dev/attachments": valid or None}
            self._chain("GC", network, None, **attachments)

    # --- libcni -----------------------------------------------------------------------------------------

    def _version(self, network):
        return max([network["cniVersion"], *network.get("cniVersions", [])])

    def _chain(self, verb, network, pod, previous=None, **more):
        """One verb of a list's plugins; ADD's result."""
        plugins = network["plugins"]
        for plugin in reversed(plugins) if verb == "DEL" else plugins:
            document = {**plugin, "name": network["name"], "cniVersion": self._version(network), **more}
            if pod and "capabilities" in plugin:
                offered = self.capabilities(pod)
                document["runtimeConfig"] = {
                    key: offered[key] for key in plugin["capabilities"] if key in offered
                }
            if previous:
                document["prevResult"] = previous
            outcome = self.execute(plugin["type"], self._env(verb, pod), json.dumps(document))
            assert outcome.status == 0, outcome
            if verb == "ADD":
                previous = outcome.reply
        return previous

    def _env(self, verb, pod):
        env = {"CNI_COMMAND": verb, "CNI_PATH": str(self.node.bin), "CNI_ARGS": "", "CNI_NETNS": ""}
        env |= {"CNI_CONTAINERID": "", "CNI_IFNAME": ""}
        if pod:
            args = ";".join(f"{key}={value}" for key, value in self.args(pod))
            env |= {
                "CNI_CONTAINERID": pod.container,
                "CNI_NETNS": pod.netns,
                "CNI_ARGS": args,
                "CNI_IFNAME": "eth0",
            }
        return env
