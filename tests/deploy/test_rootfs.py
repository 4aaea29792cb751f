"""The image's file system, and the plugin run from it with nothing else around: no Python, no libraries, no shell."""

import json
import os
import shutil
import subprocess
from importlib.metadata import distributions
from pathlib import Path

import pytest

import genie_core
from tests.deploy.test_overlays import PLACED, installer
from tests.live.agent.running import Running
from tests.system.node import install_plugin

pytestmark = [pytest.mark.root, pytest.mark.system, pytest.mark.timeout(300)]

DEPLOY = Path(__file__).parents[2] / "deploy"
PLUGIN = "/opt/cni/bin/genie"
ON_NODE = "/opt/cni/bin/.genie/python/bin"
DELEGATE = """\
#!/opt/cni/bin/.genie/python/bin/python3 -IS
import json, os, sys
if os.environ["CNI_COMMAND"] == "VERSION":
    print('{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}')
elif os.environ["CNI_COMMAND"] == "ADD":
    print('{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.2/24"}]}')
"""


class Root:
    """A root directory for commands, which see only /proc and /dev/null besides."""

    def __init__(self, path):
        self.path = path
        for folder in ("proc", "dev", "etc", "tmp", "var/lib"):
            (path / folder).mkdir(parents=True, exist_ok=True)
        (path / "dev/null").touch()

    def run(self, *argv, stdin="", status=0):
        """A command's stdout, from namespaces of its own and with an empty environment."""
        enter = 'mount -t proc proc "$0/proc"; mount --bind /dev/null "$0/dev/null"; exec chroot "$0" "$@"'
        done = subprocess.run(
            ["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-ec", enter, self.path, *argv],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def run_with(self, env, *argv, stdin):
        """The same with this environment and no other; there is no env(1)."""
        script = "import json, os, sys; os.execve(sys.argv[2], sys.argv[2:], json.loads(sys.argv[1]))"
        return self.run(f"{ON_NODE}/python3", "-ISc", script, json.dumps(env), *argv, stdin=stdin)


@pytest.fixture(scope="module")
def image(beside, tree):
    """What the Containerfile copies, where this module may write."""
    root = shutil.copytree(tree, beside / "image", symlinks=True, copy_function=os.link)
    return Root(root)


@pytest.fixture(scope="module")
def node(beside, image):
    """A node that has nothing but what `genie install`, run in the image, has put into /opt/cni and /etc/cni."""
    image.run("/opt/genie/bin/genie", "install")
    root = beside / "node"
    for folder in ("opt/cni", "etc/cni"):
        shutil.copytree(image.path / folder, root / folder, symlinks=True, copy_function=os.link)
    delegate = root / "opt/cni/bin/delegate"
    delegate.write_text(DELEGATE)
    delegate.chmod(0o755)
    (root / "etc/cni/net.d/10-net.conf").write_text('{"cniVersion":"1.0.0","name":"net","type":"delegate"}')
    return Root(root)


@pytest.fixture
def call(node):
    def call(verb, **changes):
        conflist = json.loads((node.path / "etc/cni/net.d/00-genie.conflist").read_text())
        config = {**conflist["plugins"][0], "name": "genie", "cniVersion": "1.0.0"}
        variables = {
            "CONTAINERID": "c1",
            "NETNS": "/proc/self/ns/net",
            "IFNAME": "eth0",
            "PATH": "/opt/cni/bin",
        }
        env = {f"CNI_{key}": value for key, value in {"COMMAND": verb, **variables}.items()}
        env["CNI_NETNS_OVERRIDE"] = "1"  # there is no other namespace here, and the delegate looks at none
        out = node.run_with(env, PLUGIN, stdin=json.dumps(config))
        return json.loads(out) if out else None

    return call


def test_the_image_runs_the_command_line(image):
    assert image.run("/opt/genie/bin/genie", "--version") == f"genie {genie_core.__version__}\n"
    assert "uninstall" in image.run("/opt/genie/bin/genie", "--help")


def test_everything_that_the_plugin_may_load_is_there(node):
    modules = "ssl, ctypes, socket, hashlib, http.client, subprocess, zlib, json"
    assert node.run(f"{ON_NODE}/python3", "-ISc", f"import {modules}; print(ssl.OPENSSL_VERSION)").startswith(
        "OpenSSL"
    )


def test_every_package_of_the_image_can_be_imported(image):
    """Their shared libraries, too; the build's own machine has some of them."""
    script = """
import importlib, pkgutil, sys
sys.path.insert(1, "/opt/genie/lib/site")
for module in pkgutil.iter_modules(sys.path[1:2]):
    importlib.import_module(module.name)
    print(module.name)
"""
    assert "pyroute2" in image.run("/opt/genie/bin/python3", "-Ic", script).split()


def test_the_installed_plugin_names_its_own_python(node):
    first = (node.path / PLUGIN[1:]).read_text().splitlines()[0]
    link = node.path / "opt/cni/bin/.genie/python"
    assert first == f"#!/opt/cni/bin/.genie/{link.readlink()}/bin/python3 -ISXutf8"
    assert (link / "RELEASE").read_text().strip() == str(link.readlink())


def test_the_plugin_attaches_and_releases(node, call):
    containers = node.path / "var/lib/cni/genie/containers"
    assert call("VERSION")["supportedVersions"][-1] == "1.1.0"
    assert call("ADD")["ips"][0]["address"] == "10.9.0.2/24"
    assert len(list(containers.iterdir())) == 1
    assert call("DEL") is None
    assert not list(containers.iterdir())


def test_installing_again_changes_nothing(node, image):
    for words in (("--dry-run",), ()):  # the first is what the DaemonSet asks every ten seconds
        again = json.loads(image.run("/opt/genie/bin/genie", "install", *words, "-o", "json"))
        assert again["changed"] == []


def test_the_nodes_own_copy_takes_everything_away(node):
    """`genie uninstall` removes the copy that runs it, with its Python."""
    report = json.loads(node.run(f"{ON_NODE}/genie", "uninstall", "-o", "json"))
    assert report["complete"]
    assert [path.name for path in (node.path / "opt/cni/bin").iterdir()] == ["delegate"]
    assert [path.name for path in (node.path / "etc/cni/net.d").iterdir()] == ["10-net.conf"]


def test_the_image_says_what_is_in_it(image):
    bill = json.loads((image.path / "opt/genie/sbom.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    urls = {component["purl"] for component in bill["components"]}
    site = image.path / "opt/genie/lib/site"
    python = {
        f"pkg:pypi/{one.metadata['Name'].lower()}@{one.version}" for one in distributions(path=[str(site)])
    }
    assert python < urls
    assert f"pkg:pypi/cni-genie@{genie_core.__version__}" in python
    debian = {url.partition("@")[0] for url in urls - python}
    assert {"pkg:deb/debian/libssl3t64", "pkg:deb/debian/python3.13-minimal"} < debian


def test_the_image_can_be_signed_and_checked(image, tmp_path):
    """By the commands of docs/install-in-a-cluster.md."""
    page = (DEPLOY.parent / "docs/install-in-a-cluster.md").read_text()
    commands = page.partition("```sh\nopenssl")[2].partition("```")[0]
    shutil.copytree(image.path / "opt/genie", tmp_path / "build/rootfs/opt/genie", symlinks=True)
    shutil.copy(image.path / "SHA256SUMS", tmp_path / "build/rootfs")
    for words in ("genrsa -out genie.key", "rsa -in genie.key -pubout -out genie.pub"):
        subprocess.run(["openssl", *words.split()], cwd=tmp_path, check=True, capture_output=True)
    script = f"set -e; openssl{commands}"
    subprocess.run(["sh", "-c", script], cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "build/rootfs/opt/genie/bin/genie").write_text("#!/bin/sh\n")
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode != 0
    assert "opt/genie/bin/genie: FAILED" in done.stdout + done.stderr


LOCATE = """
import sys
sys.path.insert(1, "/opt/genie/lib/site")
from genie_core.tasks.install.daemonset import locate
found = locate(None, None)
print(found.bin_dir, found.conf_dir, *(runtime.name for runtime in found.runtimes))
"""
CONFIGURATIONS = {
    "containerd": 'version = 2\n[plugins."io.containerd.grpc.v1.cri".cni]\nbin_dir = "{}"\nconf_dir = "{}"\n',
    "crio": '[crio.network]\nplugin_dirs = ["{}"]\nnetwork_dir = "{}"\n',
}


@pytest.mark.parametrize("overlay", PLACED)
def test_the_installer_finds_the_nodes_directories_through_its_mounts(overlay, image, tmp_path):
    """Of the node it sees what the overlay mounts, with the configuration that the distribution writes."""
    layout, (_, paths) = PLACED[overlay], installer(overlay)
    mounts = "".join(
        f'mkdir -p "$0{path}"; mount --bind {tmp_path} "$0{path}"; ' for path in sorted(paths.values())
    )
    write = f'printf %s "$1" >"$0{layout.configs[0]}"; shift; exec chroot "$0" "$@"'
    script = f'mount -t proc proc "$0/proc"; {mounts} {write}'
    text = CONFIGURATIONS[layout.kind].format(*layout.directories)
    python = ("/opt/genie/bin/python3", "-BIc", LOCATE)
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "sh", "-ec", script, image.path, text, *python],
        capture_output=True,
        text=True,
        check=False,
    )
    name = f"{layout.kind} ({layout.flavour})" if layout.flavour else layout.kind
    assert done.stdout == f"{' '.join(layout.directories)} {name}\n", done.stderr


@pytest.fixture
def pods(tmp_path):
    """A node with a pod, and a process of the node: its PID is for --host-pid."""
    pods = Running(tmp_path / "pods", install_plugin(tmp_path / "installed"))
    first = subprocess.Popen(pods.node.inside("sleep", "600"))
    try:
        yield pods, first.pid
    finally:
        first.kill()
        first.wait()
        pods.close()


def test_the_agent_in_the_image(image, pods):
    """As deploy/agent has it: the image, the node's network and PIDs, and directories of the node at their paths.

    The state directory is none of these: Genie's configuration may name any.
    """
    node, pid = pods
    node.start(cni="blue")
    node.annotate(cni="blue,red@net1")
    node.node.pod.run("ip", "link", "set", "eth0", "down")
    there = [node.node.conf, node.node.leases, Path("/run/netns")]
    for folder in there:
        (image.path / str(folder)[1:]).mkdir(parents=True, exist_ok=True)
    binds = "".join(f'mount --rbind --make-rslave {folder} "$0{folder}"; ' for folder in there)
    enter = f'mount -t proc proc "$0/proc"; {binds}exec chroot "$0" "$@"'
    words = ["agent", "--once", "--repair", "fix", "--node", "node-1", "--host-pid", str(pid)]
    places = ["--conf-dir", node.node.conf, "--ipam-dir", node.node.leases]
    done = subprocess.run(
        node.node.inside(
            "unshare", "--mount", "sh", "-ec", enter, image.path, "/opt/genie/bin/genie", *words, *places
        ),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    node.has("net1")
    link = json.loads(node.node.pod.run("ip", "-json", "link", "show", "eth0").stdout)[0]
    assert "UP" in link["flags"]
    assert node.condition() == ("True", "Applied")
    assert set(node.pod_events()) == {"NetworkAttached", "NetworkRepaired"}
