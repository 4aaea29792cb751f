"""`python -m tests.torture`: everything is killed everywhere, thousands of times, and nothing may be left. As root.

--pods N     pods that come and go in the lanes (10000)
--lanes N    at once (8)
--seed N     what is killed when (0)
--running N  running pods whose annotations change ten times each (200)
--pause N    seconds between two changes of a lane, on average (1): the fewer, the more are merged into one sync
--quiet N    seconds for which the agent watches a hundred healthy pods (600)
--parallel   a pod's networks are attached side by side (parallel_attachments)
--only WHAT  steps, delegates, syncs, sync_delegates, passes, lanes, served, live or quiet
--change X   plug, unplug or replace: the only one in syncs and sync_delegates
"""

import argparse
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from tests.live.agent.running import Running
from tests.system.node import Node, install_plugin
from tests.torture.lanes import Campaign
from tests.torture.live import LiveCampaign
from tests.torture.quiet import Ward
from tests.torture.served import ServedCampaign
from tests.torture.steps import CHANGING, PLUGINS, VERBS, Delegates, Steps
from tests.torture.syncs import CHANGES, NEXT, RUN, SyncSteps

CAMPAIGNS = (
    "steps", "delegates", "syncs", "sync_delegates", "passes", "lanes", "served", "live", "quiet",
)  # fmt: skip


def main(argv=None):
    """The exit status: 0 if nothing was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__.partition("\n")[0])
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--lanes", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--running", type=int, default=200)
    parser.add_argument("--pause", type=float, default=1)
    parser.add_argument("--quiet", type=float, default=600)
    parser.add_argument("--parallel", action="store_true")
    parser.add_argument("--only", choices=CAMPAIGNS)
    parser.add_argument("--change", choices=tuple(CHANGES))
    options = parser.parse_args(argv)
    problems = []
    with tempfile.TemporaryDirectory(prefix="genie-torture-") as root:
        plugins = install_plugin(Path(root) / "installed")
        for name in CAMPAIGNS if options.only is None else (options.only,):
            with a_node(Path(root) / name, plugins, parallel=options.parallel) as node:
                started = time.monotonic()
                problems += globals()[name](node, options)
                print(f"  {time.monotonic() - started:.0f} seconds\n", flush=True)
    print("\n".join(problems) or "nothing was lost")
    return bool(problems)


@contextmanager
def a_node(root, plugins, *, parallel=False):
    node = Node(root, plugins)
    try:
        node.configure_three()
        node.settings["parallel_attachments"] = parallel
        node.settings["log_level"] = "error"
        yield node
    finally:
        node.remove()


def steps(node, options):
    """The plugin, before each of its system calls."""
    print("The plugin killed before every system call from its first lock on, then DEL twice and an audit")
    campaign = Steps(node)
    problems = []
    for verb in VERBS:
        came = {point: campaign.kill(verb, point) for point in campaign.points(verb)}
        problems += _counted(verb, came)
    return problems


def delegates(node, options):
    """Its plugins, before each system call that changes something."""
    print(f"{', '.join(PLUGINS)} killed before every system call that changes something")
    campaign = Delegates(node)
    problems = []
    for verb in ("ADD", "DEL"):
        problems += _counted(verb, _at_each_call(campaign.kill, [(verb, plugin) for plugin in PLUGINS]))
    print(f"  {campaign.orphans} leases without an owner, which host-local leaves when it is killed itself")
    return problems


def syncs(node, options):
    """Changes of a running pod."""
    print("Changes of a running pod killed before every system call; then DEL, CHECK, GC or the next sync")
    with sync_steps(node) as campaign:
        return _each_point([(change, change, campaign.points, campaign.kill) for change in _changes(options)])


def passes(node, options):
    """The agent's one pass, which changes a running pod."""
    print("The agent's one pass killed before every system call; then DEL, CHECK, GC or the next sync")
    with sync_steps(node) as campaign:
        return _each_point([("the agent's one pass", "replace", campaign.agent_points, campaign.kill_agent)])


