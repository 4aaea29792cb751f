"""GN12xx: what the container runtimes do, and where that differs from what the files suggest."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import fix, seen
from genie_core.fields import counted
from genie_core.findings import Code, Evidence, Finding, Remedy, Severity, Subject
from genie_core.select.files import SELF_TYPE, is_self
from genie_core.settings import DELEGATE_CONF_DIR
from genie_core.survey.facts import Facts
from genie_core.survey.runtimes import DEFAULT, RUNNING, Runtime
from genie_core.survey.selection import candidates, choices, collected


def _subject(runtime: Runtime) -> Subject:
    return Subject(
        kind="runtime", name=runtime.name, file=runtime.config_files[0] if runtime.config_files else ""
    )


# The keys of the two directories in each runtime's configuration; containerd's are the names used here.
_KEYS = {
    "crio": {"conf_dir": "network_dir", "bin_dirs": "plugin_dirs"},
    "cri-dockerd": {"conf_dir": "--cni-conf-dir", "bin_dirs": "--cni-bin-dir"},
}


def _key(runtime: Runtime, name: str) -> str:
    return _KEYS.get(runtime.kind, {}).get(name, name)


def _origin(runtime: Runtime, name: str) -> Evidence:
    source, key = runtime.sources.get(name, DEFAULT), _key(runtime, name)
    value = f"{key} = {runtime.conf_dir if name == 'conf_dir' else ' '.join(runtime.bin_dirs)}"
    if source in (DEFAULT, RUNNING):
        return seen(f"{runtime.kind}'s default" if source == DEFAULT else source, value)
    pattern = key.rstrip("s") if runtime.kind == "containerd" else key
    return seen(source, value, f"grep -n -e {pattern} {source}")


GN1202 = Code("GN1202", "a runtime's configuration cannot be used",
    cause="it is not TOML, this user may not read it, it switches off what Kubernetes needs, or it is not read yet",
    confirm="the file", fix="correct it")  # fmt: skip


@check("runtime-config", GN1202, title="the runtimes' configuration can be read", needs=("runtimes",))
def unreadable_config(facts: Facts) -> Iterator[Finding]:
    for runtime in facts.runtimes:
        for problem in runtime.problems:
            denied = "Permission denied" in problem
            yield GN1202.found(
                Severity.WARNING if denied else Severity.ERROR,
                f"{runtime.name}: {problem}",
                _subject(runtime),
                remedy=fix("run genie as root" if denied else "correct the file, then restart the runtime"),
            )
        for name, later in runtime.after_restart.items():
            what = "reads configurations in" if name == "conf_dir" else "looks for plugins in"
            now = runtime.conf_dir if name == "conf_dir" else " ".join(runtime.bin_dirs)
            yield GN1202.warning(
                f"{runtime.name} {what} {now}, and after its next start in {later}: its files were changed since",
                _subject(runtime),
                remedy=fix(
                    f"have all that pods need in {later} before it is started again, or change the files back"
                ),
            )


def _stray(facts: Facts, directory: str) -> list[str]:
    """Directories with configurations for a runtime that no runtime reads."""
    read = {runtime.conf_dir for runtime in facts.runtimes} | {
        d for r in facts.runtimes for d in r.handlers.values()
    }
    return [
        other
        for other, files in facts.directories.items()
        if other not in read
        and other != directory
        and "/genie/" not in f"{other}/"
        and any(file.network for file in candidates(files))
    ]


GN1201 = Code("GN1201", "configurations lie where the runtime does not look",
    cause="its conf_dir is another directory",
    confirm="the runtime's configuration", fix="move them there, or change conf_dir")  # fmt: skip


@check(
    "runtime-directory", GN1201, title="configurations lie where runtimes look", needs=("conf", "runtimes")
)
def other_directory(facts: Facts) -> Iterator[Finding]:
    for choice in choices(facts):
        runtime = choice.runtime
        for stray in _stray(facts, runtime.conf_dir) if runtime.kubelet is not False else ():
            files = [file.file for file in candidates(facts.directories[stray])]
            instead = (
                f"it uses {choice.first.file} from there" if choice.first else "it has no network at all"
            )
            yield GN1201.found(
                Severity.WARNING if choice.first else Severity.FATAL,
                f"{runtime.name} reads {runtime.conf_dir}; {stray} is ignored ({', '.join(files)}), "
                f"and {instead}",
                _subject(runtime),
                _origin(runtime, "conf_dir"),
                seen(stray, " ".join(files), f"ls {stray}"),
                explained_by=("GN1202",) if runtime.problems else (),
                remedy=_remedy_for_stray(runtime, stray, facts),
            )


def _remedy_for_stray(runtime: Runtime, stray: str, facts: Facts) -> Remedy:
    networks = [file.network for file in candidates(facts.directories[stray]) if file.network]
    if any(is_self(network) for network in networks):  # its configuration contains its own directory
        return fix(
            "install Genie where the runtime looks; set again what you had set in its configuration",
            ["genie", "uninstall", "--conf-dir", stray],
            ["genie", "install"],
        )
    key = _key(runtime, "conf_dir")
    return fix(f"move the files to {runtime.conf_dir}, or set {key} to {stray} and restart the runtime")


GN1203 = Code("GN1203", "a runtime has no network",
    cause="its directory has no valid configuration",
    confirm="crictl info", fix="install one")  # fmt: skip
GN1206 = Code("GN1206", "the runtime's default network is missing",
    cause="CRI-O's cni_default_network names a network that no usable file has",
    confirm="grep -r cni_default_network /etc/crio", fix="correct the name, or install that network")  # fmt: skip


@check("runtime-network", GN1203, GN1206, title="every runtime has a network", needs=("conf", "runtimes"))
def no_network(facts: Facts) -> Iterator[Finding]:
    for choice in choices(facts):
        # Other checks report a broken file that sorts first, and files elsewhere: one cause is one finding.
        if choice.files or choice.blocker or _stray(facts, choice.runtime.conf_dir):
            continue
        if choice.runtime.conf_dir in facts.missing:  # it could not be read
            continue
        runtime = choice.runtime
        named = bool(runtime.default_network)
        yield (GN1206 if named else GN1203).found(
            Severity.FATAL if runtime.running or runtime.kubelet is not False else Severity.WARNING,
            f"{runtime.name} has no network for pods: {choice.reason}",
            _subject(runtime),
            _origin(runtime, "conf_dir"),
            remedy=_remedy_without_network(runtime),
        )


def _remedy_without_network(runtime: Runtime) -> Remedy:
    if runtime.default_network == SELF_TYPE:
        return fix("install Genie, which provides that network", ["genie", "install"])
    if runtime.default_network:
        source = runtime.sources.get("default_network", "")
        return fix(f"correct cni_default_network in {source} and restart CRI-O, or install that network")
    return fix(
        "install a CNI plugin, or let `genie install` and `genie generate-config` write a configuration"
    )


GN1204 = Code("GN1204", "two runtimes",
    cause="they read one directory, or put pods on different networks",
    confirm="genie discover", fix="give each its own")  # fmt: skip


@check("runtime-two", GN1204, title="runtimes do not share a directory", needs=("conf", "runtimes"))
def two_runtimes(facts: Facts) -> Iterator[Finding]:
    running = [choice for choice in choices(facts) if choice.runtime.running or choice.runtime.config_files]
    for position, one in enumerate(running):
        for other in running[:position]:
            shared = one.runtime.conf_dir == other.runtime.conf_dir
            a, b = (c.first.file if c.first else "nothing" for c in (other, one))
            if not shared and a == b:
                continue
            how = f"both read {one.runtime.conf_dir}" if shared else "they read different directories"
            yield GN1204.found(
                Severity.WARNING if a != b or shared else Severity.INFO,
                f"{other.runtime.name} uses {a}, {one.runtime.name} uses {b}: {how}",
                _subject(one.runtime),
                _origin(other.runtime, "conf_dir"),
                _origin(one.runtime, "conf_dir"),
                remedy=fix("remove the runtime that kubelet does not use, or give it a directory of its own"),
            )


GN1205 = Code("GN1205", "containerd attaches several files",
    cause="max_conf_num is above 1",
    confirm="the runtime's configuration", fix="max_conf_num = 1")  # fmt: skip


@check("runtime-several", GN1205, title="one network by default", needs=("conf", "runtimes"))
def several_networks(facts: Facts) -> Iterator[Finding]:
    for choice in choices(facts):
        if len(choice.files) > 1:
            names = ", ".join(file.file for file in choice.files)
            yield GN1205.info(
                f"{choice.runtime.name} gives every pod {len(choice.files)} networks (max_conf_num): {names}",
                _subject(choice.runtime),
                remedy=fix("set max_conf_num = 1 if only Genie is to attach networks"),
            )


GN1207 = Code("GN1207", "CRI-O's GC treats running pods as garbage",
    cause="at its start it collects in every network of its directory, and counts all pods for the "
    "default one, Genie's",
    confirm="ls CRI-O's network_dir",
    fix="genie install --yes moves the other files to /etc/cni/genie/net.d; or set disableGC in them")  # fmt: skip


@check(
    "runtime-garbage",
    GN1207,
    title="the runtime's GC keeps the resources of running pods",
    needs=("conf", "runtimes", "cache"),
)
def garbage_of_others(facts: Facts) -> Iterator[Finding]:
    for runtime in facts.runtimes:
        for file in collected(facts, runtime):
            name = file.network.name if file.network else ""
            pods = [one.pod or one.container for one in facts.cache if one.network == name]
            effect = (
                f"{counted(len(pods), 'pod that it attached itself loses', 'pods that it attached itself lose')} "
                "the interface and the address then"
                if pods
                else "a plugin that has GC then frees the addresses of running pods"
            )
            yield GN1207.found(
                Severity.ERROR if pods else Severity.WARNING,
                f'{runtime.name} collects garbage of network "{name}" ({file.file}) when it starts, with all '
                f"pods counted for Genie's: {effect}",
                Subject(kind="network", name=name, file=file.path),
                remedy=fix(
                    f"move the networks' files to {DELEGATE_CONF_DIR}, where Genie finds them",
                    ["genie", "install", "--yes"],
                ),
                affects=tuple(pods),
            )
