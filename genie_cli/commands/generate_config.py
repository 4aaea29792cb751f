"""`genie generate-config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from genie_cli import candidates, options, terminal, wiring
from genie_cli.candidates import DIRECTORIES, FILES
from genie_cli.flags import Candidate, Completion, argument, flag, given, several, switch
from genie_cli.options import FailOn
from genie_cli.output import OutputFormat
from genie_cli.progress import Progress
from genie_cli.render import emit, note
from genie_cli.views.findings import exit_code
from genie_cli.views.generated import check_view, documents, setup_view, written_view
from genie_core.catalog import PLUGINS
from genie_core.catalog.plugin import Wanted
from genie_core.errors import GenieError, WrongUsage
from genie_core.survey.conf_files import is_copy
from genie_core.survey.rootfs import Root
from genie_core.tasks import generate
from genie_core.tasks.generate import Generated, GenerateOptions, SetupOptions, manifests
from genie_core.tasks.generate.applies import require_meaning
from genie_core.tasks.generate.network import plugin_named
from genie_core.tasks.named_files import read_text

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


def _types(_asked: Completion) -> list[Candidate]:
    return [Candidate(name) for name in dict.fromkeys((*PLUGINS, *OBJECTS))]


def _option(names: str, text: str, **more: Any) -> Any:
    return flag(names, text, LIST, **more)


@dataclass(frozen=True, kw_only=True)
class Flags(options.Namespace, options.ConfDirs, options.BinDirs, options.Root, Wanted):
    """What is wanted of a network, and what to do with its configuration."""

    type: str = argument(
        "TYPE", "A plugin type, or genie, nad, logical-network, physical-network.", complete=_types
    )
    name: str = _option("--name NAME", "The network's name.")
    subnet: str = _option("--subnet CIDR", "Its subnet. Default: a free one.")
    gateway: str = _option("--gateway ADDRESS", "Its gateway.")
    range_start: str = _option("--range-start ADDRESS", "First address to hand out.")
    range_end: str = _option("--range-end ADDRESS", "Last address to hand out.")
    addresses: tuple[str, ...] = _option(
        "--address CIDR", "A fixed address, with its prefix length.", default=()
    )
    master: str = _option(
        "--master IFACE",
        "Parent interface. Default: that of the default route.",
        complete=candidates.interfaces,
    )
    bridge: str = _option("--bridge IFACE", "The bridge. Default: a new one.", complete=candidates.interfaces)
    mode: str = _option("--mode MODE", "Mode of macvlan or ipvlan.", complete=candidates.modes)
    vlan: int = _option(
        "--vlan NUMBER", "VLAN ID. Default: none.", default=0, min=0, max=4094, show_default=False
    )
    mtu: int = _option(
        "--mtu BYTES",
        "MTU. Default: the plugin's own, or that of the interface that leads out of this node.",
        default=0,
        min=0,
        max=65536,
        show_default=False,
    )
    ipam: str = _option("--ipam PLUGIN", "Address plugin. Default: host-local.", complete=candidates.plugins)
    chain: str | None = _option(
        "--chain TYPES",
        "Plugins behind it, comma separated; '' for none.",
        default=None,
        complete=candidates.plugins,
    )
    version: str = _option(
        "--cni-version VERSION",
        "The configuration's version. Default: the highest that all its plugins support.",
        complete=candidates.versions,
    )
    settings: tuple[str, ...] = _option(
        "--set PATH=VALUE", "Any member: ipam.gateway=10.1.0.1, VALUE is JSON or text.", default=()
    )
    base: str = _option("--from FILE", "Start from this configuration, - for stdin.", complete=FILES)
    plugin: str = _option(
        "--plugin NAME", "The plugin of a nad, logical or physical network.", complete=candidates.plugins
    )
    physical_network: str = _option("--physical-network NAME", "Of a logical network.")
    dedicated: bool = switch("--dedicated", "A physical network for one logical one.", LIST)
    default_network: str = _option(
        "--default-network NAME", "genie: the network of pods that name none.", complete=candidates.network
    )
    api_server: str = _option(
        "--api-server URL", "genie: the API server. Default: kubelet's.", parser=options.parse_server
    )
    token_file: str = _option("--token-file FILE", "genie: a service account's token.", complete=FILES)
    ca_file: str = _option("--ca-file FILE", "genie: the API server's CA.", complete=FILES)
    state_dir: str = _option("--state-dir DIR", "genie: where its state is kept.", complete=DIRECTORIES)
    check: tuple[str, ...] = several(
        "--check FILE", "Check files, - for stdin; more may follow.", complete=FILES
    )
    more: tuple[str, ...] = argument("FILE", "More files to check.", default=(), complete=FILES, hidden=True)
    schema: bool = switch("--schema", "The JSON Schema of the type, and stop.")
    test: bool = switch("--test", "Run it in a private node: ADD, CHECK, DEL.")
    write: bool = switch("--write", "Write the files instead of printing them.")
    yes: bool = options.yes()
    force: bool = switch(
        "--force", "Write also with errors, over other files, and where the file sorts before the one in use."
    )
    fail_on: FailOn = options.fail_on()
    namespace: str = options.namespace("Namespace of the object. Default: kubectl's.")
    output: OutputFormat = options.output("json or yaml; with --check and --write also table.")


def run(flags: Flags) -> int:
    """Prints configuration that works on this node, from a few options; the rest is chosen, and each choice is noted.

    The version is the highest that every plugin of the chain supports; beside 1.1.0 an older one is listed for runtimes
    that do not support it. A configuration that cannot work is refused with all reasons, and so is an option that has
    no meaning for the type. --write writes whole files; where that changes a file
    it shows the difference, asks (--yes does not), and keeps a copy. Objects are YAML for kubectl apply -f -.
    """
    what = "--check" if flags.check else "--schema" if flags.schema else flags.type or "--from"
    require_meaning(given(flags), what)
    common = GenerateOptions(
        conf_dirs=flags.conf_dirs, bin_dirs=flags.bin_dirs, root=flags.root, force=flags.force
    )
    if flags.check:
        return _check(flags, common)
    if flags.schema:
        if not flags.type:
            raise WrongUsage("--schema needs a TYPE", hint="genie generate-config bridge --schema")
        return documents([plugin_named(flags.type).schema()], flags.output)
    if flags.type in ("logical-network", "physical-network"):
        return _objects(flags, common)
    generated = _setup(flags, common) if flags.type == "genie" else _network(flags, common)
    for text in generated.notes:
        note(f"note: {text}")
    if flags.test:
        return _try(generated, common, flags.output)
    if flags.type == "nad":
        manifest = manifests.attachment_definition(flags.name, flags.namespace, generated.document)
        return documents([manifest], flags.output, yaml=True)
    return _give(generated, flags)


def _setup(flags: Flags, common: GenerateOptions) -> Generated:
    setup = SetupOptions(
        conf_dir=common.conf_dir,
        bin_dir=common.bin_dirs[0] if common.bin_dirs else "",
        state_dir=flags.state_dir,
        default_network=flags.default_network,
        api_server=flags.api_server,
        token_file=flags.token_file,
        ca_file=flags.ca_file,
        extra=dict(options.parse_setting(text, "KEY=VALUE") for text in flags.settings),
    )
    return generate.generate_setup(setup, generate.look(common), common.root)


def _give(generated: Generated, flags: Flags) -> int:
    """Write the files, or print them: one as it is, several each under its name."""
    root = Root(flags.root)
    if flags.write:
        _agree(generate.differences(generated.files, root), agreed=flags.yes or flags.force)
        written = generate.write_files(generated.files, root)
        emit(written, flags.output, written_view, lambda report: report.written)
    elif len(generated.files) == 1 and not generated.several:
        documents([generated.document], flags.output)
    else:
        emit(generated, flags.output, setup_view, lambda report: [file.path for file in report.files])
    return 0


def _agree(changes: Mapping[str, str], *, agreed: bool) -> None:
    """Show the changes in existing files, and ask. Raises GenieError where the answer is no."""
    paths, shown = ", ".join(changes), "\n".join(changes.values())
    if not changes:
        return
    if not agreed and not terminal.can_ask():
        raise WrongUsage(
            f"{paths}: there is another configuration",
            details=shown,
            hint="--yes replaces it, and keeps a copy; another --name leaves it as it is",
        )
    for line in shown.splitlines():
        note(line)
    if not agreed and not typer.confirm(f"Replace {paths}?", err=True):
        raise GenieError("nothing was written")


def _network(flags: Flags, common: GenerateOptions) -> Generated:
    type_ = flags.plugin if flags.type == "nad" else flags.type
    if not type_ and not flags.base:
        raise _no_plugin(flags.type)
    chain = flags.chain
    wanted = replace(
        common,
        type=type_,
        wanted=flags,
        ipam=flags.ipam,
        chain=None if chain is None else tuple(part.strip() for part in chain.split(",") if part.strip()),
        version=flags.version,
        changes=[options.parse_setting(text, "PATH=VALUE") for text in flags.settings],
        base=_base(flags.base) if flags.base else "",
        base_source="stdin" if flags.base == "-" else flags.base,
    )
    return generate.generate_network(wanted, generate.look(wanted))


def _no_plugin(type_: str) -> WrongUsage:
    """The error where nothing names the plugin: a nad's is in --plugin."""
    if type_:
        return WrongUsage(
            f"a {type_} needs a plugin: --plugin NAME, or --from FILE", hint=f"known are {', '.join(PLUGINS)}"
        )
    types = dict.fromkeys((*PLUGINS, *OBJECTS))  # genie is both
    return WrongUsage(
        "nothing to generate: name a TYPE, or --from FILE", hint=f"types are {', '.join(types)}"
    )


