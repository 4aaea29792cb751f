"""`genie agent`."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from typing import Any, Literal

from genie_cli import options, wiring
from genie_cli.flags import flag, switch
from genie_core.edges.log import JSONLog
from genie_core.errors import EXIT_FAILURE, Denied, NotFound
from genie_core.tasks.agent.agent import Agent
from genie_core.tasks.agent.metrics import CONTENT_TYPE
from genie_core.tasks.agent.options import AgentOptions
from genie_core.tasks.health import serve

EXAMPLES = [
    ("follow this node's pods until it is stopped", "genie agent --node node-1"),
    ("and enforce policies between networks", "genie agent --policy"),
    ("one pass, as from cron", "genie agent --once --repair fix"),
]


@dataclass(frozen=True, kw_only=True)
class Flags(
    options.NodeName, options.Cluster, options.OwnFiles, options.Records, options.Runtime, AgentOptions
):
    """The options of the agent, and how it runs."""

    once: bool = switch("--once", "Make one pass over this node's pods, and end.")
    repair: Literal["", "off", "report", "fix"] = flag(
        "--repair [off|report|fix]",
        "What to do about faults of attached networks. Default: the configuration's.",
    )
    policy: bool = switch(
        "--policy", "Enforce policies between networks, whatever the configuration says (policy_engine)."
    )
    listen: str = flag(
        "--listen HOST:PORT",
        "Where /metrics, /readyz and /livez are served.",
        default="127.0.0.1:9452",
        parser=options.parse_listen,
    )
    host_pid: int = flag(
        "--host-pid NUMBER",
        "Make changes in the namespaces and control groups of this process: 1 in a pod with hostPID.",
        options.NODE,
        default=0,
        min=0,
        show_default=False,
    )


def run(flags: Flags) -> int:
    """Keeps the networks of this node's running pods in line with their annotations, and maintains them.

    It watches the pods of the node, and runs `genie sync pod` for each whose annotations change. It looks for faults of
    attached networks (--repair), collects what belongs to no pod, checks the node and reports the result on its Node
    object, and serves metrics. Pods start and end without it. It may be killed at any moment: a running change
    continues by itself, and the journals have the rest.
    It has to run on the node, as root. With --once the exit code is 1 if a pod could not be brought in line.
    """
    if os.geteuid() != 0:
        raise Denied(
            "genie agent changes pods' networks, which needs root", hint="run it as root: sudo genie agent"
        )
    if flags.host_pid and not os.path.isdir(f"/proc/{flags.host_pid}/ns"):
        raise NotFound(
            f"--host-pid {flags.host_pid}: there is no such process", hint="in a pod with hostPID it is 1"
        )
    log = JSONLog("info")
    log.context = {"pid": os.getpid()}
    asked = replace(flags, node=wiring.node_of(flags.node)[0], access=wiring.access(flags))
    agent = Agent(asked, log)
    if flags.once:
        return 0 if agent.once() else EXIT_FAILURE
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: agent.stop())
    host, port = options.host_and_port(flags.listen)
    checks = {"/readyz": agent.readiness, "/livez": agent.liveness}
    pages: Any = {"/metrics": (CONTENT_TYPE, agent.page)}
    with serve(host, port, checks, pages) as served:
        log.info("serving", address=host, port=served)
        agent.run()
    log.info("stopped")
    return 0
