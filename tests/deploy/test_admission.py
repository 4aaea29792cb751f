"""Objects that the API server refuses, warns of or accepts with deploy/crds and deploy/admission.yaml.

Every question is asked of the expressions themselves (cel.py). It is asked of a real API server too when
GENIE_TEST_KUBECONFIG names its kubeconfig (an administrator's): the test applies both files there.
"""

import copy
import functools
import json
import os
import re
import ssl
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator

from genie_core.edges.kube_resources import LOGICAL_NETWORK, PHYSICAL_NETWORK, POD
from tests import manifests, own_node
from tests.deploy.cel import policy_problems, schema_problems
from tests.plugin.cluster import NPWG, PREFERENCES, STATUS

DEPLOY = Path(__file__).parents[2] / "deploy"
REAL = os.environ.get("GENIE_TEST_KUBECONFIG", "")
GENIE = "system:serviceaccount:kube-system:genie"
INSTALLER = "system:serviceaccount:kube-system:genie-installer"
AGENT = "system:serviceaccount:kube-system:genie-agent"
RESOURCES = {"Logicalnetwork": LOGICAL_NETWORK, "Physicalnetwork": PHYSICAL_NETWORK, "Pod": POD}


@functools.cache
def documents(name):
    return list(yaml.load_all((DEPLOY / name).read_text(), Loader=yaml.CSafeLoader))


POLICIES = {
    one["metadata"]["name"]: one for one in documents("admission.yaml") if "validations" in one["spec"]
}
BINDINGS = {
    one["spec"]["policyName"]: one["spec"]
    for one in documents("admission.yaml")
    if "policyName" in one["spec"]
}
SCHEMAS = {
    resource.kind: documents(f"crds/{resource.plural}.yaml")[0]["spec"]["versions"][0]["schema"][
        "openAPIV3Schema"
    ]
    for resource in (LOGICAL_NETWORK, PHYSICAL_NETWORK)
}


class Expressions:
    """The rules of the two files, evaluated here. Each method gives what is wrong, "" for nothing."""

    def __init__(self):
        self.held = {}

    def write(self, manifest, *, warns=False):
        """Make an object, or replace it."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        old = self.held.get((kind, name))
        if kind in SCHEMAS:
            problems = [error.message for error in Draft7Validator(SCHEMAS[kind]).iter_errors(manifest)]
            problems += schema_problems(SCHEMAS[kind], manifest, old)
            if not problems and kind == "Logicalnetwork":
                policy = POLICIES["genie-logical-networks"]
                for other, physical in self.held.items():
                    if other[0] == "Physicalnetwork":
                        problems += policy_problems(policy, object=manifest, params=physical)
        else:
            problems = policy_problems(POLICIES["genie-pod-annotations"], object=manifest) if warns else []
        if warns or not problems:
            self.held[kind, name] = manifest
        return "; ".join(map(str, problems))

    def patch(self, name, node, subresource, **patch):
        """A patch of a pod by Genie's account on a node, "" for a token that is bound to none."""
        old = self.held["Pod", name]
        request = {"operation": "UPDATE", "subResource": subresource, "userInfo": _user(GENIE, node)}
        new = copy.deepcopy(old)
        for key, value in patch.items():
            new[key] = {**new.get(key, {}), **value} if isinstance(value, dict) else value
        return "; ".join(
            policy_problems(POLICIES["genie-node-account"], object=new, oldObject=old, request=request)
        )

    def agent_patches(self, path, node):
        """A condition of a pod or a node, by the agent on a node."""
        plural, name, *subresource = path.split("/")
        old = self.held.get(("Pod", name)) or {"metadata": {"name": name}, "spec": {}}
        request = {
            "operation": "UPDATE",
            "resource": {"group": "", "version": "v1", "resource": plural},
            "subResource": "/".join(subresource),
            "userInfo": _user(AGENT, node),
        }
        new = {**old, **CONDITION}
        return "; ".join(
            policy_problems(POLICIES["genie-agent-account"], object=new, oldObject=old, request=request)
        )

    def mint(self, node, spec):
        """A token for Genie's account, asked for by the installer on a node."""
        request = {"operation": "CREATE", "subResource": "token", "userInfo": _user(INSTALLER, node)}
        found = policy_problems(POLICIES["genie-installer-account"], object={"spec": spec}, request=request)
        return "; ".join(found)


