"""`genie debug bundle`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from genie_cli import candidates, options, wiring
from genie_cli.candidates import FILES
from genie_cli.debugging import PodFlags, completed
from genie_cli.flags import argument, flag, switch
from genie_cli.progress import Progress
from genie_cli.render import Block, Heading, Table, Text, emit
from genie_core.errors import EXIT_TIMEOUT
from genie_core.tasks.debug.bundle import BundleReport, write
from genie_core.tasks.debug.node import debug_node
from genie_core.tasks.debug.pod import debug_pod
from genie_core.tasks.pods import object_name

EXAMPLES = [
    ("facts and diagnosis of a pod, to attach to an issue", "genie debug bundle shop/web-0"),
    ("of the node alone, into a named file", "genie debug bundle -f node1.tar.gz"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(options.Report, PodFlags):
    """Which pod, where everything is, and where to write."""

    target: str = argument("[NAMESPACE/]POD", "A pod; without one, the node.", complete=candidates.pods)
    file: str = flag(
        "-f --output-file FILE", "Where to write. Default: genie-bundle-TIME.tar.gz.", complete=FILES
    )
    probes: bool = switch("--probes/--no-probes", "Send a few packets from inside the pod.")


def run(flags: Flags) -> int:
    """Writes facts, diagnosis, versions and a manifest with hashes into one file of mode 0600.

    The file has only what a fixed list names: no configuration files, kubeconfigs, tokens, environments or logs.
    Review it before you share it: it has names and addresses of your cluster.
    """
    access = wiring.access(flags)
    pod = object_name(flags.target, flags.namespace, access) if flags.target else ("", "")
    asked = completed(flags, access, pod)
    with Progress() as progress:
        report = debug_pod(asked, progress) if asked.pod else debug_node(asked, progress)
    path = flags.file or time.strftime("genie-bundle-%Y%m%dT%H%M%SZ.tar.gz", time.gmtime())
    emit(write(report, path), flags.output, _view, lambda bundle: [bundle.path])
    return EXIT_TIMEOUT if report.late else 0


def _view(bundle: BundleReport, wide: bool) -> Iterator[Block]:
    yield Heading(bundle.path)
    yield Table(("MEMBER", "BYTES", "SHA-256"), [(n, str(size), d[:16]) for n, size, d in bundle.members])
    yield Text("Review it before you share it: it names your pods, nodes and addresses.", "warn")
