"""`python -m tests.bench.agent`: what `genie agent` costs at rest and in a storm, and what the runtime's calls notice.

A node with `--pods` pods in a cluster with `--elsewhere` others, and `--definitions` NetworkAttachmentDefinitions in
one namespace, which the agent watches while a pod waits for one that does not exist. Nothing here fails when it is
slow: it is for reading.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from genie_core.settings import Settings
from genie_core.status import OBSERVED
from genie_core.tasks.agent.jobs import NO_OBJECTS
from genie_core.tasks.agent.options import AgentOptions
from genie_core.tasks.sync.observed import observed
from tests.live.agent.running import CONDITION, NODE, Running
from tests.live.live import NPWG, cni_args, pod_object
from tests.patience import wait_until
from tests.system.node import install_plugin

REST_SECONDS = 60
TICKS = os.sysconf("SC_CLK_TCK")
MEBI = 1 << 20
# What a pod object has besides, in bytes: a small one with its managed fields.
FILLER = 6000


def main():
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.agent", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--pods", type=int, default=250)
    parser.add_argument("--elsewhere", type=int, default=10_000)
    parser.add_argument("--definitions", type=int, default=5_000)
    parser.add_argument("--changes", type=int, default=200, help="changes one after the other (default 200)")
    parser.add_argument(
        "--every",
        type=float,
        default=1.0,
        help="seconds between changes of other pods, on average (default 1)",
    )
    parser.add_argument(
        "--calls", type=int, default=30, help="ADD and DEL, without and with the storm (default 30)"
    )
    parser.add_argument("--rest", type=float, default=REST_SECONDS)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="genie-bench-") as folder:
        plugins = install_plugin(Path(folder) / "installed")
        running = Running(Path(folder) / "node", plugins)
        try:
            figures = measure(running, options)
        finally:
            running.close()
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    print(
        f"genie agent, {options.pods} pods on the node, {options.elsewhere} elsewhere, "
        f"{options.definitions} definitions\n"
    )
    for name, value in figures.items():
        print(f"{name:58}{value:>10}")


def measure(running, options):
    """Name -> figure, in the order of the measurements."""
    figures = {}
    names = [f"p{number}" for number in range(options.pods)]
    populate(running, names, options.elsewhere)
    agent = running.agent("--repair", "report")
    wait_until(lambda: is_settled(running), 180)
    figures["RSS at rest, MiB"] = round(rss(agent.pid) / MEBI, 1)
    figures |= at_rest(running, agent, options.rest)
    figures |= defined(running, agent, options.definitions)
    took = [change(running, names[0], number) for number in range(options.changes)]
    figures |= shown(f"{options.changes} changes, one at a time", took)
    took = at_random(running, names[1:], options.changes, options.every)
    figures |= shown(f"{options.changes} changes, one in {options.every:g} s", took)
    alone = calls(running, options.calls)
    began, cpu = time.monotonic(), spent(agent.pid)
    for name in names:
        running.annotate(name, cni="blue,green@net1")
    beside = calls(running, options.calls)
    figures["syncs done meanwhile"] = sum(has(running, name, "net1") for name in names)
    peak = rss(agent.pid)
    while not all(has(running, name, "net1") for name in names):
        time.sleep(0.5)
        peak = max(peak, rss(agent.pid))
    seconds = time.monotonic() - began
    figures["storm: seconds until all have changed"] = round(seconds, 1)
    figures["storm: RSS, MiB, at most"] = round(peak / MEBI, 1)
    figures["storm: CPU of the agent, % of a core"] = round(100 * (spent(agent.pid) - cpu) / seconds, 2)
    for verb in ("ADD", "DEL"):
        figures[f"{verb} alone, ms, median"] = round(1000 * median(alone[verb]), 1)
        figures[f"{verb} beside the storm, ms, median"] = round(1000 * median(beside[verb]), 1)
        figures[f"{verb}, ratio"] = round(median(beside[verb]) / median(alone[verb]), 2)
    return figures


def populate(running, names, elsewhere):
    """The node's pods, attached and with their status annotation, and pods of other nodes."""
    for name in names:
        space = running.node.add_pod()
        running.start(name, netns=space.path, cni="blue")
        held = running.pod(name)
        held["metadata"]["annotations"][OBSERVED] = observed({"cni": "blue"})
        held["metadata"]["managedFields"] = [{"fieldsV1": {"f": "x" * FILLER}}]
        held["status"] = {
            "phase": "Running",
            "conditions": [{"type": CONDITION, "status": "True", "message": ""}],
        }
        running.cluster.objects.add(held)
    for number in range(elsewhere):
        pod = pod_object(f"e{number}", {"cni": "blue"})
        pod["spec"] = {"nodeName": f"node-{number % 40 + 2}"}
        running.cluster.objects.add(pod)