def _base(name: str) -> str:
    """The text of --from. Raises WrongUsage where it is empty."""
    text = _read("--from", name)
    if not text.strip():
        raise WrongUsage(f"--from {name}: it is empty")
    return text


def _read(flag: str, name: str) -> str:
    """The text of a file. What is not UTF-8 in it is for the checks to report."""
    return read_text(flag, name, errors="surrogateescape")


def _objects(flags: Flags, common: GenerateOptions) -> int:
    """A logical or physical network, as a manifest."""
    if not flags.name:
        raise WrongUsage(f"a {flags.type} needs a name", hint="--name NAME")
    shared = {"plugin": flags.plugin, "subnet": flags.subnet}
    if flags.type == "physical-network":
        manifest = manifests.physical_network(
            flags.name, flags.namespace, dedicated=flags.dedicated, nic=flags.master, **shared
        )
    else:
        manifest = manifests.logical_network(
            flags.name, flags.namespace, physical=flags.physical_network, within="", **shared
        )
    for text in manifests.notes_on(flags.plugin, flags.subnet, generate.look(common)) if flags.plugin else ():
        note(f"note: {text}")
    return documents([manifest], flags.output, yaml=True)


def _check(flags: Flags, common: GenerateOptions) -> int:
    names = list(dict.fromkeys(name for name in (*flags.check, flags.type, *flags.more) if name))
    copies = [name for name in names if is_copy(name)]
    if len(copies) < len(names):  # a shell's glob lists them with the others: /etc/cni/net.d/*
        names = [name for name in names if name not in copies]
        for name in copies:
            note(f"note: {name} is a copy that no runtime reads: left out")
    texts = [
        ("stdin" if name == "-" else str(Path(name).absolute()), _read("--check", name)) for name in names
    ]
    report = generate.check_files(texts, generate.look(common))
    emit(report, flags.output, check_view, lambda report: [file.path for file in report.files])
    return exit_code(report.findings, report.checks, flags.fail_on)


def _try(generated: Generated, common: GenerateOptions, output: OutputFormat) -> int:
    from genie_cli.views.dry_run import view
    from genie_core.tasks.generate.trial import try_out

    bin_dirs = list(common.bin_dirs) or wiring.search_path(())
    with Progress() as progress, wiring.private_node([], bin_dirs) as node:
        report = try_out(generated, bin_dirs, node, progress)
    emit(report, output, view, lambda report: [planned.network for planned in report.plan])
    return report.exit_code
