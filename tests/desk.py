"""The chooser alone: real configuration files, real rules, and an API server in memory; nothing is attached."""

import json
from pathlib import Path

from genie_core.edges.api_server import APIServer
from genie_core.edges.cancel import Cancel
from genie_core.plan import make_plan
from genie_core.settings import Settings
from genie_core.spec.conf import plugin_input
from genie_core.spec.request import parse_request
from genie_core.verbs.context import Context
from genie_core.verbs.networks import decide
from tests.apiserver import API, Objects
from tests.fakes_kube import Clock, Recorder, memory_api
from tests.manifests import logical, nad, physical

POD_ANNOTATIONS = "io.kubernetes.cri.pod-annotations"


class Desk:
    """A node's configuration directory and a cluster's objects; `settings` are the keys of genie.conf."""

    def __init__(self, root: Path, namespace: str = "ns") -> None:
        self.namespace = namespace
        self.conf, self.bin = root / "net.d", root / "bin"
        self.conf.mkdir()
        self.bin.mkdir()
        self.state = root / "state"
        self.settings = {
            "conf_dirs": [str(self.conf)],
            "bin_dirs": [str(self.bin)],
            "state_dir": str(self.state),
        }
        self.objects = Objects()
        self.api = API(self.objects)
        self.log = Recorder()
        self.timeout = 30.0
        self.connection = None
        self.clock = Clock()

    # --- what there is

    def file(self, name, *plugins, file=None, version="1.0.0"):
        """A configuration list of these plugins, types or objects; one of the network's own name by default."""
        entries = [{"type": item} if isinstance(item, str) else item for item in plugins or (name,)]
        text = json.dumps({"cniVersion": version, "name": name, "plugins": entries})
        (self.conf / (file or f"10-{name}.conflist")).write_text(text)
        for entry in entries:
            (self.bin / entry["type"]).touch()

    def nad(self, name, config=None, namespace="ns"):
        self.objects.add(nad(name, config, namespace))

    def logical(self, name, namespace="ns", **spec):
        self.objects.add(logical(name, namespace, **spec))

    def physical(self, name, namespace="ns", **spec):
        self.objects.add(physical(name, namespace, **spec))

    # --- the outcome

    def decision(self, annotations, pod=True, **settings):
        """The request and its decision, for a pod or for a container that is no pod."""
        config = {"cniVersion": "1.1.0", "name": "genie", "type": "genie", **self.settings, **settings}
        config["runtimeConfig"] = {POD_ANNOTATIONS: annotations}
        request = parse_request(
            {
                "CNI_COMMAND": "ADD",
                "CNI_CONTAINERID": "cid1",
                "CNI_NETNS": "/run/netns/none",
                "CNI_IFNAME": "eth0",
                "CNI_ARGS": f"K8S_POD_NAMESPACE={self.namespace};K8S_POD_NAME=p;K8S_POD_UID=u1"
                if pod
                else "",
            },
            json.dumps(config),
        )
        api = memory_api(self.api, timeout_seconds=self.timeout, connection=self.connection, clock=self.clock)
        own = Settings(request.config)
        server = APIServer(own, self.log, api)
        context = Context(own, self.log, Cancel(), request.env, request.path, api=server)
        return request, decide(request, context)

    def choose(self, annotations, **settings):
        return self.decision(annotations, **settings)[1].choices

    def plan(self, annotations, **settings):
        """The attachments that the ADD would make."""
        request, decision = self.decision(annotations, **settings)
        prefix = settings.get("interface_prefix", "")
        return make_plan(request, decision.pod, "boot", decision.choices, prefix=prefix).attachments

    def seen(self, annotations, **settings):
        """The plan in short: `label@interface`."""
        return [f"{item.label}@{item.ifname}" for item in self.plan(annotations, **settings)]

    def warnings(self):
        return [event for level, event, _ in self.log.lines if level == "warning"]


def read_by_plugins(attachments):
    """What the plugins get on stdin, decoded."""
    return [
        json.loads(plugin_input(item.network, plugin, capabilities=item.capabilities))
        for item in attachments
        for plugin in item.network.plugins
    ]