def change(running, name, number):
    """Seconds from the annotation to the interface in the journal."""
    ifname = f"x{number % 2}"
    began = time.monotonic()
    running.annotate(name, cni=f"blue,green@{ifname}")
    while not has(running, name, ifname):
        time.sleep(0.005)
    seconds = time.monotonic() - began
    while running.children():
        time.sleep(0.02)
    return seconds


def shown(what, took):
    """Seconds from the annotation until the interface is in the journal."""
    found = {"median": median(took), "p99": quantiles(took, n=100)[-1], "most": max(took)}
    return {f"{what}, seconds until attached: {name}": round(value, 2) for name, value in found.items()}


def at_random(running, names, changes, every):
    """Changes of the pods in turn, at random instants, each whether or not the one before is done."""
    chance = random.Random(0)
    began: dict[tuple[str, str], float] = {}
    took: list[float] = []

    def look(until):
        while began and (until is None or time.monotonic() < until):
            done = [key for key in began if has(running, *key)]
            took.extend(time.monotonic() - began.pop(key) for key in done)
            time.sleep(0.005)
        time.sleep(max(0.0, (until or 0) - time.monotonic()))

    at = time.monotonic()
    for number in range(changes):
        at += chance.expovariate(1 / every)
        look(at)
        name, ifname = names[number % len(names)], f"y{number // len(names) % 2}"
        began[name, ifname] = time.monotonic()
        running.annotate(name, cni=f"blue,green@{ifname}")
    look(None)
    return took


def defined(running, agent, count):
    """RSS while the agent watches the definitions of a namespace because a pod waits for one of them."""
    space = running.node.add_pod()
    running.start("waiting", netns=space.path)
    for number in range(count):
        running.cluster.nad(f"d{number}", {"type": "macvlan", "master": "up0", "x": "y" * 500})
    running.annotate("waiting", **{NPWG: "nosuch@net1"})
    while running.condition("waiting") != ("False", "Waiting"):
        time.sleep(0.1)
    time.sleep(5)
    return {"RSS while it watches the definitions, MiB": round(rss(agent.pid) / MEBI, 1)}


def has(running, name, ifname):
    """Whether the last sync has ended with that interface attached."""
    (file,) = (running.node.state / "containers").glob(f"{name}@*")
    lines = file.read_text().splitlines()
    items = json.loads(lines[0])["attachments"]
    return any(item["ifname"] == ifname and not item.get("changing") for item in items)


def calls(running, count):
    """Seconds of ADD and DEL of a pod that comes and goes."""
    found: dict[str, list[float]] = {"ADD": [], "DEL": []}
    space = running.node.add_pod()
    running.cluster.objects.add(pod_object("other", {"cni": "blue"}))
    for _ in range(count):
        for verb, took in found.items():
            began = time.monotonic()
            done = running.node.call(
                verb, "other", netns=space.path, env=cni_args("other"), annotations={"cni": "blue"}
            )
            took.append(time.monotonic() - began)
            assert done.status == 0, done
    return found


def rss(pid):
    """Bytes that are resident."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def spent(pid):
    """Seconds of processor time of the process itself; children that it has waited for are not in it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def is_settled(running):
    """Whether the agent has done its first collection and checks: the next ones are ten minutes away."""
    return any(line["event"].startswith("node condition") for line in running.lines())


def at_rest(running, agent, seconds):
    """What the agent takes itself, and the jobs that it starts, each as often as the defaults say."""
    before = spent(agent.pid)
    time.sleep(seconds)
    own = (spent(agent.pid) - before) / seconds
    jobs = {name: cost_of(running, words) for name, words in words_of_jobs(running).items()}
    defaults = Settings({})
    every = (defaults.repair_interval, defaults.collect_interval, defaults.collect_interval)
    share = own + sum(job / pause for job, pause in zip(jobs.values(), every, strict=True))
    return {
        "CPU at rest, % of a core": round(100 * share, 2),
        "of that the agent itself": round(100 * own, 2),
        **{f"{name}, s of a core": round(seconds, 2) for name, seconds in jobs.items()},
    }


def words_of_jobs(running):
    """Name -> module and words of each job on a timer, in the order of `at_rest`."""
    options = AgentOptions(
        node=NODE,
        conf_dir=str(running.node.conf),
        ipam_dir=str(running.node.leases),
        cache_dir=str(running.node.root / "cache"),
    )
    return {
        "a look at all attachments": ["genie_core.tasks.repair", *options.repair_words("report", "")],
        "a collection": ["genie_cli", *options.gc_words()],
        "checks of the node": ["genie_cli", *options.debug_words()],
    }


def cost_of(running, words):
    """Seconds of processor time of a job; its standard input is an empty list of objects."""
    with tempfile.TemporaryFile() as objects:
        objects.write(NO_OBJECTS)
        objects.seek(0)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            running.node.inside(sys.executable, "-m", *words),
            stdin=objects, env=running.environment(), capture_output=True, check=True,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