def _user(name, node):
    extra = {"extra": {"authentication.kubernetes.io/node-name": [node]}} if node else {}
    return {"username": name, **extra}


class Server:
    """A real API server, asked as an administrator or with tokens of Genie's accounts, in a namespace of its own."""

    def __init__(self, kubeconfig):
        document = yaml.safe_load(Path(kubeconfig).read_text())
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        self.url, self.token = cluster["server"], user["token"]
        self.tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self.namespace = f"genie-admission-{uuid.uuid4().hex[:8]}"
        self.post("/api/v1/namespaces", {"metadata": {"name": self.namespace}})

    def ask(self, method, path, document=None, token="", media_type="application/json"):
        """(the answer's document, its warnings)."""
        headers = {"Authorization": f"Bearer {token or self.token}", "Content-Type": media_type}
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, context=self.tls, timeout=240) as reply:
                return json.load(reply), reply.headers.get_all("Warning") or []
        except urllib.error.HTTPError as error:
            with error:
                return json.load(error), []

    def post(self, path, document, token=""):
        return self.ask("POST", path, document, token)[0]

    def apply(self, path, document):
        """Make an object, or replace the one that is there."""
        if self.post(path, document).get("reason") == "AlreadyExists":
            path = f"{path}/{document['metadata']['name']}"
            version = self.ask("GET", path)[0]["metadata"]["resourceVersion"]
            document = {**document, "metadata": {**document["metadata"], "resourceVersion": version}}
            assert self.ask("PUT", path, document)[0]["kind"] == document["kind"]

    def write(self, manifest, *, warns=False):
        manifest = {**manifest, "metadata": {**manifest["metadata"], "namespace": self.namespace}}
        resource = RESOURCES.get(manifest["kind"])
        if resource:
            path = "/" + "/".join(resource.collection(self.namespace))
        else:
            path = f"/apis/{manifest['apiVersion']}/namespaces/{self.namespace}/{manifest['kind'].lower()}s"
        answer, warnings = self.ask("POST", path, manifest)
        if answer.get("reason") == "AlreadyExists":
            path = f"{path}/{manifest['metadata']['name']}"
            version = self.ask("GET", path)[0]["metadata"]["resourceVersion"]
            manifest["metadata"]["resourceVersion"] = version
            answer, warnings = self.ask("PUT", path, manifest)
        found = "; ".join(warnings).replace('\\"', '"')
        return found if warns else answer.get("message", "")

    def patch(self, name, node, subresource, **patch):
        path = "/" + "/".join(filter(None, (*POD.path(self.namespace, name), subresource)))
        token = self._token("genie", {"kind": "Node", "name": node} if node else None)
        return self.ask("PATCH", path, patch, token, "application/merge-patch+json")[0].get("message", "")

    def agent_patches(self, path, node):
        where = "" if path.startswith("nodes") else f"/namespaces/{self.namespace}"
        pod = f"agent-{node}"
        self.apply("/api/v1/namespaces/kube-system/pods", a_pod(pod, node, serviceAccountName="genie-agent"))
        token = self._token("genie-agent", {"kind": "Pod", "name": pod})
        answer, _ = self.ask(
            "PATCH", f"/api/v1{where}/{path}", CONDITION, token, "application/strategic-merge-patch+json"
        )
        return answer.get("message", "")

    def mint(self, node, spec):
        pod = f"installer-{node}"
        self.apply(
            "/api/v1/namespaces/kube-system/pods", a_pod(pod, node, serviceAccountName="genie-installer")
        )
        token = self._token("genie-installer", {"kind": "Pod", "name": pod})
        document = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = "/api/v1/namespaces/kube-system/serviceaccounts/genie/token"
        return self.post(path, document, token).get("message", "")

    def _token(self, account, bound):
        spec = {"expirationSeconds": 600} | (
            {"boundObjectRef": {"apiVersion": "v1", **bound}} if bound else {}
        )
        document = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/kube-system/serviceaccounts/{account}/token"
        return self.post(path, document)["status"]["token"]


