"""`python -m genie_core.tasks.sync NAMESPACE/POD`: what `genie agent` starts for each change, in the node's namespaces.

Its output and exit codes are those of `genie sync pod --yes -o json`; without the command line's packages it takes
half of the processor time.
"""

from __future__ import annotations

import signal
import time

from genie_core.edges.kube_errors import APIError
from genie_core.jsontext import encode
from genie_core.published import API_VERSION
from genie_core.survey.user_cluster import Access
from genie_core.tasks.node_state import open_context, own_configuration
from genie_core.tasks.pods import open_api, parse_name
from genie_core.tasks.program import parser_of, run
from genie_core.tasks.sync import SyncOptions, sync
from genie_core.tasks.sync.change import TimedOut, apply, limit, timed_out
from genie_core.tasks.sync.report import SyncReport, Target
from genie_core.tasks.sync.target import open_pod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import NoReturn


def main(argv: list[str]) -> int:
    """Change one pod, and print the report."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that `with` and `finally` clean up, as for ^C
        signal.signal(number, _interrupt)
    asked = _parser().parse_args(argv)
    report = _changed(asked, *parse_name(asked.pod))
    print(encode({"apiVersion": API_VERSION, "kind": report.kind} | report.as_json()))  # noqa: T201 (its output)
    return report.exit_code


def _changed(asked: Namespace, namespace: str, name: str) -> SyncReport:
    own, config = own_configuration(asked.conf_dir, asked.state_dir)
    context, deadline = open_context(config), time.monotonic() + asked.seconds
    options = SyncOptions(primary=asked.primary, cri_socket=asked.cri_socket, deadline=deadline)
    access = Access(kubeconfig=asked.kubeconfig, context=asked.context)
    try:
        with limit(deadline):
            pod = open_pod(open_api(access, own), namespace, name)
            return apply(pod, context, options, sync(pod, context, options, dry_run=True))
    except APIError as error:
        return SyncReport(target=Target(namespace=namespace, name=name), status="failed", error=error)
    except TimedOut:
        raise timed_out(asked.pod, asked.seconds) from None


def _parser() -> ArgumentParser:
    parser = parser_of("sync")
    parser.add_argument("pod", metavar="NAMESPACE/POD")
    parser.add_argument("--primary", action="store_true", help="allow another network on the first interface")
    parser.add_argument("--seconds", type=float, required=True, help="give up after so long")
    parser.add_argument("--cri-socket", default="")
    return parser


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    run(main)
