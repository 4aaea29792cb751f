"""`genie dry-run`."""

from __future__ import annotations

from genie_cli import options
from genie_cli.options import OutputFormat
from genie_core.errors import GenieError

EXAMPLES = [
    ("two networks for one pod", "genie dry-run --cni 'bridge,macvlan@net1'"),
]


def run(
    output: options.Output = OutputFormat.TABLE,
) -> int:
    """Runs the real plugins with the real configuration for a pod that does not exist, in a private node."""
    raise GenieError("dry-run is not finished")
