"""`python -m genie_core.tasks.policy`: the policy engine, which `genie agent --policy` starts in the node's namespaces.

It ends with the process that started it, also where that has ended before this one began. With --once it makes one
pass; the exit code is 1 if something could not be applied.
"""

from __future__ import annotations

import os
import signal
from argparse import ArgumentParser

from genie_core.edges.log import JSONLog
from genie_core.errors import EXIT_FAILURE
from genie_core.survey.user_cluster import Access
from genie_core.tasks.agent.options import AgentOptions
from genie_core.tasks.policy.enforce import Enforcer, remove
from genie_core.tasks.policy.engine import Engine
from genie_core.tasks.program import parser_of, run


def main(argv: list[str]) -> int:
    """Run the engine of this node."""
    asked = _parser().parse_args(argv)
    access = Access(kubeconfig=asked.kubeconfig, context=asked.context)
    options = AgentOptions(node=asked.node, access=access, conf_dir=asked.conf_dir, state_dir=asked.state_dir)
    config, settings = options.configuration()
    if asked.remove:
        remove(config)
        return 0
    log = JSONLog("info")
    engine = Engine(Enforcer(config, asked.node), options.connect, settings.state_dir, log, options.contact)
    if asked.once:
        return EXIT_FAILURE if engine.once().problems else 0
    parent = asked.parent or os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: engine.stop.set())
    engine.run(lambda: os.getppid() != parent)
    return 0


def _parser() -> ArgumentParser:
    parser = parser_of("policy")
    parser.add_argument("--node", required=True, help="this node's name")
    parser.add_argument("--once", action="store_true", help="one pass")
    parser.add_argument("--remove", action="store_true", help="remove all rules, and end")
    parser.add_argument("--parent", type=int, default=0, help="the PID of the process that starts it")
    return parser


if __name__ == "__main__":
    run(main)
