"""`genie trace`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from genie_cli import candidates, options, wiring
from genie_cli.debugging import PodFlags, completed
from genie_cli.flags import argument, flag, switch
from genie_cli.output import OF_A_TRACE, OutputFormat
from genie_cli.progress import Progress
from genie_cli.remote import NodeCommand, Remote, run_on_node
from genie_cli.render import emit, note
from genie_cli.views.drawing import mermaid
from genie_cli.views.trace import track_of, view
from genie_cli.views.trace_page import page, svg
from genie_core.errors import EXIT_FAILURE
from genie_core.published import timestamp
from genie_core.tasks.pods import object_name
from genie_core.tasks.trace import Elsewhere, TraceOptions, TraceReport, trace, trace_saved

EXAMPLES = [
    (
        "the way of a pod's packets to a service, and what decides on it",
        "genie trace shop/web-0 service/db:5432",
    ),
    ("a ping to an address", "genie trace shop/web-0 10.1.2.3"),
    (
        "one DNS question: what the trace says, beside what happens",
        "genie trace shop/web-0 10.96.0.10:53/udp --probe",
    ),
    ("every decision, with the command that shows it", "genie trace shop/web-0 shop/web-1:8080 -o wide"),
    ("as a picture", "genie trace shop/web-0 shop/web-1:8080 -o svg"),
    ("in facts that were saved on the node", "genie trace shop/web-0 10.1.2.3:80 --from facts.json"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(PodFlags, Remote, TraceOptions):
    """From which pod to which target, and where everything is."""

    source: str = argument(
        "SRC", "The pod, as NAMESPACE/NAME; also pod/NAME.", default=..., complete=candidates.pods
    )
    to: str = argument(
        "DST[:PORT]",
        "IP, node/NAME, pod/NS/NAME, service/NS/NAME or NAME.NS.svc; :PORT, :PORT/udp. Without a port a ping.",
        default=...,
        complete=candidates.targets,
    )
    probe: bool = switch("--probe", "Send one packet, and watch it on the interfaces that it should cross.")
    from_: str = flag(
        "--from FILE",
        "Trace in saved facts (genie debug pod --save), or a bundle's; - for stdin.",
        complete=candidates.FILES,
    )
    runtime_config: str = options.runtime_config()
    output: OutputFormat = options.output(offered=OF_A_TRACE)


def run(flags: Flags) -> int:
    """Shows the way of a pod's packets to a target, and what decides at each hop: route, rule, NAT, policy, port.

    It runs on the pod's node: from another machine it starts itself there. It sends no packet: the way is computed from
    routes, rules, bridge ports, firewall and services as they are now. --probe sends one ping, connection or DNS
    question from the pod, and shows beside each hop what its interface really saw. The exit code is 0, also where
    packets stop, and 1 where the probe went another way.
    """
    access = wiring.access(flags)
    asked = completed(flags, access, object_name(flags.source, flags.namespace, access))
    try:
        with Progress() as progress:
            report = trace_saved(flags.from_, asked) if flags.from_ else trace(asked, progress)
    except Elsewhere as error:
        if flags.here:
            raise
        there = NodeCommand(
            node=error.node, command="trace", flags=replace(flags, source=asked.pod, namespace="")
        )
        there.require_no_files({"--pod-file": flags.pod_file, "--objects-file": flags.objects_file})
        return run_on_node(there, access)
    if flags.from_:
        note(f"the facts are of {timestamp(report.facts.time)}")
    emit(report, flags.output, view, lambda r: [hop.name for hop in r.path.hops], _WRITERS)
    return EXIT_FAILURE if report.findings else 0


def _mermaid(report: TraceReport) -> str:
    return mermaid([track_of(report)])


_WRITERS = {OutputFormat.HTML: page, OutputFormat.SVG: svg, OutputFormat.MERMAID: _mermaid}
