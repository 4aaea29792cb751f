"""What `kubectl apply -k deploy` would apply."""

import configparser
import copy
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import genie_core
from genie_cli.app import main
from genie_core.settings import BIN_DIR, CONF_DIR, STATE_DIR
from genie_core.tasks.install.conflist import CA_FILE, TOKEN_FILE

# The oldest and the newest Kubernetes that the manifests are for: the rules of the CRDs need `isCIDR`
VERSIONS = ("1.31", "1.37")
DEPLOY = Path(__file__).parents[2] / "deploy"
KUSTOMIZATION = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
# applied by hand, or taken in, by clusters that want them
AGENT = ["agent/rbac.yaml", "agent/daemonset.yaml"]
SERVE = ["serve/daemonset.yaml"]
OPTIONAL = [
    "admission.yaml",
    "namespace-labels.yaml",
    "policy-rbac.yaml",
    "policy-admission.yaml",
    *AGENT,
    *SERVE,
]
MONITORING = ["monitoring/rules.yaml"]
DOCUMENTS = [
    pytest.param(document, id=f"{document['kind']} {document['metadata']['name']}")
    for file in [*KUSTOMIZATION["resources"], *OPTIONAL]
    for document in yaml.load_all((DEPLOY / file).read_text(), Loader=yaml.CSafeLoader)
]


def document(kind, name):
    return next(one.values[0] for one in DOCUMENTS if one.id == f"{kind} {name}")


@pytest.fixture
def daemonset():
    return copy.deepcopy(document("DaemonSet", "genie"))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", DOCUMENTS)
def test_manifests_hold_to_kubernetes_schemas(manifest, version):
    """Its OpenAPI schemas; strict: a field that the API server would drop is wrong, too."""
    kubernetes_validate.validate(manifest, version, strict=True)


def test_the_agents_command_lines_are_known(capsys):
    """Those of the DaemonSet, of the page that changes it, and of the systemd unit."""
    (container,) = document("DaemonSet", "genie-agent")["spec"]["template"]["spec"]["containers"]
    page = (DEPLOY.parent / "docs/install-in-a-cluster.md").read_text()
    (changed,) = re.findall(r"^(args: \[agent.*)$", page, re.MULTILINE)
    unit = configparser.ConfigParser()
    unit.read(DEPLOY / "agent/genie-agent.service")
    program, *words = unit["Service"]["ExecStart"].split()
    assert Path(program).name == "genie"
    assert unit["Service"]["KillMode"] == "process"  # a change under way goes on
    for line in (container["args"], yaml.safe_load(changed)["args"], words):
        assert line[0] == "agent"
        assert main([*line, "--help"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("unit", ["agent/genie-agent.service", "serve/genie-serve.service"])
def test_systemd_accepts_the_units(tmp_path, unit):
    """systemd-analyze looks for the program too, so another one stands in for it here."""
    text = (DEPLOY / unit).read_text()
    file = tmp_path / Path(unit).name
    file.write_text(re.sub(r"(?m)^(Exec\w+=)/\S+", r"\1/bin/true", text))
    words = ("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", file)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    file.write_text(file.read_text().replace("KillMode=process", "KillMode=nothing"))
    assert "kill mode" in subprocess.run(words, capture_output=True, text=True, check=False).stderr


def test_the_server_s_command_lines_are_known(capsys, daemonset):
    """Those of its DaemonSet, of its systemd unit, and of the installer as the component changes it."""
    (container,) = document("DaemonSet", "genie-serve")["spec"]["template"]["spec"]["containers"]
    unit = configparser.ConfigParser()
    unit.read(DEPLOY / "serve/genie-serve.service")
    _, *words = unit["Service"]["ExecStart"].split()
    assert unit["Service"]["KillMode"] == "process"  # running calls go on
    component = yaml.safe_load((DEPLOY / "serve/kustomization.yaml").read_text())
    assert [f"serve/{file}" for file in component["resources"]] == SERVE
    (change,) = yaml.safe_load(component["patches"][0]["patch"])
    assert (change["op"], change["path"]) == ("add", "/spec/template/spec/containers/0/args/-")
    installer = [*daemonset["spec"]["template"]["spec"]["containers"][0]["args"], change["value"]]
    for line in (container["args"], words, installer):
        assert main([*line, "--help"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda pod: pod.update(hostNetworks=True), "'hostNetworks' was unexpected"),
        (lambda pod: pod.update(hostNetwork="yes"), "'yes' is not of type 'boolean'"),
        (lambda pod: pod["containers"][0].pop("name"), "'name' is a required property"),
        (lambda pod: pod.update(tolerations={}), "{} is not of type 'array'"),
    ],
)
def test_a_wrong_manifest_is_seen(daemonset, spoil, message):
    spoil(daemonset["spec"]["template"]["spec"])
    with pytest.raises(kubernetes_validate.ValidationError, match=re.escape(message)):
        kubernetes_validate.validate(daemonset, VERSIONS[-1], strict=True)


def test_every_file_is_part_of_it():
    found = {path.relative_to(DEPLOY) for path in DEPLOY.rglob("*.yaml")}
    files = {str(path) for path in found if path.parts[0] != "helm"}
    others = {"kustomization.yaml", "agent/kustomization.yaml", "serve/kustomization.yaml", *MONITORING}
    assert files == {*KUSTOMIZATION["resources"], *OPTIONAL, *others}


def test_the_agent_is_a_component_that_is_off():
    component = yaml.safe_load((DEPLOY / "agent/kustomization.yaml").read_text())
    assert component["kind"] == "Component"
    assert [f"agent/{file}" for file in component["resources"]] == AGENT
    assert "components" not in KUSTOMIZATION
    text = (DEPLOY / "kustomization.yaml").read_text()
    on = yaml.safe_load(text.replace("# components:\n#   - agent\n", "components:\n  - agent\n"))
    assert on["components"] == ["agent"]


def test_the_agent_sees_the_node_as_the_journals_name_it():
    pod = document("DaemonSet", "genie-agent")["spec"]["template"]["spec"]
    assert pod["hostNetwork"]
    assert pod["hostPID"]
    (container,) = pod["containers"]
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        assert mount["mountPath"].removeprefix("/var") == paths[mount["name"]].removeprefix("/var")
    assert Path(STATE_DIR).is_relative_to(paths["state"])
    assert Path(CONF_DIR).is_relative_to(paths["conf"])
    assert container["args"] == ["agent", "--host-pid", "1"]


def test_the_image_is_that_of_this_version():
    (image,) = KUSTOMIZATION["images"]
    assert image["newTag"] == genie_core.__version__


def test_the_daemonset_has_no_rights_on_the_node_but_its_directories(daemonset):
    pod = daemonset["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"], "add": ["DAC_OVERRIDE"]}
    assert "privileged" not in json.dumps(daemonset)
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"]}
    assert {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]} == paths
    read = {mount["mountPath"] for mount in container["volumeMounts"] if mount.get("readOnly")}
    assert read == {"/etc/containerd", "/etc/crio"}
    written = {str(BIN_DIR), str(CONF_DIR), str(TOKEN_FILE.parent), str(CA_FILE.parent)}
    assert set(paths.values()) == written | read


