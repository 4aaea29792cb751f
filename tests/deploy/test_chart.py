"""The Helm chart, rendered by Helm: it installs what kustomize does, on each distribution, also with its components."""

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

import genie_core
from genie_cli.app import main
from genie_core.survey.layouts import CONTAINERD, K3S, MICROK8S, RKE2
from tests.deploy.test_manifests import VERSIONS
from tests.deploy.test_overlays import kustomized
from tests.test_lint import ROOT

CHART = ROOT / "deploy/helm/genie"
HELM = ROOT / "build/helm/helm"
ALL_ON = ("--set", "agent.enabled=true,serve.enabled=true")
MULTUS = ("--set", "crds.networkAttachmentDefinitions=false")
EVERYTHING = (
    "agent.enabled=true,agent.policy=true,serve.enabled=true,admission=true,rbac.namespaceLabels=true",
    "monitoring.rules=true,monitoring.dashboard=true,distribution=k3s,askContainerd=true",
)


def helm(*words):
    if not HELM.exists():
        pytest.fail(f"there is no {HELM}: run `make setup`", pytrace=False)
    return subprocess.run([HELM, *words], capture_output=True, text=True, check=False)


@cache
def rendered(*words, namespace="kube-system"):
    """What `helm install` would apply, by kind and name."""
    done = helm("template", "genie", str(CHART), "--namespace", namespace, *words)
    assert done.returncode == 0, done.stderr
    documents = filter(None, yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))
    return {(one["kind"], one["metadata"]["name"]): one for one in documents}


@pytest.fixture(scope="module")
def kustomize(tmp_path_factory):
    """Build a kustomization; with `all_on`, of a copy in which the components are taken in as the page says."""
    copy = tmp_path_factory.mktemp("all-on")
    for folder in ("deploy", "overlays"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("helm"))
    file = copy / "deploy/kustomization.yaml"
    off = "# components:\n#   - agent\n#   - serve\n"
    assert off in file.read_text()
    file.write_text(file.read_text().replace(off, off.replace("# ", "").replace("#", "")))

    return lambda folder, all_on: kustomized((copy if all_on else ROOT) / folder)


def comparable(documents):
    """Without what Helm and its users add, and without the order of lists in which it has no meaning."""
    for document in json.loads(json.dumps(list(documents.values()))):
        metadata = document["metadata"]
        for label in ("app.kubernetes.io/managed-by", "helm.sh/chart"):
            metadata.get("labels", {}).pop(label, None)
        metadata.get("annotations", {}).pop("helm.sh/resource-policy", None)
        if not metadata.get("annotations"):
            metadata.pop("annotations", None)
        if document["kind"] == "DaemonSet":
            pod = document["spec"]["template"]["spec"]
            pod.get("volumes", []).sort(key=lambda volume: volume["name"])
            (container,) = pod["containers"]
            container.pop("imagePullPolicy", None)
            container.get("volumeMounts", []).sort(key=lambda mount: mount["mountPath"])
        yield (document["kind"], metadata["name"]), document


def test_the_chart_comes_from_the_manifests(tmp_path):
    """Run deploy/write-chart after a change of a manifest (`make generated`)."""
    subprocess.run([sys.executable, ROOT / "deploy/write-chart", tmp_path], check=True)
    for file in [path for path in tmp_path.rglob("*") if path.is_file()]:
        assert file.read_text() == (CHART / file.relative_to(tmp_path)).read_text(), file.name


def test_helm_has_nothing_to_say():
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout
    everything = helm("lint", "--strict", str(CHART), *(f"--set={one}" for one in EVERYTHING))
    assert everything.returncode == 0, everything.stdout


@pytest.mark.parametrize(
    "folder, words, all_on",
    [
        ("deploy", (), False),
        ("deploy", (), True),
        ("overlays/multus", MULTUS, False),
        *(
            (f"overlays/{name}", ("--set", f"distribution={name}"), True)
            for name in ("crio", "debian", "k3s", "microk8s", "rke2")
        ),
    ],
)
def test_it_installs_what_kustomize_does(kustomize, folder, words, all_on):
    expected = dict(comparable(kustomize(folder, all_on)))
    got = dict(comparable(rendered(*words, *(ALL_ON if all_on else ()))))
    assert got.keys() == expected.keys()
    for key, document in expected.items():
        assert got[key] == document, key


def test_it_has_each_overlay_as_a_distribution():
    allowed = json.loads((CHART / "values.schema.json").read_text())["properties"]["distribution"]["enum"]
    assert set(allowed) == {"", *(path.name for path in (ROOT / "overlays").iterdir())} - {"multus"}


