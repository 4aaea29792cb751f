"""The image, built by buildah from deploy/Containerfile, and run by containerd as deploy/daemonset.yaml says."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from cri_api.v1 import api_pb2 as cri

import genie_core
from genie_core.edges.netns import inside
from tests.apiserver import API, APIServer, Authority, Objects
from tests.deploy.conftest import DEPLOY
from tests.deploy.test_daemonset import answer
from tests.netns import PREFIX
from tests.patience import wait_until
from tests.runtime.containerd import CALL_SECONDS, Containerd
from tests.runtime.node import InstalledNode, network_of

pytestmark = [pytest.mark.root, pytest.mark.system, pytest.mark.timeout(300), pytest.mark.first]

NAME = "registry.example.com/genie:1.0.0"
NEXT, NEXT_VERSION = "registry.example.com/genie:next", "99.0.0"
SITE = "opt/genie/lib/site/genie_core"
TOKEN_SECONDS = 16  # renewed at half of that, at the next look
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
# The directories of the DaemonSet exist where kubelet has made them.
CONTAINERD = """version = 2
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/opt/cni/bin"
  conf_dir = "/etc/cni/net.d"
"""


@pytest.fixture(scope="module")
def archive(tree, beside):
    """The OCI archive that the words in the Containerfile's head make, in a store of its own."""
    folder = beside
    head = (DEPLOY / "Containerfile").read_text().replace("\\\n#", "")
    (line,) = re.findall(r"^# (buildah build .*)$", head, re.MULTILINE)
    words = line.replace("build/genie.tar:genie", f"{folder}/genie.tar:{NAME}").split()
    words.remove("--disable-compression=false")  # compression helps a pull only, and takes seconds here
    words[words.index("--file") + 1 :] = [str(DEPLOY / "Containerfile"), str(tree)]
    store = ["--root", folder / "root", "--runroot", folder / "run", "--storage-driver", "vfs"]
    subprocess.run([words[0], *store, *words[1:2], "--isolation", "chroot", *words[2:]], check=True)
    shutil.rmtree(folder / "root")
    return folder / "genie.tar"


def content(file, name):
    member = file.extractfile(name)
    assert member
    return member.read()


def blob(archive, descriptor):
    with tarfile.open(archive) as file:
        return content(file, f"blobs/{descriptor['digest'].replace(':', '/')}")


def described(archive):
    """The image's manifest and its configuration."""
    with tarfile.open(archive) as file:
        index = json.loads(content(file, "index.json"))
    manifest = json.loads(blob(archive, index["manifests"][0]))
    return manifest, json.loads(blob(archive, manifest["config"]))


def test_nothing_of_the_image_depends_on_when_it_was_built(archive):
    manifest, config = described(archive)
    assert config["created"] == "1970-01-01T00:00:00Z"
    assert config["config"]["Entrypoint"] == ["/opt/genie/bin/genie"]
    (layer,) = manifest["layers"]
    with tarfile.open(fileobj=io.BytesIO(blob(archive, layer))) as files:
        members = files.getmembers()
        compiled = [content(files, one)[:8] for one in members if one.name.endswith(".pyc")]
    assert {member.mtime for member in members} == {0}
    assert {(member.uid, member.gid) for member in members} == {(0, 0)}
    assert {"opt/genie/bin/genie", "opt/genie/sbom.cdx.json"} < {member.name for member in members}
    # they count whatever times their sources have (PEP 552)
    assert {head[4:] for head in compiled} == {b"\1\0\0\0"}


