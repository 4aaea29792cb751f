"""`genie debug bundle`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from genie_cli import debug_flags as flags
from genie_cli import options, wiring
from genie_cli.options import OutputFormat
from genie_cli.progress import Progress
from genie_cli.render import Block, Heading, Table, Text, emit
from genie_core.errors import EXIT_TIMEOUT
from genie_core.survey.records import CACHE_DIR, IPAM_DIR
from genie_core.tasks.debug.bundle import BundleReport, write
from genie_core.tasks.debug.node import debug_node
from genie_core.tasks.debug.pod import debug_pod
from genie_core.tasks.debug.question import SECONDS

EXAMPLES = [
    ("facts and diagnosis of a pod, to attach to an issue", "genie debug bundle shop/web-0"),
    ("of the node alone, into a named file", "genie debug bundle -f node1.tar.gz"),
]


def run(
    pod: Annotated[
        str,
        typer.Argument(metavar="[NAMESPACE/]POD", help="A pod; without one, the node.", show_default=False),
    ] = "",
    namespace: options.Namespace = "",
    file: Annotated[
        Path | None,
        typer.Option(
            "--output-file", "-f", metavar="FILE", help="Where to write. Default: genie-bundle-TIME.tar.gz."
        ),
    ] = None,
    netns: flags.Netns = "",
    pod_file: flags.PodFile = "",
    objects_file: flags.ObjectsFile = "",
    probes: flags.Probes = False,
    conf_dir: flags.ConfDir = "",
    bin_dir: options.BinDirs = None,
    state_dir: flags.StateDir = "",
    ipam_dir: flags.IpamDir = IPAM_DIR,
    cache_dir: flags.CacheDir = CACHE_DIR,
    cri_socket: options.CRISocket = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
    node: options.NodeName = "",
    root: options.Root = Path("/"),
    timeout: options.Timeout = SECONDS,
    output: options.Output = OutputFormat.TABLE,
) -> int:
    """Writes facts, diagnosis, versions and a manifest with hashes into one file of mode 0600.

    It takes what is on a list, and leaves out everything else: no configuration files, kubeconfigs, tokens,
    environments or logs. Look into it before you share it: names and addresses of your cluster are in it.
    """
    access = wiring.access(kubeconfig, context)
    asked = flags.question(
        wiring.pod_name(pod, namespace, access) if pod else ("", ""),
        node=node,
        bin_dirs=bin_dir,
        only=None,
        skip=None,
        access=access,
        timeout=timeout,
        root=root,
        conf_dir=conf_dir,
        state_dir=state_dir,
        ipam_dir=ipam_dir,
        cache_dir=cache_dir,
        cri_socket=cri_socket,
        netns=netns,
        pod_file=pod_file,
        objects_file=objects_file,
        probes=probes,
    )
    with Progress() as progress:
        report = debug_pod(asked, progress) if pod else debug_node(asked, progress)
    path = file or Path(time.strftime("genie-bundle-%Y%m%dT%H%M%SZ.tar.gz", time.gmtime()))
    emit(write(report, str(path)), output, _view, lambda bundle: [bundle.path])
    return EXIT_TIMEOUT if report.late else 0


def _view(bundle: BundleReport, wide: bool) -> Iterator[Block]:
    yield Heading(bundle.path)
    yield Table(("MEMBER", "BYTES", "SHA-256"), [(n, str(size), d[:16]) for n, size, d in bundle.members])
    yield Text("Look into it before you share it: it names your pods, nodes and addresses.", "warn")
