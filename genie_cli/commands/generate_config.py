"""`genie generate-config`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from genie_cli import options, wiring
from genie_cli.options import FailOn, OutputFormat
from genie_cli.progress import Progress
from genie_cli.render import emit, note
from genie_cli.views.findings import exit_code
from genie_cli.views.generated import check_view, documents, setup_view, written_view
from genie_core.catalog import PLUGINS
from genie_core.catalog.plugin import Wanted
from genie_core.errors import EXIT_USAGE, GenieError
from genie_core.survey.conf_files import is_copy
from genie_core.survey.rootfs import Root
from genie_core.tasks import generate
from genie_core.tasks.generate import Generated, GenerateOptions, SetupOptions, manifests
from genie_core.tasks.generate.applies import flag_of, refuse
from genie_core.tasks.generate.network import plugin_named

EXAMPLES = [
    ("a bridge network with a free subnet", "genie generate-config bridge"),
    (
        "macvlan on a given interface and range",
        "genie generate-config macvlan --master eth1 --subnet 192.168.7.0/24",
    ),
    (
        "try it in a private copy of the node",
        "genie generate-config bridge -o json | genie dry-run -f -",
    ),
    ("the same in one step", "genie generate-config bridge --test"),
    ("bring an old file up to date", "genie generate-config --from /etc/cni/net.d/10-old.conf"),
    ("what is wrong with files", "genie generate-config --check /etc/cni/net.d/*.conflist"),
    ("Genie's whole set-up of this node", "genie generate-config genie --write"),
    (
        "an object for pods to name",
        "genie generate-config nad --plugin bridge --name blue | kubectl apply -f -",
    ),
]
LIST = "Network"
OBJECTS = ("genie", "nad", "logical-network", "physical-network")
# The options that have a meaning for each TYPE: those of a network, and the others'. Where files go is always free.
_NETWORK = {
    "name",
    "subnet",
    "gateway",
    "range_start",
    "range_end",
    "address",
    "master",
    "bridge",
    "mode",
    "vlan",
}
_NETWORK |= {"mtu", "ipam", "chain", "cni_version", "settings", "from_", "test"}
_ALWAYS = {"type_", "conf_dir", "bin_dir", "root", "force", "yes", "fail_on", "output"}
_MEANING = {
    "genie": {
        "settings",
        "default_network",
        "api_server",
        "token_file",
        "ca_file",
        "state_dir",
        "write",
        "test",
    },
    "nad": _NETWORK | {"plugin", "namespace"},
    "logical-network": {"name", "subnet", "namespace", "plugin", "physical_network"},
    "physical-network": {"name", "subnet", "namespace", "plugin", "dedicated", "master"},
}
_TYPED = {"settings": "set", "more": "FILE"}


def _text(name: str, help_text: str, metavar: str, **limits: int) -> Any:
    return typer.Option(name, help=help_text, metavar=metavar, rich_help_panel=LIST, **limits)  # type: ignore[arg-type]  # min, max


def run(
    type_: Annotated[
        str,
        typer.Argument(
            metavar="TYPE",
            help="A plugin type, or genie, nad, logical-network, physical-network.",
        ),
    ] = "",
    name: Annotated[str, _text("--name", "The network's name.", "NAME")] = "",
    subnet: Annotated[str, _text("--subnet", "Its subnet. Default: a free one.", "CIDR")] = "",
    gateway: Annotated[str, _text("--gateway", "Its gateway.", "ADDRESS")] = "",
    range_start: Annotated[str, _text("--range-start", "First address to hand out.", "ADDRESS")] = "",
    range_end: Annotated[str, _text("--range-end", "Last address to hand out.", "ADDRESS")] = "",
    address: Annotated[
        list[str] | None, _text("--address", "A fixed address, with its prefix length.", "CIDR")
    ] = None,
    master: Annotated[
        str, _text("--master", "Parent interface. Default: that of the default route.", "IFACE")
    ] = "",
    bridge: Annotated[str, _text("--bridge", "The bridge. Default: a new one.", "IFACE")] = "",
    mode: Annotated[str, _text("--mode", "Mode of macvlan or ipvlan.", "MODE")] = "",
    vlan: Annotated[int, _text("--vlan", "VLAN.", "NUMBER", min=0, max=4094)] = 0,
    mtu: Annotated[int, _text("--mtu", "MTU.", "BYTES", min=0, max=65536)] = 0,
    ipam: Annotated[str, _text("--ipam", "Address plugin. Default: host-local.", "PLUGIN")] = "",
    chain: Annotated[
        str | None, _text("--chain", "Plugins behind it, comma separated; '' for none.", "TYPES")
    ] = None,
    cni_version: Annotated[
        str, _text("--cni-version", "Default: the highest that all plugins do.", "VERSION")
    ] = "",
    settings: Annotated[
        list[str] | None,
        _text("--set", "Any member: ipam.gateway=10.1.0.1, VALUE is JSON or text.", "PATH=VALUE"),
    ] = None,
    from_: Annotated[str, _text("--from", "Start from this configuration, - for stdin.", "FILE")] = "",
    plugin: Annotated[
        str, _text("--plugin", "The plugin of a nad, logical or physical network.", "NAME")
    ] = "",
    physical_network: Annotated[str, _text("--physical-network", "Of a logical network.", "NAME")] = "",
    dedicated: Annotated[
        bool,
        typer.Option("--dedicated", help="A physical network for one logical one.", rich_help_panel=LIST),
    ] = False,
    namespace: options.Namespace = "",
    default_network: Annotated[
        str, _text("--default-network", "genie: the network of pods that name none.", "NAME")
    ] = "",
    api_server: Annotated[
        str, _text("--api-server", "genie: the API server. Default: kubelet's.", "URL")
    ] = "",
    token_file: Annotated[str, _text("--token-file", "genie: a service account's token.", "FILE")] = "",
    ca_file: Annotated[str, _text("--ca-file", "genie: the API server's CA.", "FILE")] = "",
    state_dir: Annotated[str, _text("--state-dir", "genie: where its state is kept.", "DIR")] = "",
    check: Annotated[
        list[str] | None,
        typer.Option("--check", metavar="FILE", help="Check files, - for stdin; more may follow."),
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="FILE", hidden=True)] = None,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON Schema of the type, and stop.")] = False,
    test: Annotated[bool, typer.Option("--test", help="Run it in a private node: ADD, CHECK, DEL.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the files instead of printing them.")] = False,
    yes: options.Yes = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Also with errors, over other files, and where the file sorts before the one in use.",
        ),
    ] = False,
    conf_dir: options.ConfDirs = None,
    bin_dir: options.BinDirs = None,
    root: options.Root = Path("/"),
    fail_on: options.FailOnOption = FailOn.ERROR,
    output: Annotated[
        OutputFormat,
        typer.Option("--output", "-o", help="json or yaml; with --check and --write also table."),
    ] = OutputFormat.TABLE,
) -> int:
    """Prints configuration that works on this node, from a few options; what is not said is chosen, and told.

    The version is the highest that every plugin of the chain answers to; beside 1.1.0 an older one stands for runtimes
    that do not know it. What cannot work is refused, with all
    reasons, and so is an option that has no meaning for the type. --write writes whole files; where that changes a file
    it shows the difference, asks (--yes does not), and keeps a copy. Objects are YAML for kubectl apply -f -.
    """
    _require_meaning(locals())
    common = GenerateOptions(
        conf_dirs=tuple(str(path.absolute()) for path in conf_dir or ()),
        bin_dirs=tuple(str(path.absolute()) for path in bin_dir or ()),
        root=str(root),
        force=force,
    )
    if check:
        return _check([*check, *([type_] if type_ else []), *(more or [])], common, fail_on, output)
    if schema:
        return documents([plugin_named(type_).schema()], output)
    wanted = Wanted(
        name=name,
        master=master,
        bridge=bridge,
        mode=mode,
        vlan=vlan,
        mtu=mtu,
        subnet=subnet,
        gateway=gateway,
        range_start=range_start,
        range_end=range_end,
        addresses=tuple(address or ()),
    )
    if type_ in ("logical-network", "physical-network"):
        objects = _objects(type_, wanted, namespace, plugin, physical_network, dedicated)
        for text in manifests.notes_on(plugin, wanted.subnet, generate.look(common)) if plugin else ():
            note(f"note: {text}")
        return documents(objects, output, yaml=True)
    if type_ == "genie":
        setup = SetupOptions(
            conf_dir=common.conf_dir,
            bin_dir=common.bin_dirs[0] if common.bin_dirs else "",
            state_dir=state_dir,
            default_network=default_network,
            api_server=api_server,
            token_file=token_file,
            ca_file=ca_file,
            extra=dict(options.parse_setting(text, "KEY=VALUE") for text in settings or ()),
        )
        generated = generate.generate_setup(setup, generate.look(common), common.root)
    else:
        kind = plugin if type_ == "nad" else type_
        generated = _network(kind, wanted, common, ipam, chain, cni_version, settings, from_)
    for text in generated.notes:
        note(f"note: {text}")
    if test:
        return _try(generated, common, output)
    if type_ == "nad":
        manifest = manifests.attachment_definition(name, namespace, generated.document)
        return documents([manifest], output, yaml=True)
    return _give(generated, common.root, output, write=write, agreed=yes or force)


def _require_meaning(said: Mapping[str, Any]) -> None:
    """Raise GenieError (wrong usage) for options that the TYPE, --check or --schema does not have."""
    if said["check"]:
        what, known = "--check", {"check", "more"}
    elif said["schema"]:
        what, known = "--schema", {"schema"}
    else:
        what = said["type_"] or "--from"
        known = _MEANING.get(what, _NETWORK | {"write"})
    given = [name for name, value in said.items() if value or (name == "chain" and value is not None)]
    refuse([flag_of(_TYPED.get(name, name)) for name in given if name not in known | _ALWAYS], what)
    if said["test"] and said["write"]:
        refuse(["--write"], "--test, which writes nothing")


def _give(generated: Generated, root: str, output: OutputFormat, *, write: bool, agreed: bool) -> int:
    """Write the files, or print them: one as it is, several each under its name."""
    if write:
        _agree(generate.differences(generated.files, Root(root)), agreed=agreed)
        written = generate.write_files(generated.files, Root(root))
        emit(written, output, written_view, lambda report: report.written)
    elif len(generated.files) == 1 and not generated.several:
        documents([generated.document], output)
    else:
        emit(generated, output, setup_view, lambda report: [file.path for file in report.files])
    return 0


def _agree(changes: Mapping[str, str], *, agreed: bool) -> None:
    """Show what would change in files that are there, and ask. Raises GenieError where that is not wanted."""
    paths, shown = ", ".join(changes), "\n".join(changes.values())
    if not changes:
        return
    if not agreed and not sys.stdin.isatty():
        raise GenieError(
            f"{paths}: there is another configuration",
            details=shown,
            hint="--yes replaces it, and keeps a copy; another --name leaves it as it is",
            exit_code=EXIT_USAGE,
        )
    for line in shown.splitlines():
        note(line)
    if not agreed and not typer.confirm(f"Replace {paths}?", err=True):
        raise GenieError("nothing was written")


def _network(
    type_: str,
    wanted: Wanted,
    common: GenerateOptions,
    ipam: str,
    chain: str | None,
    version: str,
    settings: list[str] | None,
    from_: str,
) -> Generated:
    if not type_ and not from_:
        raise GenieError(
            "nothing to generate: name a TYPE, or --from FILE",
            hint=f"types are {', '.join(PLUGINS)}, {', '.join(OBJECTS)}",
            exit_code=EXIT_USAGE,
        )
    wanted_options = replace(
        common,
        type=type_,
        wanted=wanted,
        ipam=ipam,
        chain=None if chain is None else tuple(part.strip() for part in chain.split(",") if part.strip()),
        version=version,
        changes=[options.parse_setting(text, "PATH=VALUE") for text in settings or ()],
        base=_read(from_) if from_ else "",
        base_source="stdin" if from_ == "-" else from_,
    )
    return generate.generate_network(wanted_options, generate.look(wanted_options))


def _read(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    try:
        return Path(name).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise GenieError(f"{name}: {error.strerror}", exit_code=EXIT_USAGE) from None


def _objects(
    type_: str, wanted: Wanted, namespace: str, plugin: str, physical: str, dedicated: bool
) -> list[dict[str, Any]]:
    if not wanted.name:
        raise GenieError(f"a {type_} needs a name", hint="--name NAME", exit_code=EXIT_USAGE)
    if type_ == "physical-network":
        return [
            manifests.physical_network(
                wanted.name,
                namespace,
                plugin=plugin,
                subnet=wanted.subnet,
                dedicated=dedicated,
                nic=wanted.master,
            )
        ]
    return [
        manifests.logical_network(
            wanted.name, namespace, physical=physical, plugin=plugin, subnet=wanted.subnet, within=""
        )
    ]


def _check(names: list[str], common: GenerateOptions, fail_on: FailOn, output: OutputFormat) -> int:
    copies = [name for name in names if is_copy(name)]
    if len(copies) < len(names):  # a shell put them beside the others: /etc/cni/net.d/*
        names = [name for name in names if name not in copies]
        for name in copies:
            note(f"note: {name} is a copy that no runtime reads: left out")
    texts = [("stdin" if name == "-" else str(Path(name).absolute()), _read(name)) for name in names]
    report = generate.check_files(texts, generate.look(common))
    emit(report, output, check_view, lambda report: [file.path for file in report.files])
    return exit_code(report.findings, report.checks, fail_on)


def _try(generated: Generated, common: GenerateOptions, output: OutputFormat) -> int:
    from genie_cli.views.dry_run import view
    from genie_core.tasks.generate.trial import try_out

    bin_dirs = list(common.bin_dirs) or wiring.bin_dirs(None)
    with Progress() as progress, wiring.private_node([], bin_dirs) as node:
        report = try_out(generated, bin_dirs, node, progress)
    emit(report, output, view, lambda report: [planned.network for planned in report.plan])
    return report.exit_code