def next_version(archive, target):
    """The image with a newer version in a second layer; the first one is in containerd already."""
    manifest, config = described(archive)
    code = (DEPLOY.parent / "genie_core/__init__.py").read_text()
    changed = {
        f"{SITE}/__init__.py": code.replace(genie_core.__version__, NEXT_VERSION),
        f"{SITE}/__pycache__/.wh.__init__.cpython-313.pyc": "",
        "opt/genie/RELEASE": "python3.13-next\n",
    }
    layer = packed({name: text.encode() for name, text in changed.items()})
    config["rootfs"]["diff_ids"].append(digest(layer))
    config.pop("history", None)
    blobs = [layer, json.dumps(config).encode()]
    manifest["config"] |= {"digest": digest(blobs[1]), "size": len(blobs[1])}
    kind = "application/vnd.oci.image.layer.v1.tar"
    manifest["layers"].append({"mediaType": kind, "digest": digest(layer), "size": len(layer)})
    blobs.append(json.dumps(manifest).encode())
    named = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest(blobs[2]),
        "size": len(blobs[2]),
        "annotations": {"io.containerd.image.name": NEXT},
    }
    index = {"schemaVersion": 2, "manifests": [named]}
    files = {f"blobs/{digest(data).replace(':', '/')}": data for data in blobs}
    files |= {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": json.dumps(index).encode()}
    target.write_bytes(packed(files))


def packed(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Kubelet:
    """What kubelet does for the DaemonSet's pod on one node, by CRI; and an API server for the pod."""

    def __init__(self, root, cni_bin):
        self.node = InstalledNode(root, cni_bin)
        authority = Authority(root)
        self.api = API(
            Objects(NODE), tokens={"installer-token": "system:serviceaccount:kube-system:genie-installer"}
        )
        self.api.longest_token_seconds = TOKEN_SECONDS
        self.server = inside(str(self.node.host.path), lambda: APIServer(self.api, authority=authority))
        self.containerd = Containerd(root, self.node.host, self.node.bin, self.node.conf)
        self.account = root / "account"
        self.account.mkdir()
        (self.account / "token").write_text("installer-token")
        (self.account / "ca.crt").write_text(Path(authority.ca_file).read_text())
        manifest = next(iter(yaml.safe_load_all((DEPLOY / "daemonset.yaml").read_text())))
        self.pod = manifest["spec"]["template"]["spec"]
        (self.spec,) = self.pod["containers"]
        self.sandbox = self.container = ""

    def close(self):
        self.containerd.close()
        self.server.close()
        self.node.close()

    def start_runtime(self, archive):
        """containerd with the image, and the directories of the pod's volumes."""
        self.containerd.run("sh", "-ec", "mkdir -p /etc/containerd; mount -t tmpfs none /etc/containerd")
        self.containerd.run("sh", "-ec", 'printf %s "$1" >/etc/containerd/config.toml', "sh", CONTAINERD)
        for volume in self.pod["volumes"]:
            assert volume["hostPath"]["type"] == "DirectoryOrCreate"
            self.containerd.run("mkdir", "-p", volume["hostPath"]["path"])
        self.containerd.start()
        self.containerd.import_image()
        self.import_archive(archive)

    def import_archive(self, archive):
        self.containerd.ctr("--namespace", "k8s.io", "images", "import", "--snapshotter=native", str(archive))

    def run(self, image):
        """Start the pod's container, its sandbox too if there is none."""
        client, seconds = self.containerd.client, CALL_SECONDS
        config = self._sandbox_config()
        if not self.sandbox:
            request = cri.RunPodSandboxRequest(config=config)
            self.sandbox = client.RunPodSandbox(request, timeout=seconds).pod_sandbox_id
        create = cri.CreateContainerRequest(
            pod_sandbox_id=self.sandbox, config=self._container_config(image), sandbox_config=config
        )
        self.container = client.CreateContainer(create, timeout=seconds).container_id
        client.StartContainer(cri.StartContainerRequest(container_id=self.container), timeout=seconds)

    def _sandbox_config(self):
        host = cri.NamespaceOption(network=cri.NODE) if self.pod["hostNetwork"] else None
        return cri.PodSandboxConfig(
            metadata=cri.PodSandboxMetadata(name="genie-n1", uid="genie-n1", namespace="kube-system"),
            linux=cri.LinuxPodSandboxConfig(
                cgroup_parent=f"/genie-{self.node.host.name}",
                security_context=cri.LinuxSandboxSecurityContext(namespace_options=host),
            ),
        )

    def _container_config(self, image):
        context, host = (
            self.spec["securityContext"],
            {v["name"]: v["hostPath"]["path"] for v in self.pod["volumes"]},
        )
        mounts = [
            cri.Mount(
                container_path=one["mountPath"],
                host_path=host[one["name"]],
                readonly=one.get("readOnly", False),
            )
            for one in self.spec["volumeMounts"]
        ]
        mounts.append(cri.Mount(container_path=ACCOUNT, host_path=str(self.account), readonly=True))
        env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.server.port)}
        assert [one["name"] for one in self.spec["env"]] == ["NODE_NAME"]
        env["NODE_NAME"] = "n1"
        security = cri.LinuxContainerSecurityContext(
            capabilities=cri.Capability(
                add_capabilities=context["capabilities"]["add"],
                drop_capabilities=context["capabilities"]["drop"],
            ),
            namespace_options=cri.NamespaceOption(network=cri.NODE),
            run_as_user=cri.Int64Value(value=context["runAsUser"]),
            readonly_rootfs=context["readOnlyRootFilesystem"],
            no_new_privs=not context["allowPrivilegeEscalation"],
            seccomp=cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault),
        )
        memory = int(self.spec["resources"]["limits"]["memory"].removesuffix("Mi")) << 20
        return cri.ContainerConfig(
            metadata=cri.ContainerMetadata(name=self.spec["name"], attempt=int(image == NEXT)),
            image=cri.ImageSpec(image=image),
            args=self.spec["args"],
            envs=[cri.KeyValue(key=key, value=value) for key, value in env.items()],
            mounts=mounts,
            linux=cri.LinuxContainerConfig(
                resources=cri.LinuxContainerResources(memory_limit_in_bytes=memory), security_context=security
            ),
        )

    def status(self):
        request = cri.ContainerStatusRequest(container_id=self.container, verbose=True)
        return self.containerd.client.ContainerStatus(request, timeout=CALL_SECONDS)

    def probe(self, kind):
        """(status, document) of the DaemonSet's own probe; status 0 while nothing listens."""
        get = self.spec[f"{kind}Probe"]["httpGet"]
        return inside(str(self.node.host.path), lambda: answer(get["port"], get["path"], get["host"]))

    def wait_until_ready(self, version):
        """As the probe says; a failure shows the last answer."""
        last: tuple[int, Any] = (0, {})

        def ready():
            nonlocal last
            last = self.probe("readiness")
            return last[0] == 200 and last[1]["version"] == version

        wait_until(ready, said=lambda: f"{last} {self.status()}")

    def token(self):
        return self.containerd.run("cat", "/etc/cni/genie/token").stdout

    def kill(self):
        """SIGKILL, as the kernel does where memory ends."""
        pid = json.loads(self.status().info["info"])["pid"]
        self.containerd.run("kill", "-KILL", str(pid))
        wait_until(lambda: self.status().status.state == cri.CONTAINER_EXITED)


