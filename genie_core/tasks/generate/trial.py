"""`--test`: a generated configuration in a private node, where the real plugins do ADD, CHECK, DEL, DEL again."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from genie_core.catalog import Ipam, Role, of_type
from genie_core.errors import WrongUsage
from genie_core.published import JSON
from genie_core.sandbox.private_node import PrivateNode
from genie_core.select.files import derived_name
from genie_core.tasks.dry_run.options import DryRunOptions
from genie_core.tasks.dry_run.report import DryRunReport
from genie_core.tasks.dry_run.run import dry_run
from genie_core.tasks.generate.request import Generated

_UPLINK = "eth0"  # the name of a private node's uplink
_SECONDS = 60.0


def try_out(
    generated: Generated,
    bin_dirs: Sequence[str],
    node: PrivateNode,
    announce: Callable[[str], None] = lambda _: None,
) -> DryRunReport:
    """A pod's life on the generated network. Raises GenieError for networks that need an agent on the node."""
    document = generated.document
    _refuse_agents(document)
    name = derived_name(generated.files[0].path)
    options = DryRunOptions(
        annotations={"cni": name},
        conf_files={f"10-{name}.conflist": json.dumps(_on_uplink(document))},
        bin_dirs=bin_dirs,
        samples="never",
        timeout=_SECONDS,
    )
    return dry_run(options, node, announce)


def _refuse_agents(document: JSON) -> None:
    plugin = of_type(str(document["plugins"][0].get("type", "")))
    if plugin and plugin.role is Role.DISPATCHER:
        raise WrongUsage(f"{plugin.type} is no network", hint="genie dry-run tries a pod's networks")
    if plugin and (plugin.role is Role.CLUSTER or plugin.ipam is Ipam.OWN):
        raise WrongUsage(f"{plugin.type} needs its agent on the node, so it cannot be tried in a private one")


def _on_uplink(document: JSON) -> JSON:
    """The same configuration with the private node's uplink as its parent interface."""
    chain = [entry | ({"master": _UPLINK} if entry.get("master") else {}) for entry in document["plugins"]]
    return {**document, "plugins": chain}