@pytest.fixture(scope="module")
def applied():
    """Both files, and the accounts, on the real server; two nodes."""
    with own_node.on_the_machine():
        server = Server(REAL)
        for file in (
            "crds/logicalnetworks.yaml",
            "crds/physicalnetworks.yaml",
            "rbac.yaml",
            "agent/rbac.yaml",
            "admission.yaml",
        ):
            for document in documents(file):
                plural = re.sub("y$", "ie", document["kind"].lower()) + "s"
                namespace = document["metadata"].get("namespace")
                within = f"/namespaces/{namespace}" if namespace else ""
                root = "/api" if document["apiVersion"] == "v1" else "/apis"
                server.apply(f"{root}/{document['apiVersion']}{within}/{plural}", document)
        for name in ("n1", "n2"):
            server.apply("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        time.sleep(5)  # until the server evaluates the policies; it has no condition for that
        yield


@pytest.fixture(params=["expressions", *(["real"] if REAL else [])])
def world(request):
    if request.param == "expressions":
        yield Expressions()
        return
    request.getfixturevalue("applied")
    with own_node.on_the_machine():
        server = Server(REAL)
        yield server
        server.ask("DELETE", f"/api/v1/namespaces/{server.namespace}")


# --- physical and logical networks ---------------------------------------------------------------------------


@pytest.mark.parametrize("manifest", [one for one in manifests.samples() if one["kind"] in SCHEMAS])
def test_the_samples_are_accepted(world, manifest):
    assert world.write(manifest) == ""


@pytest.mark.parametrize(
    "spec, problem",
    [
        ({}, "both missing"),
        ({"physicalNet": "", "plugin": ""}, "both missing"),
        ({"physicalNet": "Big Net"}, "must be the name of a Physicalnetwork"),
        ({"plugin": "a/b"}, "must be a network's name"),
        ({"plugin": "a\\b"}, "must be a network's name"),
        ({"plugin": "a,b@c"}, "must be a network's name"),
        *(
            ({"plugin": "a", "sub_subnet": text}, "must be a subnet, such as 10.1.0.0/16")
            for text in ("999.1.1.1/99", "dead/64", "10.1.0.0", "10.1.0.0/33", "10.1.0.0/255.255.0.0",
                         "010.1.0.0/16", "10.1.0.0/016", "::ffff:10.1.0.0/112", "fe80::%eth0/64", "300.1.2.0/24", " ")
        ),
        ({"plugin": "a", "sub_subnet": "10.1.0.5/24"}, "must have no host bits"),
        ({"plugin": "a", "sub_subnet": "fd00::1/64"}, "must have no host bits"),
        ({"plugin": "a", "sub_subnet": "10.1.0.0/16"}, ""),
        ({"plugin": "a", "sub_subnet": "fd00::/64"}, ""),
        ({"plugin": "a", "sub_subnet": ""}, ""),
        ({"plugin": "macvlan-eth0.100"}, ""),
    ],
)  # fmt: skip
def test_logical_networks(world, spec, problem):
    answer = world.write(manifests.logical("x", **spec))
    assert problem in answer if problem else answer == ""
    assert "<nil>" not in answer


@pytest.mark.parametrize("key", ["sharedStatus", "sharedStaus"])
@pytest.mark.parametrize(
    "status, problem",
    [
        ({"dedicatedNet": True}, "plugin is missing: a dedicated network"),
        ({"dedicatedNet": True, "plugin": ""}, "plugin is missing: a dedicated network"),
        ({"plugin": "a b"}, "must be a network's name"),
        ({"subnet": "10.1.0.5/24"}, "must have no host bits"),
        ({"subnet": "10.1.0.0/99"}, "must be a subnet"),
        ({"dedicatedNet": True, "plugin": "weave"}, ""),
        ({"dedicatedNet": False, "subnet": "fd00::/48"}, ""),
        ({}, ""),
    ],
)
def test_physical_networks(world, key, status, problem):
    answer = world.write(manifests.physical("x", key=key, **status))
    assert problem in answer if problem else answer == ""


@pytest.mark.parametrize(
    "nic, problem", [("eth0.100", ""), ("a/b", "an interface's name"), ("a b", "an interface's")]
)
def test_the_interface_of_a_physical_network(world, nic, problem):
    answer = world.write({**manifests.physical("x"), "spec": {"refer_nic": nic}})
    assert problem in answer if problem else answer == ""


@pytest.mark.parametrize(
    "old, new, problem",
    [
        (
            {"plugin": "a", "sub_subnet": "10.1.0.0/24"},
            {"plugin": "a", "sub_subnet": "10.2.0.0/24"},
            "sub_subnet cannot",
        ),
        ({"plugin": "a", "sub_subnet": "10.1.0.0/24"}, {"plugin": "a"}, "sub_subnet cannot be changed"),
        ({"plugin": "a"}, {"plugin": "a", "sub_subnet": "10.1.0.0/24"}, "sub_subnet cannot be changed"),
        ({"plugin": "a"}, {"plugin": "b"}, "plugin cannot be changed"),
        ({"physicalNet": "a"}, {"physicalNet": "b"}, "physicalNet cannot be changed"),
        ({"plugin": "a"}, {"plugin": "a", "physicalNet": "b"}, "physicalNet cannot be changed"),
        ({"plugin": "a"}, {"plugin": "a", "sub_subnet": ""}, ""),
        ({"plugin": "a", "sub_subnet": "10.1.0.0/24"}, {"plugin": "a", "sub_subnet": "10.1.0.0/24"}, ""),
    ],
)
def test_what_pods_use_of_a_logical_network_stays(world, old, new, problem):
    assert world.write(manifests.logical("x", **old)) == ""
    answer = world.write(manifests.logical("x", **new))
    assert problem in answer if problem else answer == ""


NET = {"dedicatedNet": True, "plugin": "a", "subnet": "10.1.0.0/16"}


@pytest.mark.parametrize(
    "new, problem",
    [
        ({"sharedStatus": NET | {"subnet": "10.0.0.0/8"}}, "subnet cannot be changed"),
        ({"sharedStatus": {"dedicatedNet": True, "plugin": "a"}}, "subnet cannot be changed"),
        ({"sharedStatus": NET | {"plugin": "b"}}, "plugin cannot be changed"),
        ({"sharedStatus": NET | {"dedicatedNet": False}}, "dedicatedNet cannot be changed"),
        ({}, "sharedStatus cannot be added or removed"),
        ({"sharedStaus": NET}, "sharedStatus cannot be added or removed"),
        ({"sharedStatus": NET, "refer_nic": "eth1"}, "refer_nic cannot be changed"),
        ({"sharedStatus": NET}, ""),
    ],
)
def test_what_pods_use_of_a_physical_network_stays(world, new, problem):
    manifest = manifests.physical("x", **NET)
    assert world.write(manifest) == ""
    answer = world.write({**manifest, "spec": new})
    assert problem in answer if problem else answer == ""


@pytest.mark.parametrize(
    "status, spec, problem",
    [
        (NET, {"sub_subnet": "10.1.7.0/24"}, ""),
        (NET, {"sub_subnet": "10.1.0.0/16"}, ""),
        (NET, {}, ""),
        (NET, {"sub_subnet": "10.2.7.0/24"}, "sub_subnet 10.2.7.0/24 is not inside 10.1.0.0/16"),
        (NET, {"sub_subnet": "10.0.0.0/8"}, "is not inside"),
        (NET, {"sub_subnet": "fd00::/64"}, "is not inside"),
        ({"dedicatedNet": True, "plugin": "a"}, {"sub_subnet": "10.2.7.0/24"}, ""),
        ({"subnet": "10.1.0.0/16"}, {"plugin": "a", "sub_subnet": "10.1.7.0/24"}, ""),
        ({"subnet": "10.1.0.0/16"}, {"plugin": "a", "sub_subnet": "10.2.7.0/24"}, "is not inside"),
        ({}, {"plugin": "a", "sub_subnet": "10.2.7.0/24"}, ""),
        ({}, {"sub_subnet": "10.1.7.0/24"}, "plugin is missing: Physicalnetwork phy is shared"),
        ({}, {"plugin": "a"}, "sub_subnet is missing: Physicalnetwork phy is shared"),
    ],
)
@pytest.mark.parametrize("key", ["sharedStatus", "sharedStaus"])
def test_a_logical_network_fits_its_physical_network(world, key, status, spec, problem):
    """Another physical network of the namespace, which does not matter, is asked about as well."""
    assert world.write(manifests.physical("other", **NET)) == ""
    assert world.write(manifests.physical("phy", key=key, **status)) == ""
    answer = world.write(manifests.logical("x", physicalNet="phy", **spec))
    assert problem in answer if problem else answer == ""


def test_a_physical_network_may_come_later(world):
    assert world.write(manifests.logical("x", physicalNet="phy", sub_subnet="10.2.7.0/24")) == ""


# --- annotations of pods -------------------------------------------------------------------------------------


def a_pod(name="p", node="n1", annotations=None, **spec):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations or {}, "labels": {"app": "a"}},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "registry.invalid/none"}], **spec},
    }


