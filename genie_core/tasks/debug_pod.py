"""`genie debug pod`: what is wrong with this pod's network. Facts, probes, checks, ranking; nothing is changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genie_core.diagnose import asks, cluster, probe, rank, registry
from genie_core.diagnose.checks.check import PodCheck
from genie_core.diagnose.collect import api, gather
from genie_core.diagnose.collect.gather import Places
from genie_core.diagnose.collect.netns import plain
from genie_core.diagnose.facts import JSON, Facts, Link, Probe
from genie_core.diagnose.model import Model
from genie_core.diagnose.report import DiagnosisReport
from genie_core.diagnose.towards import aim
from genie_core.errors import EXIT_USAGE, GenieError, InvalidConfig, NotFound
from genie_core.findings import Check, Finding
from genie_core.tasks.discover import DiscoverOptions, discover

CONF_DIR = "/etc/cni/net.d"
STATE_DIR = "/var/lib/cni/genie"
ENDED = {"Succeeded": "has completed", "Failed": "has failed or was evicted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which pod, and where everything is; "" means: find out, or do without.

    `node_explicit` says that somebody named the node. `snapshot` answers from saved facts instead.
    """

    namespace: str
    name: str
    netns: str = ""
    pod_file: str = ""
    objects_file: str = ""
    conf_dir: str = ""
    bin_dirs: tuple[str, ...] = ()
    state_dir: str = ""
    ipam_dir: str = ""
    cache_dir: str = ""
    runtime_config: str = ""
    cri_socket: str = ""
    kubeconfig: str = ""
    root: str = "/"
    node: str = ""
    node_explicit: bool = False
    to: str = ""
    probes: bool = True
    files: bool = True
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()


def load(path: str, what: str) -> Any:
    """A JSON or YAML document. Raises InvalidConfig naming the file; it never quotes the content."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"{what} {path}: {error}", exit_code=EXIT_USAGE) from None
    try:
        return json.loads(text)
    except ValueError:
        import yaml

        try:
            return yaml.safe_load(text)
        except yaml.YAMLError:
            raise InvalidConfig(f"{what} {path} is neither JSON nor YAML", exit_code=EXIT_USAGE) from None


def _items(path: str) -> tuple[JSON, ...]:
    document = load(path, "--objects-file")
    items = document.get("items") if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise InvalidConfig(f"--objects-file {path}: a List with items was expected", exit_code=EXIT_USAGE)
    return tuple(item for item in items if isinstance(item, dict))


def _is_pod(document: object) -> bool:
    return isinstance(document, dict) and document.get("kind", "Pod") == "Pod"


def read_objects(question: Question) -> tuple[JSON, tuple[JSON, ...], dict[str, str]]:
    """The Pod and the other objects, from the files that were named, else from the API server."""
    pod: JSON = {}
    objects: tuple[JSON, ...] = ()
    missing: dict[str, str] = {}
    if question.pod_file:
        pod = load(question.pod_file, "--pod-file")
        if not _is_pod(pod):
            raise InvalidConfig(f"--pod-file {question.pod_file}: a Pod was expected", exit_code=EXIT_USAGE)
    if question.objects_file:
        objects = _items(question.objects_file)
    if not question.pod_file and not question.objects_file:
        pod, objects, missing = _from_api(question)
    if not pod:
        wanted = f"{question.namespace}/{question.name}"
        pod = next((p for p in cluster.of_kind(objects, "Pod") if cluster.key(p) == wanted), {})
    return pod, objects, missing


def _from_api(question: Question) -> tuple[JSON, tuple[JSON, ...], dict[str, str]]:
    path = api.kubeconfig_path(question.kubeconfig)
    if not path:
        reason = "no API server: no kubeconfig (--kubeconfig), no --pod-file, no --objects-file"
        return {}, (), {"objects": reason, "pod object": reason}
    try:
        return api.read(path, question.namespace, question.name)
    except NotFound:
        raise
    except GenieError as error:
        return {}, (), {"objects": error.msg, "pod object": error.msg}


def debug_pod(question: Question, announce: Callable[[str], None]) -> DiagnosisReport:
    """The diagnosis. `announce` is told each step and each probe before it is made.

    Raises NotFound where the pod does not exist, InvalidConfig for an unusable file, Denied without the rights.
    """
    started = time.perf_counter()
    pod, objects, missing = read_objects(question)
    early = _elsewhere(question, pod, objects)
    if early:
        state, reason = early
        facts = Facts(
            node_name=question.node,
            namespace=question.namespace,
            pod_name=question.name,
            time=time.time(),
            pod_object=pod,
        )
        return DiagnosisReport(facts=facts, state=state, reason=reason, milliseconds=since(started))
    announce("reading the node and the pod")
    with ThreadPoolExecutor(max_workers=1) as pool:
        files = pool.submit(node_files, question)
        facts = collect(question, pod, objects, missing)
        if facts.pod is None and question.netns and "run as root" not in facts.missing.get("pod", ""):
            raise NotFound(
                facts.missing.get("pod", f"{question.netns} is no network namespace"), hint="look at --netns"
            )
        if question.probes:
            facts = replace(facts, probes=_probe(facts, question, announce))
        else:
            facts.missing["probes"] = "--no-probes"
        report = diagnose(facts, question, started)
        more, outcomes = files.result()
    findings = rank.ranked(once(report.findings, more))
    return replace(
        report, findings=tuple(findings), checks=(*report.checks, *outcomes), milliseconds=since(started)
    )


def once(mine: Sequence[Finding], node: Sequence[Finding]) -> list[Finding]:
    """Where the node's checks name a leak with the runtime's own knowledge, theirs counts."""
    told = {finding.code for finding in node}
    return [*(f for f in mine if not (f.code == "GN1301" and f.code in told)), *node]


def since(started: float) -> float:
    """Milliseconds since a moment of the performance counter."""
    return (time.perf_counter() - started) * 1000


def node_files(question: Question) -> tuple[list[Finding], list[Check]]:
    """The checks of the node's files, which `genie discover` runs too."""
    if not question.files:
        return [], []
    only, skip = "|".join(question.only), "|".join(question.skip)
    options = DiscoverOptions(
        root=question.root,
        conf_dirs=(question.conf_dir,) if question.conf_dir else (),
        bin_dirs=question.bin_dirs,
        state_dir=question.state_dir,
        ipam_dir=question.ipam_dir,
        cache_dir=question.cache_dir,
        cri_socket=question.cri_socket,
        runtime_config=question.runtime_config,
        kubeconfig=question.kubeconfig,
        node=question.node,
        api=False,
    )
    try:
        found = discover(options, only=only, skip=skip)
    except (GenieError, OSError) as error:
        return [], [Check(id="files", status=_error(), reason=str(error))]
    return list(found.findings), list(found.checks)