@pytest.fixture
def kubelet(cni_bin):
    """On a disk: what the container writes into a tmpfs, such as the tests' /tmp, counts for its limit of memory."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir="/var/tmp") as root:
        kubelet = Kubelet(Path(root), cni_bin)
        try:
            yield kubelet
        finally:
            kubelet.close()


def test_the_daemonsets_container_installs_renews_is_killed_and_upgraded(kubelet, archive, tmp_path):
    containerd = kubelet.containerd
    kubelet.start_runtime(archive)
    # it installs
    kubelet.run(NAME)
    kubelet.wait_until_ready(genie_core.__version__)
    assert kubelet.probe("liveness")[0] == 200
    containerd.wait_for_network("genie")
    pod = containerd.run_pod("before", {"cni": "b"})
    assert network_of(containerd.addresses(pod)[0]) == "b"
    # it renews
    first = kubelet.token()
    wait_until(lambda: kubelet.token() != first)
    assert first.startswith("minted-")
    # it is killed; pods still start and stop
    kubelet.kill()
    other = containerd.run_pod("meanwhile", {"cni": "a"})
    containerd.remove_pod(other)
    assert kubelet.probe("readiness")[0] == 0
    # it comes back as the next version, which releases what the old one has attached
    next_version(archive, tmp_path / "next.tar")
    kubelet.import_archive(tmp_path / "next.tar")
    kubelet.run(NEXT)
    kubelet.wait_until_ready(NEXT_VERSION)
    assert kubelet.token() != first
    containerd.remove_pod(pod)
    after = containerd.run_pod("after", {"cni": "b"})
    assert network_of(containerd.addresses(after)[0]) == "b"
    containerd.remove_pod(after)
    assert not list(kubelet.node.leases.glob("*/10.*"))
    # its end takes nothing away
    request = cri.StopContainerRequest(container_id=kubelet.container, timeout=10)
    containerd.client.StopContainer(request, timeout=CALL_SECONDS)
    assert kubelet.status().status.exit_code == 0
    assert (kubelet.node.bin / "genie").exists()
    assert (kubelet.node.conf / "00-genie.conflist").exists()
