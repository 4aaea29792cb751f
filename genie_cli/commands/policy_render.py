"""`genie policy render`."""

from __future__ import annotations

from dataclasses import dataclass

from genie_cli import options
from genie_cli.output import OutputFormat
from genie_cli.policy_flags import Objects, known
from genie_cli.render import emit, note, write
from genie_core.policy.compile import compile_node

EXAMPLES = [
    ("the rules that this node would have", "genie policy render"),
    ("those of another node, from files", "genie policy render --objects-file cluster.yaml --node worker-1"),
    ("with the pods' own rules, and what cannot be enforced", "genie policy render -o json"),
]
_FORMS = (OutputFormat.TABLE, OutputFormat.JSON, OutputFormat.YAML)


@dataclass(frozen=True, kw_only=True)
class Flags(Objects):
    """Which objects, and in which form the rules are printed."""

    output: OutputFormat = options.output("Form of the result; table is the text for nft -f.", _FORMS)


def run(flags: Flags) -> int:
    """Prints the firewall rules by which a node enforces policies between networks, and applies nothing.

    Policies are MultiNetworkPolicies, and CNI-Genie's annotation on NetworkPolicies. The text is one transaction for
    nft -f; before it is loaded, a table genie_policy that it does not mention has to be deleted. With -o json come the
    texts for pods' own namespaces, the sysctls that it needs, what cannot be enforced, and the errors of policies.
    The same objects give the same bytes. The exit code is 1 if a policy has an error.
    """
    cluster, name = known(flags)
    ruleset = compile_node(cluster, name)
    if flags.output is OutputFormat.TABLE:
        write(ruleset.host_text)
        if not ruleset.host_text:
            note(f"node {name} needs no rules on the host; -o json has those of pods' own namespaces")
        for finding in ruleset.findings:
            note(f"warning: {finding.policy}: {finding.reason}: {finding.message}")
    else:
        emit(ruleset, flags.output)
    return ruleset.exit_code
