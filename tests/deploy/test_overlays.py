"""The overlays, as kubectl builds them, and the page's table, against the directories that the survey knows."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

from genie_cli.app import main
from genie_core.settings import CONF_DIR
from genie_core.survey.layouts import CONTAINERD, CRI_DOCKERD, CRIO, K0S, K3S, LAYOUTS, MICROK8S, RKE2
from tests.test_lint import ROOT

OVERLAYS = {path.parent.name: path for path in (ROOT / "overlays").glob("*/kustomization.yaml")}
# Where the pod has a runtime's own directories: an overlay, and the layout that it is for.
PLACED = {"k3s": K3S, "rke2": RKE2, "microk8s": MICROK8S, "crio": CRIO, "": CONTAINERD}
PAGE = (ROOT / "docs/install-in-a-cluster.md").read_text()


@cache
def kustomized(folder):
    """What `kubectl apply -k` would apply, by kind and name."""
    done = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=True)
    return {
        (one["kind"], one["metadata"]["name"]): one
        for one in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader)
    }


def build(overlay):
    """What an overlay is built to; "" for deploy itself."""
    return kustomized(ROOT / "overlays" / overlay if overlay else ROOT / "deploy")


def installer(overlay):
    """The installer's pod: its specification, and the paths that it has of the node, by volume."""
    pod = build(overlay)["DaemonSet", "genie"]["spec"]["template"]["spec"]
    paths = {volume["name"]: volume["hostPath"]["path"] for volume in pod["volumes"]}
    (container,) = pod["containers"]
    assert {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]} == paths
    return pod, paths


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_names_itself_and_changes_only_what_it_says(overlay):
    assert OVERLAYS[overlay].read_text().startswith(f"# kubectl apply -k overlays/{overlay}\n")
    base, built = build(""), build(overlay)
    different = {key for key in base if built.get(key) != base[key]}
    definition = ("CustomResourceDefinition", "network-attachment-definitions.k8s.cni.cncf.io")
    assert different == ({definition} if overlay == "multus" else {("DaemonSet", "genie")})
    assert (definition in built) == (overlay != "multus")


@pytest.mark.parametrize("overlay", PLACED)
def test_the_pod_has_the_directories_of_the_runtime(overlay):
    _, paths = installer(overlay)
    assert (paths["bin"], paths["conf"]) == PLACED[overlay].directories
    configurations = [config.rpartition("/")[0] for config in PLACED[overlay].configs]
    assert {paths["containerd"], paths["crio"]} & set(configurations)


def test_debians_containerd_looks_for_plugins_elsewhere():
    _, paths = installer("debian")
    assert (paths["bin"], paths["conf"]) == ("/usr/lib/cni", CONF_DIR)


def test_only_with_cri_o_other_networks_files_are_moved():
    assert [name for name in ("", *OVERLAYS) if "--yes" in installer(name)[0]["containers"][0]["args"]] == [
        "crio"
    ]


@pytest.mark.parametrize("overlay", ["k3s", "microk8s"])
def test_the_agent_reads_the_same_directory(overlay, tmp_path, capsys):
    """Where the agent is taken in."""
    patches = yaml.safe_load(OVERLAYS[overlay].read_text())["patches"]
    agent = yaml.safe_load((ROOT / "deploy/agent/daemonset.yaml").read_text())
    pod = agent["spec"]["template"]["spec"]
    (operations,) = (
        yaml.safe_load(one["patch"]) for one in patches if one["target"]["name"] == "genie-agent"
    )
    conf = PLACED[overlay].directories[1]
    named = [one["value"] for one in operations if "args" in one["path"]]
    assert named == ["--conf-dir", conf]
    (volume,) = (one["value"] for one in operations if "volumes/" in one["path"])
    (mount,) = (one["value"] for one in operations if "volumeMounts" in one["path"])
    assert (volume["hostPath"]["path"], mount["mountPath"], mount["name"]) == (conf, conf, volume["name"])
    assert main([*pod["containers"][0]["args"], *named, "--help"]) == 0, capsys.readouterr().err


def rows():
    """The table of docs/install-in-a-cluster.md: its cells, row by row."""
    text = PAGE.partition("| distribution |")[2].partition("\n\n")[0]
    lines = [line.strip("| ") for line in text.splitlines()[2:]]
    return [[cell.strip() for cell in line.split(" | ")] for line in lines]


def test_the_table_has_each_runtime_with_its_directories():
    found = {name: (bin_dir.strip("`"), conf_dir.strip("`")) for name, bin_dir, conf_dir, _ in rows()}
    titles = {
        "containerd (kubeadm and others)": CONTAINERD,
        "CRI-O": CRIO,
        "k3s": K3S,
        "RKE2": RKE2,
        "MicroK8s": MICROK8S,
        "k0s": K0S,
        "cri-dockerd": CRI_DOCKERD,
    }
    assert list(titles.values()) == list(LAYOUTS)
    for title, layout in titles.items():
        assert found[title] == layout.directories, title
    assert found["Debian's containerd"] == ("/usr/lib/cni", CONF_DIR)


def test_each_row_says_what_to_apply_and_each_overlay_has_its_row():
    applied = [re.findall(r"`kubectl apply -k (\S+)`", row[3]) for row in rows()]
    assert all(len(commands) == 1 for commands in applied)
    named = {command for (command,) in applied}
    assert named - {"deploy"} == {f"overlays/{name}" for name in OVERLAYS} - {"overlays/multus"}
    assert "kubectl apply -k overlays/multus" in PAGE


def test_each_artefact_of_the_page_can_be_made():
    """The programs and folders that the table of artefacts names exist."""
    text = PAGE.partition("| artefact |")[2].partition("\n\n")[0]
    made = re.findall(r"^\| [^|]* \| `([^`]*)`", text, re.MULTILINE)
    assert len(made) == 9
    for words in (command.split() for command in made):
        named = [word for word in words if word.startswith(("deploy/", "overlays/"))]
        assert named or words[0] in ("pip", "buildah", "kubectl"), words
        assert all((ROOT / name).exists() for name in named)


def test_the_pages_overlay_lets_the_installer_ask_containerd(tmp_path):
    text = PAGE.partition("`--set askContainerd=true`:\n\n```yaml\n")[2].partition("```")[0]
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("helm"))
    (tmp_path / "kustomization.yaml").write_text(text)
    pod = kustomized(tmp_path)["DaemonSet", "genie"]["spec"]["template"]["spec"]
    socket = Path(CONTAINERD.sockets[0])
    assert pod["volumes"][-1]["hostPath"]["path"] == str(socket.parent)
    assert pod["containers"][0]["volumeMounts"][-1]["mountPath"] == str(socket.parent)
