"""Shared by the commands about policies: the sources of the objects."""

from __future__ import annotations

import os
from dataclasses import dataclass

from genie_cli import options, wiring
from genie_cli.candidates import FILES
from genie_cli.flags import several
from genie_cli.progress import Progress
from genie_cli.render import note
from genie_core.policy.cluster import Cluster
from genie_core.tasks.policy.sources import engine_problem, from_api, from_files


@dataclass(frozen=True, kw_only=True)
class Objects(options.Cluster, options.NodeName, options.OwnFiles):
    """The objects of a cluster, and the node that is meant."""

    objects_file: tuple[str, ...] = several(
        "--objects-file FILE",
        "Objects and an AttachmentList, YAML or JSON, instead of the API server's; - for stdin. May be repeated.",
        options.CLUSTER,
        complete=FILES,
    )


def known(flags: Objects) -> tuple[Cluster, str]:
    """The objects, and the node: in files, where none is named, the only one that has attachments there."""
    name, _ = wiring.node_of(flags.node)
    if flags.objects_file:
        cluster = from_files(flags.objects_file)
        nodes = cluster.nodes()
        named = flags.node or os.environ.get("NODE_NAME", "")
        return cluster, nodes[0] if len(nodes) == 1 and not named else name
    own, config = wiring.configuration(flags)
    with Progress() as progress:
        progress("asking the API server for policies, pods and networks")
        return from_api(wiring.access(flags), own, config, name), name


def warn_without_engine(flags: Objects, cluster: Cluster, name: str) -> None:
    """Warn where pods of this node are shown with the rules for them, and no agent loads these."""
    if flags.objects_file or name not in cluster.nodes():
        return
    if problem := engine_problem():
        note(f"warning: {problem}")