def _error() -> Any:
    from genie_core.findings import Status

    return Status.ERROR


def _elsewhere(question: Question, pod: JSON, objects: Sequence[JSON]) -> tuple[str, str] | None:
    """(state, reason) for a pod that has no network namespace on this node."""
    about = cluster.pod(pod)
    title = f"{question.namespace}/{question.name}"
    if about.phase in ENDED:
        return "no-sandbox", f"pod {title} {ENDED[about.phase]} ({_why(pod)}): it has no network any more"
    here = _node_name(question, objects)
    known = {cluster.node(n).name for n in cluster.of_kind(objects, "Node")}
    strange = about.node and about.node != here
    if strange and (question.node_explicit or about.node in known or not question.netns):
        return "not-here", f"pod {title} is on node {about.node}, this is {here}: run genie debug pod there"
    if not question.netns and about.phase == "Pending":
        return "no-sandbox", f"pod {title} is Pending ({_why(pod)}): it has no sandbox on this node yet"
    return None


def _why(pod: JSON) -> str:
    status = pod.get("status") or {}
    waiting = [
        c.get("state", {}).get("waiting", {}).get("reason", "") for c in status.get("containerStatuses") or ()
    ]
    conditions = [c.get("message", "") for c in status.get("conditions") or () if c.get("status") == "False"]
    said = [str(x) for x in (status.get("reason"), status.get("message"), *waiting, *conditions) if x]
    return said[0] if said else status.get("phase", "?")


def _node_name(question: Question, objects: Sequence[JSON]) -> str:
    """This node's name: as somebody said, else the Node object that has one of this machine's addresses."""
    nodes = [cluster.node(n) for n in cluster.of_kind(objects, "Node")]
    if question.node_explicit or any(n.name == question.node for n in nodes):
        return question.node
    mine = own_addresses()
    return next((n.name for n in nodes if mine & set(n.addresses)), question.node)


