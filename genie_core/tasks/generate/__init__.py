"""`genie generate-config`: configuration that works on this node, from a few options or from a file.

Whatever the options do not give is read from the node (default interface, its MTU, free subnets, the versions and
capabilities of each plugin), and every choice is noted. A result with an error in it is refused, with all errors.

request, applies         the options, and which apply to each type; what was generated
network, node_setup      one network's configuration; Genie's own files; manifests: API objects
check, trial             is it right, and does it work
difference, write        what writing changes; the files
"""

from __future__ import annotations

from genie_core.errors import WrongUsage
from genie_core.survey.collection import Collection
from genie_core.survey.conf_files import parse_conf
from genie_core.survey.facts import Facts
from genie_core.survey.rootfs import Root
from genie_core.survey.survey import GENERATE, survey
from genie_core.tasks.generate.check import CheckReport, check_files, check_parsed, refuse_errors
from genie_core.tasks.generate.difference import differences
from genie_core.tasks.generate.network import Draft, draft_network, file_name, sorts_first
from genie_core.tasks.generate.node_setup import SetupOptions, node_setup
from genie_core.tasks.generate.request import Generated, GenerateOptions, OutputFile, secret_mode
from genie_core.tasks.generate.write import WriteReport, write_files

__all__ = [
    "CheckReport",
    "GenerateOptions",
    "Generated",
    "SetupOptions",
    "WriteReport",
    "check_files",
    "differences",
    "generate_network",
    "generate_setup",
    "look",
    "write_files",
]


def look(options: GenerateOptions) -> Facts:
    """The node, as far as a configuration depends on it."""
    return survey(options, GENERATE, Collection())


def generate_network(options: GenerateOptions, facts: Facts) -> Generated:
    """A network's configuration. Raises GenieError with every reason why it would not work, unless forced."""
    draft = draft_network(options, facts)
    name = file_name(draft, facts, options.conf_dir)
    report = _check(draft, f"{options.conf_dir}/{name}", facts)
    if not options.force:
        refuse_errors(report, f"this {draft.plugin.type} configuration")
    displaced = sorts_first(name, facts, options.conf_dir)
    if displaced and not options.force:
        raise WrongUsage(
            f"{name} would sort before {displaced}, and become the network of every new pod",
            hint="choose another --name, or --force",
        )
    file = OutputFile(path=f"{options.conf_dir}/{name}", text=draft.text, mode=secret_mode(draft.text))
    return Generated(document=draft.document, files=[file], notes=draft.notes, findings=report.findings)


def _check(draft: Draft, path: str, facts: Facts) -> CheckReport:
    """Check the draft together with the node's other networks; only findings about the draft count."""
    file = parse_conf(path, draft.text)
    others = [
        other
        for files in facts.directories.values()
        for other in files
        if other.network and not other.ignored and other.path != path
    ]
    report = check_parsed([*others, file], facts)
    own = [finding for finding in report.findings if finding.object.file == path]
    return CheckReport(files=[file], findings=own, checks=report.checks)


def generate_setup(options: SetupOptions, facts: Facts, root: str) -> Generated:
    """Genie's own files for this node."""
    return node_setup(options, facts, Root(root))
