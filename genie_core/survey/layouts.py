"""The paths of the container runtimes, by distribution: the one place where a runtime's layout is added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from genie_core.settings import BIN_DIR, CONF_DIR


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The paths of a runtime in one distribution. `kind` is containerd, crio or cri-dockerd.

    `programs` are the paths of its binary; `variables` are replaced in its configuration (microk8s); `sandbox_dirs`
    hold one entry for each pod sandbox, named by its container ID. `kubelet_config` is the kubeconfig of its kubelet,
    `cluster_ca` the cluster's CA. `conf_dir` and `bin_dirs` are where the runtime looks if its configuration does not
    say; `usual` is what the distribution's configuration says, (bin, conf), where that differs.
    """

    kind: str
    flavour: str = ""
    configs: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    conf_dir: str = CONF_DIR
    bin_dirs: tuple[str, ...] = (BIN_DIR,)
    usual: tuple[str, str] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    sandbox_dirs: tuple[str, ...] = ()
    kubelet_config: str = "/etc/kubernetes/kubelet.conf"
    cluster_ca: str = "/etc/kubernetes/pki/ca.crt"

    @property
    def directories(self) -> tuple[str, str]:
        """(bin, conf) of a node as the distribution sets it up: what overlays and documents name."""
        return self.usual or (self.bin_dirs[0], self.conf_dir)


_K3S, _RKE2 = "/var/lib/rancher/k3s", "/var/lib/rancher/rke2"
SNAP = "/var/snap/microk8s"


def _sandboxes(*directories: str) -> tuple[str, ...]:
    """Below containerd's `state` and `root`: its versions 1 and 2 keep a folder for each sandbox in both."""
    return tuple(f"{directory}/io.containerd.grpc.v1.cri/sandboxes" for directory in directories)


CONTAINERD = Layout(
    kind="containerd",
    configs=("/etc/containerd/config.toml",),
    sockets=("/run/containerd/containerd.sock", "/var/run/containerd/containerd.sock"),
    programs=("/usr/bin/containerd", "/usr/local/bin/containerd"),
    sandbox_dirs=_sandboxes("/run/containerd", "/var/lib/containerd"),
)
CRIO = Layout(
    kind="crio",
    configs=("/etc/crio/crio.conf",),
    sockets=("/run/crio/crio.sock", "/var/run/crio/crio.sock"),
    programs=("/usr/bin/crio", "/usr/local/bin/crio"),
    sandbox_dirs=("/run/containers/storage/overlay-containers",),
)
K3S = Layout(
    kind="containerd",
    flavour="k3s",
    configs=(f"{_K3S}/agent/etc/containerd/config.toml",),
    sockets=("/run/k3s/containerd/containerd.sock",),
    programs=(f"{_K3S}/data/current/bin/containerd",),
    # k3s 1.31 and newer; before, the plugins were in a directory that each version had for itself (k3s#10869)
    usual=(f"{_K3S}/data/cni", f"{_K3S}/agent/etc/cni/net.d"),
    sandbox_dirs=_sandboxes("/run/k3s/containerd", f"{_K3S}/agent/containerd"),
    kubelet_config=f"{_K3S}/agent/kubelet.kubeconfig",
    cluster_ca=f"{_K3S}/agent/server-ca.crt",
)
RKE2 = Layout(
    kind="containerd",
    flavour="rke2",
    configs=(f"{_RKE2}/agent/etc/containerd/config.toml",),
    sockets=("/run/k3s/containerd/containerd.sock",),
    programs=(f"{_RKE2}/bin/containerd",),
    sandbox_dirs=_sandboxes("/run/k3s/containerd", f"{_RKE2}/agent/containerd"),
    kubelet_config=f"{_RKE2}/agent/kubelet.kubeconfig",
    cluster_ca=f"{_RKE2}/agent/server-ca.crt",
)
MICROK8S = Layout(
    kind="containerd",
    flavour="microk8s",
    configs=(f"{SNAP}/current/args/containerd.toml", f"{SNAP}/current/args/containerd-template.toml"),
    sockets=(f"{SNAP}/common/run/containerd.sock",),
    programs=("/snap/microk8s/current/bin/containerd",),
    conf_dir=f"{SNAP}/current/args/cni-network",
    bin_dirs=(f"{SNAP}/current/opt/cni/bin",),
    variables={
        "${SNAP_DATA}": f"{SNAP}/current",
        "${SNAP_COMMON}": f"{SNAP}/common",
        "${SNAP}": "/snap/microk8s/current",
    },
    sandbox_dirs=_sandboxes(f"{SNAP}/common/run/containerd", f"{SNAP}/common/var/lib/containerd"),
    kubelet_config=f"{SNAP}/current/credentials/kubelet.config",
    cluster_ca=f"{SNAP}/current/certs/ca.crt",
)
K0S = Layout(
    kind="containerd",
    flavour="k0s",
    configs=("/etc/k0s/containerd.toml",),
    sockets=("/run/k0s/containerd.sock",),
    programs=("/var/lib/k0s/bin/containerd",),
    sandbox_dirs=_sandboxes("/run/k0s/containerd", "/var/lib/k0s/containerd"),
)
CRI_DOCKERD = Layout(
    kind="cri-dockerd",
    configs=(
        "/etc/systemd/system/cri-docker.service",
        "/lib/systemd/system/cri-docker.service",
        "/usr/lib/systemd/system/cri-docker.service",
    ),
    sockets=("/run/cri-dockerd.sock", "/var/run/cri-dockerd.sock"),
    programs=("/usr/bin/cri-dockerd",),
)
LAYOUTS = (CONTAINERD, CRIO, K3S, RKE2, MICROK8S, K0S, CRI_DOCKERD)
SANDBOX_DIRS = tuple(dict.fromkeys(path for layout in LAYOUTS for path in layout.sandbox_dirs))
# Podman and Buildah have this directory too. It is CRI-O's where CRI-O has run, which makes the other.
SHARED_DIRS = {"/run/containers/storage/overlay-containers": "/run/crio"}
KUBELET_CONFIGS = tuple(dict.fromkeys(layout.kubelet_config for layout in LAYOUTS))
CLUSTER_CAS = tuple(dict.fromkeys(layout.cluster_ca for layout in LAYOUTS))