def test_the_patch_for_nodes_that_look_elsewhere(daemonset):
    """The page's JSON patches (RFC 6902, `replace`) change the directory in both places."""
    page = (DEPLOY.parent / "docs/install-in-a-cluster.md").read_text()
    blocks = re.findall(r"^```yaml\n(resources:.*?)^```", page, re.DOTALL | re.MULTILINE)
    (text,) = (block for block in blocks if "op: replace" in block)
    for operation in yaml.safe_load(yaml.safe_load(text)["patches"][0]["patch"]):
        *way, last = operation["path"].strip("/").split("/")
        target = daemonset
        for step in way:
            target = target[int(step) if step.isdigit() else step]
        assert (operation["op"], target[last]) == ("replace", str(BIN_DIR))
        target[last] = operation["value"]
    pod = daemonset["spec"]["template"]["spec"]
    (mounted,) = [m["mountPath"] for m in pod["containers"][0]["volumeMounts"] if m["name"] == "bin"]
    (path,) = [v["hostPath"]["path"] for v in pod["volumes"] if v["name"] == "bin"]
    assert mounted == path == "/usr/lib/cni"


def test_the_installer_learns_its_node(daemonset):
    """It binds the plugin's token to it."""
    (container,) = daemonset["spec"]["template"]["spec"]["containers"]
    assert {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}} in container[
        "env"
    ]


def test_no_role_is_bound_to_all_users():
    """As CNI-Genie's was, to system:authenticated (lessons 2)."""
    documents: list[Any] = [one.values[0] for one in DOCUMENTS]
    bindings = [one for one in documents if one["kind"].endswith("RoleBinding")]
    subjects = {(one["kind"], one["name"]) for binding in bindings for one in binding["subjects"]}
    assert subjects == {("ServiceAccount", f"genie{of}") for of in ("", "-installer", "-agent", "-debug")}