def a_job(annotations):
    template = {
        "metadata": {"annotations": annotations},
        "spec": {**a_pod()["spec"], "restartPolicy": "Never"},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j"},
        "spec": {"template": template},
    }


def a_cron_job(annotations):
    spec = {"schedule": "@daily", "jobTemplate": {"spec": a_job(annotations)["spec"]}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "j"}, "spec": spec}


@pytest.mark.parametrize("make", [lambda annotations: a_pod(annotations=annotations), a_job, a_cron_job])
@pytest.mark.parametrize(
    "annotations, problem",
    [
        ({"cni": "bridge,macvlna@"}, "annotation cni"),
        ({NPWG: "Shop/net"}, f"annotation {NPWG}"),
        ({"cni": "bridge, macvlan@net1"}, ""),
    ],
)
def test_annotations_are_warned_of_wherever_they_are_written(world, make, annotations, problem):
    answer = world.write(make(annotations), warns=True)
    assert problem in answer if problem else answer == ""


@pytest.mark.parametrize(
    "annotations, problem",
    [
        ({}, ""),
        ({"cni": ""}, ""),
        ({"cni": " weave , flannel@eth4,flannel@eth3 "}, ""),
        ({"cni": "a,,b"}, "annotation cni"),
        ({"cni": "a@b@c"}, "annotation cni"),
        ({"cni": "a/b"}, "annotation cni"),
        ({"cni": "a@" + "x" * 16}, "annotation cni"),
        ({"networks": "net1:eth0, net2@eth4"}, ""),
        ({"networks": "Net1"}, "annotation networks"),
        ({NPWG: " net1 , ns2/net2@eth5 "}, ""),
        ({NPWG: "net1@my_interface"}, ""),
        ({NPWG: "a/b/c"}, f"annotation {NPWG}"),
        ({NPWG: "/n"}, f"annotation {NPWG}"),
        ({NPWG: "n@e/f"}, f"annotation {NPWG}"),
        ({NPWG: '[{"name": "net1"},\n {"name": "net2"}]'}, ""),
        ({NPWG: '{"name": "net1"}'}, "must be an array"),
        ({NPWG: '[{"name": "net1"}'}, "must be an array"),
    ],
)
def test_annotations_that_cannot_work_are_warned_of(world, annotations, problem):
    answer = world.write(a_pod(annotations=annotations), warns=True)
    assert problem in answer if problem else answer == ""


