"""Every command line of the documents: Genie's own exist; a block's is run by a test, or it is said why not."""

import re
import shlex
from pathlib import Path

import pytest

from genie_cli.table import root
from tests.test_tours import PAGES

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
DOCUMENTS += sorted((ROOT / "docs").glob("*.md"))
PROGRAMS = (
    "genie|kubectl|helm|make|deploy/|\\.venv/|\\.ci/|apt|pip|buildah|source|man|python3|openssl|ip|GENIE_"
)
IMAGE = "deploy/test_image.py::test_nothing_of_the_image_depends_on_when_it_was_built"
SIGNED = "deploy/test_rootfs.py::test_the_image_can_be_signed_and_checked"
MANIFESTS = "deploy/test_manifests.py::test_manifests_hold_to_kubernetes_schemas"
STATUS = "status/test_commands.py::test_"
THERE = "remote/test_remote.py::test_"
# How a block's command line begins: the test that runs it, or in other words why none does.
RUN_BY = {
    "make demo": "test_make.py::test_the_demo_is_one_page_and_ends_with_what_to_do_next",
    "make tour": "test_make.py::test_the_tour_has_what_it_says",
    "make test": "it is what CI runs",
    "python3 -m venv /usr/local/lib/genie": "deploy/test_wheel.py::test_the_command_line_runs_from_it",
    "deploy/build-rootfs build/rootfs": "deploy/test_rootfs.py::test_the_image_runs_the_command_line",
    "buildah build": IMAGE,
    "kubectl apply -k deploy": MANIFESTS,
    "kubectl apply -k overlays/k3s": "deploy/test_overlays.py::test_the_pod_has_the_directories_of_the_runtime",
    "kubectl apply -f deploy/admission.yaml": MANIFESTS,
    "kubectl apply -f deploy/namespace-labels.yaml": MANIFESTS,
    "kubectl delete -k deploy": "there is no cluster; it deletes what `kubectl apply -k deploy` applies",
    "helm install genie deploy/helm/genie": "deploy/test_chart.py::test_it_installs_what_kustomize_does",
    "openssl dgst": SIGNED,
    "(cd build/rootfs && sha256sum": SIGNED,
    "kubectl create clusterrolebinding genie-status": f"{STATUS}the_cluster_role_is_what_is_asked",
    "kubectl create clusterrolebinding genie-debug": f"{THERE}the_role_is_what_is_asked",
    "kubectl create rolebinding genie-remote": f"{THERE}the_role_is_what_is_asked",
    "kubectl create rolebinding genie-remote-pods": f"{THERE}the_role_is_what_is_asked",
    "kubectl annotate pod web-0": "live/agent/test_agent.py::test_a_change_is_applied",
    "kubectl wait": "live/agent/test_switching.py::test_a_readiness_gate",
    "kubectl get pod web-0 -n shop -o": "test_pages.py::test_the_command_that_reads_the_addresses",
    "/opt/cni/bin/.genie/python/bin/genie uninstall": (
        "deploy/test_rootfs.py::test_the_nodes_own_copy_takes_everything_away"
    ),
    "genie status": f"{STATUS}the_whole_cluster_on_one_screen",
    "genie status -o wide": f"{STATUS}long_tables_are_cut_unless_wide",
    "genie status --wait": f"{STATUS}waiting_in_vain_ends_with_the_time",
    "genie networks": f"{STATUS}the_documents",
    "genie networks shop/blue": f"{STATUS}one_network_with_its_pods",
    "genie debug pod": f"{THERE}debug_pod_finds_the_pods_node",
    "genie debug pod shop/web-0 -o": f"{THERE}a_page_and_a_picture_arrive_whole",
    "genie debug node --node": f"{THERE}debug_node_runs_there_and_here_only_where_that_is_asked_for",
    "genie debug bundle --node": f"{THERE}a_bundle_of_another_node",
    "genie debug bundle --all": f"{THERE}a_bundle_of_all_nodes_names_those_that_are_missing",
    "genie explain pod": f"{THERE}explain_pod_reads_the_files_of_the_pods_node",
    "genie discover": "discover/test_command.py::test_findings_make_the_exit_code",
    "genie discover --node": f"{THERE}discover_runs_on_the_node_in_its_namespaces",
    "genie gc --node": f"{THERE}gc_asks_here_and_removes_there",
    "genie agent": "live/agent/test_agent.py::test_a_change_is_applied",
    "genie agent --once": "live/agent/test_agent.py::test_once",
    "genie sync pod": "live/test_sync.py::test_plug_and_unplug",
    "genie install --serve": "server/test_install.py::test_later_installations_keep_the_launcher_until_it_is_given_up",
    "genie trace": "diagnose/test_trace.py::test_the_pictures",
    "genie generate-config": "generate/test_command.py::test_yes_and_force_replace_it_and_keep_a_copy",
}


def blocks(page):
    """The command lines of a page's blocks, without comments; console blocks that `test_tours` runs are left out."""
    text = page.read_text().replace("\\\n", " ")
    found = []
    for kind, body in re.findall(r"^```(console|sh|bash)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if kind != "console":
            found += body.splitlines()
        elif page.stem not in PAGES and page.name != "README.md":
            found += [line[2:] for line in body.splitlines() if line.startswith("$ ")]
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    found += re.findall(rf"^    ((?:{PROGRAMS}|/opt/).*)$", outside, re.MULTILINE)
    return [" ".join(re.sub(r"\s+#.*", "", line).split()) for line in found if line.strip()]


LINES = sorted({line for page in DOCUMENTS if page.name != "CONTRIBUTING.md" for line in blocks(page)})


@pytest.mark.parametrize("line", LINES)
def test_each_command_line_of_a_block_is_run_or_it_is_said_why_not(line):
    known = [start for start in RUN_BY if f"{line} ".startswith(f"{start} ")]
    assert known, f"{line!r} has no row in RUN_BY"
    file, _, name = RUN_BY[max(known, key=len)].partition("::")
    if file.endswith(".py"):
        assert f"def {name}" in (ROOT / "tests" / file).read_text()


def test_each_row_is_about_a_command_line_that_there_is():
    assert [start for start in RUN_BY if not any(line.startswith(start) for line in LINES)] == []


def of_genie():
    """Genie's own command lines of all documents, in blocks and in sentences."""
    found = set()
    for page in DOCUMENTS:
        lines = blocks(page) + re.findall(r"^\$ (.*)$", page.read_text(), re.MULTILINE)
        lines += re.findall(r"`((?:kubectl )?genie [a-z][^`]*)`", page.read_text().replace("\n", " "))
        for line in lines:
            for part in re.split(r" (?:\||&&|>\S*|2>\S*) ?", line.partition(" # ")[0]):
                if re.match(r"(kubectl )?genie [a-z]", part.strip()):
                    found.add(" ".join(part.replace("kubectl genie", "genie").replace("...", "").split()))
    return sorted(found)


@pytest.mark.parametrize("line", of_genie())
def test_each_command_of_genie_exists_with_its_flags(line):
    words = shlex.split(line)[1:]
    command = root()
    while words and hasattr(command, "get_command"):
        name = words.pop(0)
        command = command.get_command(None, name)
        assert command is not None, f"{name!r} of {line!r} is no command"
    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    asked = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert asked <= known | {"--help"}, f"{line!r} has flags that do not exist"