@pytest.mark.parametrize("version", VERSIONS)
def test_each_manifest_is_valid(version):
    words = [f"--set={one}" for one in EVERYTHING]
    for (kind, _), document in rendered(*words, namespace="networks").items():
        if kind != "PrometheusRule":  # a kind of Prometheus' operator
            kubernetes_validate.validate(document, version, strict=True)


def test_kinds_and_so_their_objects_outlive_it():
    kinds = [one for (kind, _), one in rendered().items() if kind == "CustomResourceDefinition"]
    assert len(kinds) == 4
    assert all(one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for one in kinds)


def test_in_another_namespace_everything_names_that_one(capsys):
    words = [f"--set={one}" for one in EVERYTHING]
    documents = rendered(*words, namespace="networks")
    text = yaml.safe_dump([one for (_, name), one in documents.items() if name != "genie-dashboard"])
    assert "kube-system" not in re.sub(r"description: .*|message.*: .*", "", text)
    assert "system:serviceaccount:networks:genie" in text
    for name in ("genie", "genie-agent", "genie-serve"):
        (container,) = documents["DaemonSet", name]["spec"]["template"]["spec"]["containers"]
        assert main([*container["args"], "--help"]) == 0, capsys.readouterr().err
        assert ("networks/genie" in container["args"]) == (name == "genie")


def test_rules_and_dashboard_are_those_of_the_folder_monitoring():
    documents = rendered(*(f"--set={one}" for one in EVERYTHING), namespace="networks")
    rules = yaml.safe_load((ROOT / "deploy/monitoring/rules.yaml").read_text())
    assert documents["PrometheusRule", "genie"]["spec"] == rules
    dashboard = json.loads((ROOT / "deploy/monitoring/dashboard.json").read_text())
    assert json.loads(documents["ConfigMap", "genie-dashboard"]["data"]["genie.json"]) == dashboard


@pytest.mark.parametrize(
    "values, message",
    [
        ("distribution=k3", "distribution"),
        ("binDir=opt/cni", "binDir"),
        ("agent.enable=true", "enable"),
        ("image.digest=1234", "digest"),
        ("installerArgs=--yes", "installerArgs"),
    ],
)
def test_wrong_values_are_refused(values, message):
    done = helm("template", "genie", str(CHART), "--set", values)
    assert done.returncode != 0
    assert message in done.stderr


def test_its_version_is_that_of_the_project():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == genie_core.__version__


@pytest.mark.parametrize("distribution", ["", "debian", "k3s", "microk8s", "rke2", "crio"])
def test_the_installer_may_ask_containerd(distribution):
    """As the page's overlay does by hand; CRI-O cannot be asked."""
    words = ("--set", f"distribution={distribution}")
    without, asking = (
        rendered(*words, *more)["DaemonSet", "genie"]["spec"]["template"]["spec"]
        for more in ((), ("--set", "askContainerd=true"))
    )
    if distribution != "crio":
        sockets = {"k3s": K3S, "rke2": RKE2, "microk8s": MICROK8S}.get(distribution, CONTAINERD).sockets
        folder = str(Path(sockets[0]).parent)
        mount = {"name": "runtime", "mountPath": folder, "readOnly": True}
        mounts = asking["containers"][0]["volumeMounts"]
        assert mounts.pop(0) == mount | {"mountPropagation": "HostToContainer"}
        assert asking["volumes"].pop(0) == {"name": "runtime", "hostPath": {"path": folder}}
    assert asking == without


def test_an_image_by_its_digest():
    digest = f"sha256:{'a' * 64}"
    documents = rendered("--set", f"image.digest={digest}")
    (container,) = documents["DaemonSet", "genie"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.example.com/genie@{digest}"


def test_policies_are_switched_on_for_the_plugin_too():
    """Without the key no pod is guarded from its first packet on, and other nodes do not learn its networks."""
    found = rendered("--set", "agent.enabled=true,agent.policy=true")
    plugin, agent = (
        found["DaemonSet", name]["spec"]["template"]["spec"]["containers"][0]["args"]
        for name in ("genie", "genie-agent")
    )
    assert plugin[plugin.index("--set") + 1] == "policy_engine=true"
    assert "--policy" in agent
    assert "--set" not in installer_args("agent.policy=true")


@pytest.mark.parametrize("value", ["agent.policy=false", "agent.enabled=true,agent.policy=false"])
def test_policies_are_switched_off_on_the_nodes_too(value):
    """A key that stayed would keep the rules, and without an agent no pod with several networks would start."""
    args = installer_args(value)
    assert args[args.index("--set") + 1] == "policy_engine=false"


def test_a_chart_without_the_value_leaves_the_nodes_key_alone():
    assert "--set" not in installer_args("agent.enabled=true")


def installer_args(values):
    """The installer's arguments with these values of the chart."""
    pod = rendered("--set", values)["DaemonSet", "genie"]["spec"]["template"]["spec"]
    return pod["containers"][0]["args"]