def sync_delegates(node, options):
    """The plugins that changes of a running pod run."""
    print("Plugins of a change killed before every system call that changes something; then as above")
    problems = []
    with sync_steps(node) as campaign:
        campaign.wrap_plugins()
        for change in _changes(options):

            def kill(verb, plugin, call, number, change=change):
                then = NEXT[number % len(NEXT)]
                return campaign.kill_plugin(change, verb, plugin, call, number, then)

            problems += _counted(f"{change}, its plugins", _at_each_call(kill, RUN[change]))
        print(
            f"  {campaign.orphans} leases without an owner, which host-local leaves when it is killed itself"
        )
    return problems


@contextmanager
def sync_steps(node):
    running = Running(node.root / "live", node.plugins)
    try:
        yield SyncSteps(running)
    finally:
        running.close()


def _changes(options):
    return (options.change,) if options.change else tuple(CHANGES)


def _each_point(runs):
    problems = []
    for what, change, points, kill in runs:
        places = enumerate(points(change))
        came = {point: kill(change, point, NEXT[number % len(NEXT)]) for number, point in places}
        problems += _counted(what, came)
    return problems


def _at_each_call(kill, plugins):
    """The problem, by place, where each plugin is killed before every system call that changes something."""
    came = {}
    for verb, plugin in plugins:
        for call in CHANGING:
            for number in range(1, 200):
                problem = kill(verb, plugin, call, number)
                if problem is None:  # it makes no more of them
                    break
                came[verb, plugin, call, number] = problem
    return came


def _counted(what, came):
    """What was wrong after each kill: "" for nothing, None for a kill that was too late."""
    wrong = [f"{what} killed before {place}: {problem}" for place, problem in came.items() if problem]
    killed = sum(problem is not None for problem in came.values())
    print(f"  {what:24}{killed:6} times killed{len(wrong):6} times something was left", flush=True)
    print("".join(f"    {line}\n" for line in wrong), end="", flush=True)
    return wrong


def lanes(node, options):
    """Pods in lanes."""
    print(f"{options.pods} pods in {options.lanes} lanes, killed at random, with GC and CHECK in between")
    campaign = Campaign(node, pods=options.pods, lanes=options.lanes, seed=options.seed)
    campaign.run()
    for what, number in sorted(campaign.figures.items()):
        print(f"  {what:32}{number:8}")
    print(f"  {'slowest release':32}{campaign.slowest:8.1f} seconds")
    return campaign.problems


def served(node, options):
    """The same with `genie serve`, which is killed as well."""
    print(
        f"{options.pods // 4} pods in {options.lanes} lanes, whose calls go to genie serve, killed at random, too"
    )
    run_dir = node.root / "run"
    node.plugins = install_plugin(node.root / "serving", serve=True, run_dir=run_dir)
    campaign = ServedCampaign(node, run_dir, pods=options.pods // 4, lanes=options.lanes, seed=options.seed)
    campaign.run()
    for what, number in sorted(campaign.figures.items()):
        print(f"  {what:32}{number:8}")
    return campaign.problems


def live(node, options):
    """Running pods, whose annotations change while the agent and its changes are killed."""
    changes = 10 * options.running
    print(f"{changes} changes of {options.running} running pods in {options.lanes} lanes, with random kills")
    running = Running(node.root / "live", node.plugins)
    campaign = LiveCampaign(
        running,
        pods=options.running,
        changes=changes,
        lanes=options.lanes,
        seed=options.seed,
        pause=options.pause,
    )
    try:
        campaign.run(patience=10 * options.running)
    finally:
        running.close()
    for what, number in sorted(campaign.figures.items()):
        print(f"  {what:32}{number:8}")
    return campaign.problems


def quiet(node, options):
    """Healthy pods that the agent watches."""
    print(f"100 healthy pods with three networks each, repaired for {options.quiet:g} seconds")
    ward = Ward(node, 100)
    problems = ward.keep(options.quiet)
    look, watch = ward.seconds["looks"] / ward.looks, ward.seconds["watcher"]
    print(
        f"  {len(problems)} repairs; a look takes {look:.2f} s of a core, the watcher took {watch:.2f} s in all"
    )
    return problems


if __name__ == "__main__":
    sys.exit(main())
