"""`genie dry-run`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from genie_cli import options, wiring
from genie_cli.holding import hold
from genie_cli.options import CLUSTER, NODE, OutputFormat
from genie_cli.progress import Progress
from genie_cli.render import emit, note
from genie_cli.views.dry_run import view
from genie_core.errors import EXIT_USAGE, GenieError
from genie_core.select.annotations import CNI, NETWORKS, NPWG_NETWORKS
from genie_core.survey.records import IPAM_DIR, NETNS_DIRS
from genie_core.survey.user_cluster import Access
from genie_core.survey.yamlio import load_documents
from genie_core.tasks.dry_run import MOST_PODS, AnyNode, Question, dry_run, plan_only
from genie_core.tasks.dry_run.objects import Object, annotation_for, fetch_objects, parse_objects, urls
from genie_core.tasks.node_state import own_entry
from genie_core.tasks.pods import PodObject, fetch_pod, open_api, parse_pod

EXAMPLES = [
    ("two networks for one pod, the second as interface net1", "genie dry-run --cni 'bridge,macvlan@net1'"),
    ("what a pod without annotations gets", "genie dry-run"),
    ("the pod of a manifest, also of a Deployment", "genie dry-run --pod web.yaml"),
    ("a pod of the cluster, with the networks that it names there", "genie dry-run --pod shop/web-0"),
    ("network attachments of a manifest", "genie dry-run --nad nets.yaml --networks storage@net1"),
    ("try a configuration before it goes to a node", "genie dry-run -f blue.conflist"),
    ("only what would be done; do two pods reach each other?", "genie dry-run --cni bridge --plan"),
    ("", "genie dry-run --cni bridge --pods 2"),
    ("with plugins from elsewhere, for a script", "genie dry-run --cni ptp --bin-dir ~/cni -o json"),
]
_READ_BY_RUNTIMES = (".conf", ".conflist", ".json")  # libcni's ConfFiles


class Verb(StrEnum):
    """How far to go."""

    CYCLE = "cycle"
    ADD = "add"
    CHECK = "check"
    DEL = "del"


def run(
    cni: Annotated[
        str | None,
        typer.Option("--cni", metavar="NETWORKS", help="Networks by name: the pod's annotation `cni`."),
    ] = None,
    networks: Annotated[
        str | None,
        typer.Option(
            "--networks",
            metavar="OBJECTS",
            help="NetworkAttachmentDefinitions, or LogicalNetworks where --nad has only such.",
        ),
    ] = None,
    annotation: Annotated[
        list[str] | None,
        typer.Option(
            "--annotation", "-a", metavar="KEY=VALUE", help="Another annotation of the pod; may be repeated."
        ),
    ] = None,
    pod: Annotated[
        str,
        typer.Option(
            "--pod", metavar="FILE|NS/NAME", help="The pod of a manifest (- for stdin) or of the cluster."
        ),
    ] = "",
    nad: Annotated[
        list[str] | None,
        typer.Option(
            "--nad",
            metavar="FILE",
            help="Manifest with network objects, - for stdin; may be repeated.",
            rich_help_panel=CLUSTER,
        ),
    ] = None,
    namespace: options.Namespace = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
    verb: Annotated[
        Verb,
        typer.Option("--verb", help="Go as far as ADD, CHECK or DEL; cycle: also a second DEL, and GC."),
    ] = Verb.CYCLE,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be done.")] = False,
    pods: Annotated[
        int,
        typer.Option(
            "--pods", metavar="NUMBER", min=1, max=MOST_PODS, help="Attach so many pods side by side."
        ),
    ] = 1,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="Open a shell in the pod before it is released; without a terminal, wait for the end of input.",
        ),
    ] = False,
    samples: Annotated[
        bool | None,
        typer.Option(
            "--samples/--no-samples",
            help="Make up configurations for bridge, macvlan and ptp. Default: only where the node has none at all.",
            show_default=False,
        ),
    ] = None,
    conf: Annotated[
        list[str] | None,
        typer.Option(
            "--conf",
            "-f",
            metavar="FILE",
            help="One more configuration file, also YAML, - for stdin; tried where no network is named.",
            rich_help_panel=NODE,
        ),
    ] = None,
    node_like_this: Annotated[
        bool,
        typer.Option(
            "--node-like-this",
            help="Give the private node this node's interfaces: names, MTUs and addresses.",
            rich_help_panel=NODE,
        ),
    ] = False,
    on_host: Annotated[
        bool,
        typer.Option(
            "--on-host",
            help="Run the plugins on this node itself, in a throw-away namespace: for those that need a daemon.",
            rich_help_panel=NODE,
        ),
    ] = False,
    yes: options.Yes = False,
    conf_dir: options.ConfDirs = None,
    bin_dir: options.BinDirs = None,
    timeout: options.Timeout = 60.0,
    output: options.Output = OutputFormat.TABLE,
) -> int:
    """Shows what a pod would get: the plan, each plugin's run, the pod's interfaces, who answers it, what DEL leaves.

    The real plugins run with the real configuration, in a private copy of the node: namespaces of its own with
    an uplink eth0, and leases and state in memory. Nothing on the node changes. It needs no root.

    The exit code is 0 if the pod was attached and nothing was left after its release, 1 if not, 124 if the time
    ran out.
    """
    _require_one_reader_of_stdin(pod, *(nad or []), *(conf or []))
    access, searched = wiring.access(kubeconfig, context), wiring.searched(conf_dir, bin_dir)
    own = own_entry(searched.conf_dirs)
    subject = _pod(pod, namespace, access, own)
    objects = _objects(nad or [], subject, namespace)
    asked = dict(subject.annotations) | _annotations(cni, annotation or [])
    if networks is not None:
        asked[annotation_for(objects)] = networks
    if not nad and (access != Access() or (pod and not _is_manifest(pod))):
        objects += _of_cluster(asked, subject, access, own)
    conf_files = dict(_conf_file(name) for name in conf or [])
    if not asked and not pod and conf_files:  # then these are what is to be tried
        asked[CNI] = ",".join(Path(name).stem for name in conf_files)
    question = Question(
        annotations=asked,
        conf_dirs=searched.conf_dirs,
        bin_dirs=searched.bin_dirs,
        runtime=searched.runtime,
        conf_files=conf_files,
        samples="never" if on_host else "auto" if samples is None else "always" if samples else "never",
        verb=verb.value,
        objects=urls(objects) if objects or NPWG_NETWORKS in asked or NETWORKS in asked else None,
        pods=pods,
        record=output is OutputFormat.WIDE or output.for_machines,
        namespace=subject.namespace,
        pod=subject.name,
        timeout=timeout,
    )
    if on_host:
        _warn(yes=yes)
    visible = (searched.conf_dirs, searched.bin_dirs)
    where = wiring.host_node() if on_host else wiring.private_node(*visible, alike=node_like_this)
    with Progress() as progress, where as node:
        if plan:
            report = plan_only(question, node, progress)
        else:
            report = dry_run(question, node, progress, partial(_held, progress) if keep else None)
    emit(report, output, view, lambda report: [planned.network for planned in report.plan])
    return report.exit_code


def _held(progress: Progress, node: AnyNode, netns: Sequence[str]) -> None:
    progress.rest()
    hold(node, netns)


def _warn(*, yes: bool) -> None:
    """Say what will be touched. Raises GenieError (wrong usage) where nobody agreed to it."""
    touched = (
        "the real plugins will run on this node: they make interfaces, addresses, routes, firewall rules and leases "
        "for a pod in a throw-away namespace, and their DEL takes them away again, whatever ends this command; what a "
        "network makes once for all its pods (its bridge, IP forwarding) stays"
    )
    if not yes:
        raise GenieError(f"--on-host: {touched}", hint="--yes says that this is wanted", exit_code=EXIT_USAGE)
    note(f"warning: --on-host: {touched}")
    wiring.warn_of_container(IPAM_DIR, NETNS_DIRS[0])


def _pod(text: str, namespace: str, access: Access, own: Mapping[str, Any]) -> PodObject:
    """The pod of a manifest or of the cluster; one without annotations where none is named."""
    if not text:
        return PodObject(namespace=namespace or "default", name="dry-run", annotations={})
    if _is_manifest(text):
        subject = parse_pod(_read("--pod", text), text)
    else:
        with Progress() as progress:
            progress("asking the API server for the pod")
            subject = fetch_pod(*wiring.pod_name(text, namespace, access), access, own)
    for warning in subject.warnings:
        note(f"warning: {warning}")
    return subject


def _is_manifest(text: str) -> bool:
    """A file, also one that a shell makes of `<(kubectl get pod web-0 -o yaml)`; else it names a pod of the cluster."""
    path = Path(text)
    return text == "-" or (path.exists() and not path.is_dir()) or path.suffix in (".yaml", ".yml", ".json")


def _require_one_reader_of_stdin(*names: str) -> None:
    if names.count("-") > 1:
        raise GenieError("standard input can be read only once: one file may be -", exit_code=EXIT_USAGE)


def _objects(files: Sequence[str], subject: PodObject, namespace: str) -> list[Object]:
    return [
        document
        for name in files
        for document in parse_objects(_read("--nad", name), name, namespace or subject.namespace)
    ]


def _of_cluster(
    asked: dict[str, str], subject: PodObject, access: Access, own: Mapping[str, Any]
) -> list[Object]:
    """The objects that the annotations name, from the cluster."""
    api = open_api(access, own)
    if api is None:
        return []
    with api, Progress() as progress:
        progress("asking the API server for networks")
        return fetch_objects(asked, subject.namespace, api)


def _read(flag: str, name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise GenieError(f"{flag} {name}: {reason}", exit_code=EXIT_USAGE) from None


def _annotations(cni: str | None, others: list[str]) -> dict[str, str]:
    found = {} if cni is None else {CNI: cni}
    for text in others:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise GenieError(f"--annotation {text!r} is not KEY=VALUE", exit_code=EXIT_USAGE)
        found[key] = value
    return found


def _conf_file(name: str) -> tuple[str, str]:
    """The name that a configuration gets in the node's directory, and its text.

    A name that no runtime reads (`-`, `blue.yaml`, `/dev/fd/63`) becomes one that it does, after what the text is.
    """
    text = _read("--conf", name)
    if name != "-" and Path(name).suffix in _READ_BY_RUNTIMES:
        return Path(name).name, text
    document, text = _json_of(text, name)
    is_single = isinstance(document, dict) and "plugins" not in document
    stem = "stdin" if name == "-" else Path(name).stem
    return (f"{stem}.conf" if is_single else f"{stem}.conflist"), text


def _json_of(text: str, name: str) -> tuple[object, str]:
    """The document and its JSON; YAML is written anew, what is neither is left to the reader of configurations."""
    try:
        return json.loads(text), text
    except ValueError:
        pass
    try:
        documents = load_documents(text, name)
    except GenieError:
        return None, text
    return (documents[0], json.dumps(documents[0])) if len(documents) == 1 else (None, text)