@pytest.mark.parametrize("manifest", [one for one in manifests.samples() if one["kind"] == "Pod"])
def test_the_samples_give_no_warning(manifest):
    assert Expressions().write({"spec": {}, **manifest}, warns=True) == ""


# --- Genie's own accounts ------------------------------------------------------------------------------------


def annotated(**annotations):
    return {"metadata": {"annotations": {"cni": "a", **annotations}}}


OWN = {"annotations": {"cni": "a", STATUS: "[]", PREFERENCES: "{}"}, "labels": {"app": "a"}}


@pytest.mark.parametrize(
    "node, subresource, patch, problem",
    [
        ("n1", "status", {"metadata": OWN}, ""),
        ("n2", "status", {"metadata": OWN}, 'of node "n2" only annotates pods of that node'),
        ("", "status", {"metadata": OWN}, "only annotates pods of that node"),
        ("n1", "status", {"metadata": OWN | {"annotations": {"cni": "b"}}}, "only writes the annotations"),
        ("n1", "status", {"metadata": OWN | {"annotations": {"cni": "a", "x": "y"}}}, "only writes the annotations"),
        ("n1", "status", {"metadata": OWN | {"labels": {"app": "b"}}}, "labels"),
        ("n1", "status", {"metadata": OWN | {"finalizers": ["a.example/b"]}}, "labels or finalizers"),
        ("n1", "status", {"metadata": OWN, "status": {"podIP": "10.0.0.1"}}, "does not change a pod's status"),
        ("n1", "", {"metadata": OWN}, 'cannot patch resource "pods"'),
    ],
)  # fmt: skip
def test_the_account_on_a_node_writes_two_annotations_of_its_own_pods(
    world, node, subresource, patch, problem
):
    assert world.write(a_pod("p", "n1", {"cni": "a"})) == ""
    answer = world.patch("p", node, subresource, **patch)
    if not subresource and isinstance(world, Expressions):
        problem = "only writes through pods/status"  # on a server the right to do that is missing already
    assert problem in answer if problem else answer == ""