def own_addresses() -> set[str]:
    """The addresses of the namespace that this process runs in."""
    from genie_core.diagnose.collect import links

    try:
        with links.open_netlink() as netlink:
            return {a.ip for a in links.addresses(netlink)}
    except OSError:
        return set()


def collect(question: Question, pod: JSON, objects: tuple[JSON, ...], missing: dict[str, str]) -> Facts:
    """All facts but the probes."""
    places = Places(
        node_name=_node_name(question, objects),
        namespace=question.namespace,
        pod=question.name,
        netns=plain(question.netns or _find_netns(question, pod)),
        conf_dir=question.conf_dir or CONF_DIR,
        bin_dir=question.bin_dirs[0] if question.bin_dirs else "",
        ipam_dir=question.ipam_dir,
        cache_dir=question.cache_dir,
        state_dir=question.state_dir or STATE_DIR,
        root=question.root,
        pod_object=pod,
        objects=objects,
        missing=missing,
    )
    return gather.gather(places)


def _find_netns(question: Question, pod: JSON) -> str:
    """Where the pod's namespace is: the runtime's answer, else Genie's state, else libcni's cache.

    Raises NotFound where nothing of this node knows the pod. A pod on the host's network has none of its own.
    """
    from genie_core.diagnose.collect.locate import locate

    if cluster.pod(pod).host_network:
        return ""
    if not question.name:
        return ""
    wanted = f"{question.namespace}/{question.name}"
    path = locate(wanted, question.cri_socket, question.state_dir or STATE_DIR, question.cache_dir)
    if not path:
        raise NotFound(
            f"pod {wanted} has no sandbox on this node: neither the runtime nor Genie's state nor "
            "the CNI cache knows it",
            hint="run it on the pod's node, or name the namespace with --netns",
        )
    return path


def _probe(facts: Facts, question: Question, announce: Callable[[str], None]) -> tuple[Probe, ...]:
    """The probes' outcomes, with how far each tunnel's counters moved meanwhile."""
    model = Model(facts)
    if facts.pod is None:
        return ()
    target = aim(model, question.to) if question.to else None
    wanted = target.asks(facts.netns_path) if target else asks.standard(model)
    if not wanted:
        return ()
    before = {link.name: (link.tx, link.rx) for link in model.tunnels}
    counted = _links() if before else {}
    outcomes = probe.run(wanted, announce)
    after = _links() if before else {}
    moved = [
        Probe(
            kind="count", target=name, role=f"tunnel {name}", result="ok",
            sent=after[name].tx - counted[name].tx, received=after[name].rx - counted[name].rx,
        )
        for name in before
        if name in counted and name in after
    ]  # fmt: skip
    return (*outcomes, *moved)


def _links() -> dict[str, Link]:
    from genie_core.diagnose.collect import links

    with links.open_netlink() as netlink:
        return {link.name: link for link in links.links(netlink)}


def diagnose(facts: Facts, question: Question, started: float) -> DiagnosisReport:
    """Checks over facts: pure but for the clock."""
    model = Model(facts)
    if question.to:
        target = aim(model, question.to)
        model.narrow(target.flows())
    checks: list[PodCheck] = registry.select(registry.ALL, question.only, question.skip)
    if cluster.pod(facts.pod_object).host_network:
        checks = [c for c in checks if c.node_wide or "pod" not in c.needs]
    findings, outcomes = registry.run(model, checks)
    walks = model.walks if facts.pod is not None else []
    ways: dict[str, tuple[str, ...]] = {}
    for walk in walks:
        if not walk.flow.inbound and walk.steps and walk.flow.role != "peer":
            ways.setdefault(f"{walk.flow.role}: {walk.flow.name or walk.flow.target}", tuple(walk.steps))
    hit = {
        f"{w.flow.role}: {w.flow.name or w.flow.target}"
        for w in walks
        if any(b.chance > 0.5 for b in w.blocks) and (w.flow.general or w.flow.role == "service")
    }
    return DiagnosisReport(
        facts=facts,
        findings=tuple(rank.ranked(findings)),
        checks=tuple(outcomes),
        milliseconds=since(started),
        state="host-network" if cluster.pod(facts.pod_object).host_network else "diagnosed",
        reason="the pod uses the node's own network" if cluster.pod(facts.pod_object).host_network else "",
        ways=ways,
        blocked=tuple(sorted(hit & ways.keys())),
    )