@pytest.mark.parametrize(
    "spec, allowed",
    [
        (
            {"expirationSeconds": 600, "boundObjectRef": {"apiVersion": "v1", "kind": "Node", "name": "n1"}},
            True,
        ),
        (
            {"expirationSeconds": 600, "boundObjectRef": {"apiVersion": "v1", "kind": "Node", "name": "n2"}},
            False,
        ),
        ({"expirationSeconds": 600}, False),
    ],
)
def test_the_installer_gets_tokens_of_its_own_node_only(world, spec, allowed):
    answer = world.mint("n1", spec)
    assert ("tokens that are bound to that node" in answer) is not allowed
    assert answer == "" or not allowed


CONDITION = {"status": {"conditions": [{"type": "example.org/Ready", "status": "True"}]}}


@pytest.mark.parametrize(
    "path, node, problem",
    [
        ("pods/p/status", "n1", ""),
        ("pods/p/status", "n2", "only writes the status of that node and its pods"),
        ("nodes/n1/status", "n1", ""),
        ("nodes/n1/status", "n2", "only writes the status of that node and its pods"),
        ("nodes/n1", "n1", 'cannot patch resource "nodes"'),
    ],
)
def test_the_agent_writes_the_status_of_its_own_node_and_pods(world, path, node, problem):
    assert world.write(a_pod("p", "n1", {"cni": "a"})) == ""
    answer = world.agent_patches(path, node)
    if path.count("/") == 1 and isinstance(world, Expressions):
        problem = "only writes the status"  # on a server the right to do that is missing already
    assert problem in answer if problem else answer == ""


# --- the files -----------------------------------------------------------------------------------------------


def test_only_what_can_be_repaired_later_is_a_warning():
    actions = {name: tuple(binding["validationActions"]) for name, binding in BINDINGS.items()}
    assert actions == {name: ("Warn",) if name == "genie-pod-annotations" else ("Deny",) for name in POLICIES}


def test_the_accounts_are_those_of_the_manifests():
    accounts = {
        f"system:serviceaccount:{one['metadata']['namespace']}:{one['metadata']['name']}"
        for one in [*documents("rbac.yaml"), *documents("agent/rbac.yaml")]
        if one["kind"] == "ServiceAccount"
    }
    assert accounts == {GENIE, INSTALLER, AGENT}
    for name, account in (
        ("genie-node-account", GENIE),
        ("genie-installer-account", INSTALLER),
        ("genie-agent-account", AGENT),
    ):
        (condition,) = POLICIES[name]["spec"]["matchConditions"]
        assert f"'{account}'" in condition["expression"]
