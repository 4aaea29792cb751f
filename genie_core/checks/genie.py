"""GN16xx: Genie itself: a complete installation, its default network, its state, its API server."""

from __future__ import annotations

from collections.abc import Iterator

from genie_core.checks.check import check
from genie_core.checks.parts import fix, seen
from genie_core.edges.policy_dir import OLD_SECONDS
from genie_core.fields import counted
from genie_core.findings import Code, Finding, Severity, Subject
from genie_core.plan import POD_ANNOTATIONS
from genie_core.select.files import SELF_TYPE
from genie_core.survey.facts import Facts, Unknown
from genie_core.survey.genie import DEFINITIONS
from genie_core.survey.sandboxes import abandoned
from genie_core.survey.selection import candidates

_SHOWN, _SHOWN_DIGITS = 5, 13


def _genie(name: str = "", file: str = "") -> Subject:
    return Subject(kind="genie", name=name, file=file)


GN1601 = Code("GN1601", "Genie's binary without its configuration",
    cause="the installation is incomplete",
    confirm="genie discover", fix="genie install")  # fmt: skip


@check("genie-installed", GN1601, title="Genie's installation is complete", needs=("conf", "bin"))
def half_installed(facts: Facts) -> Iterator[Finding]:
    genie = facts.genie
    if genie.binary and not genie.conf and genie.binary not in _compiled(facts):
        directories = " ".join(facts.directories) or "any directory"
        yield GN1601.warning(
            f"{genie.binary} is installed, but no configuration in {directories} calls it",
            _genie("genie", genie.binary),
            remedy=fix("finish the installation, or remove it", ["genie", "install"], ["genie", "uninstall"]),
        )


GN1614 = Code("GN1614", "CNI-Genie's binary has the plugin's place",
    cause="CNI-Genie, the predecessor, is installed: its plugin is a compiled program with the same name",
    confirm="file /opt/cni/bin/genie",
    fix="delete CNI-Genie's DaemonSet, then genie install: it adopts CNI-Genie's configuration")  # fmt: skip


@check("genie-predecessor", GN1614, title="no plugin directory has CNI-Genie's binary", needs=("bin",))
def predecessor(facts: Facts) -> Iterator[Finding]:
    for path in _compiled(facts):
        is_called = facts.genie.conf and path == facts.genie.binary
        use = f"{facts.genie.conf} calls it" if is_called else "no configuration calls it"
        yield GN1614.found(
            Severity.WARNING if is_called else Severity.INFO,
            f"{path} is a compiled program, as CNI-Genie's plugin is, and not this Genie; {use}",
            _genie("genie", path),
            seen("file", f"{path}: ELF"),
            remedy=fix(
                "delete CNI-Genie's DaemonSet, then install Genie: it adopts the configuration of CNI-Genie and keeps "
                "the binary for `genie uninstall` (docs/coming-from-cni-genie.md)",
                ["genie", "install"],
            ),
        )


def _compiled(facts: Facts) -> list[str]:
    """The compiled programs among the plugins named genie, without Genie's own launcher."""
    own = facts.genie.binary if facts.genie.version else ""
    return [
        binary.path
        for binaries in facts.binaries.values()
        for binary in binaries
        if binary.type == SELF_TYPE and binary.form == "elf" and binary.path != own
    ]


GN1610 = Code("GN1610", "Genie's interpreter is missing",
    cause="an upgrade of the distribution removed it: another Python runs the plugin, without its "
    "compiled code, or none does",
    confirm="head -2 /opt/cni/bin/genie", fix="genie install")  # fmt: skip


@check("genie-python", GN1610, title="Genie's interpreter exists", needs=("bin",))
def interpreter(facts: Facts) -> Iterator[Finding]:
    genie = facts.genie
    if genie.python_is_gone:
        yield GN1610.error(
            f"the interpreter of {genie.binary} is missing: {genie.python}",
            _genie("genie", genie.binary),
            seen("launcher", genie.python, f"head -2 {genie.binary}"),
            remedy=fix("install Genie again, for the Python of this node", ["genie", "install"]),
        )


GN1607 = Code("GN1607", "the default network is missing",
    cause="pods that select no network have none",
    confirm="genie discover", fix="set default_plugin to a network of this node")  # fmt: skip
GN1609 = Code("GN1609", "the default network may change",
    cause="it is the file that sorts first, and another file may sort before it",
    confirm="genie discover", fix="pin default_plugin")  # fmt: skip


@check("genie-default", GN1607, GN1609, title="Genie has a default network", needs=("conf",))
def no_default(facts: Facts) -> Iterator[Finding]:
    genie = facts.genie
    if not genie.conf:
        return
    yield from (_missing_network(one, genie.conf) for one in genie.unknown_networks)
    if not genie.default_file and not genie.default_network:
        yield GN1607.fatal(
            "Genie has no default network: there is no other valid configuration",
            _genie("default_plugin", genie.conf),
            remedy=fix(
                "install a network, or generate one", ["genie", "generate-config", "bridge", "--write"]
            ),
        )
    elif not genie.default_network:
        yield from _not_pinned(facts)


GN1611 = Code("GN1611", "an allowed network is not on the node",
    cause="allowed_networks has a name that no network's file has",
    confirm="genie discover", fix="correct the name in allowed_networks")  # fmt: skip
GN1612 = Code("GN1612", "labels of namespaces cannot be read",
    cause="allowed_networks selects by label, and Genie has no API server",
    confirm="grep -A2 kubernetes 00-genie.conflist", fix="set kubernetes.kubeconfig")  # fmt: skip


@check("genie-allowed", GN1611, GN1612, title="allowed networks exist", needs=("conf",))
def allowed(facts: Facts) -> Iterator[Finding]:
    genie = facts.genie
    for entry in genie.unknown_allowed:
        yield GN1611.info(
            f"allowed_networks has {entry}, and no network of this node has that name",
            _genie("allowed_networks", genie.conf),
            remedy=fix(
                "correct the name, a network's or its file's (NN-name.conflist); other nodes may have it"
            ),
        )
    if genie.unread_labels:
        yield GN1612.error(
            f"allowed_networks selects by labels ({'; '.join(genie.unread_labels)}); no API server is configured",
            _genie("allowed_networks", genie.conf),
            remedy=fix(
                "name a kubeconfig in kubernetes.kubeconfig, or name the namespaces instead of their labels"
            ),
        )


def _missing_network(unknown: Unknown, conf: str) -> Finding:
    """ADD of every pod that needs the network fails."""
    what = "no default network" if unknown.key == "default_plugin" else "no such network"
    near = unknown.hint if unknown.found or unknown.hint.startswith("did you mean") else ""
    why = "cannot be attached" if unknown.found else "names no network of this node"
    return GN1607.fatal(
        f'Genie has {what}: {unknown.key} "{unknown.name}" {why}',
        _genie(unknown.key, conf),
        seen("configuration files", unknown.reason),
        remedy=fix(near or f"install that network, or name a network of this node in {unknown.key}"),
    )


def _not_pinned(facts: Facts) -> Iterator[Finding]:
    genie = facts.genie
    others = [
        f.file
        for files in facts.directories.values()
        for f in candidates(files)
        if f.path != genie.conf and f.network
    ]
    if len(others) > 1:
        yield GN1609.info(
            f"the default network is the file that sorts first, now {genie.default_file}: it is not pinned",
            _genie("default_plugin", genie.conf),
            seen("candidates", " ".join(others)),
            remedy=fix("set default_plugin: `genie generate-config genie` pins it"),
        )


GN1603 = Code("GN1603", "pending deletes",
    cause="a delegate's DEL failed",
    confirm="genie gc --dry-run", fix="genie gc")  # fmt: skip
GN1604 = Code("GN1604", "damaged state",
    cause="a state file cannot be read",
    confirm="genie discover", fix="genie gc")  # fmt: skip
GN1608 = Code("GN1608", "entries from before the last boot",
    cause="their namespaces are gone",
    confirm="genie gc --dry-run", fix="genie gc")  # fmt: skip


@check(
    "genie-state",
    GN1603,
    GN1604,
    GN1608,
    title="no delete is pending and the state is readable",
    needs=("state",),
)
def state(facts: Facts) -> Iterator[Finding]:
    genie = facts.genie
    if genie.pending:
        yield GN1603.warning(
            f"{counted(genie.pending, 'attachment is', 'attachments are')} waiting for a DEL that has failed",
            _genie("state", genie.state_dir),
            remedy=fix("list what is left, and why", ["genie", "gc", "--dry-run"]),
        )
    for path in genie.damaged:
        yield GN1604.warning(
            f"the state file {path} cannot be read",
            _genie("state", path),
            remedy=fix(
                "keep a copy for a bug report; `genie gc` finds what its container held",
                ["genie", "gc", "--dry-run"],
            ),
        )
    if genie.other_boot:
        yield GN1608.info(
            f"{counted(genie.other_boot, 'entry', 'entries')} from before the last boot, whose namespaces are gone",
            _genie("state", genie.state_dir),
            remedy=fix(
                "the runtime's GC or `genie gc` releases their addresses", ["genie", "gc", "--dry-run"]
            ),
        )


GN1615 = Code("GN1615", "policies are switched on, and nothing compiles them",
    cause="policy_engine is set, and genie agent --policy does not run on this node",
    confirm="ls -l /run/genie/policy/stamp", fix="start genie agent --policy")  # fmt: skip
GN1616 = Code("GN1616", "policies cannot be enforced on this node",
    cause="nft is missing or too old, or br_netfilter cannot be loaded",
    confirm="nft --version; journalctl -u genie-agent", fix="install nftables; modprobe br_netfilter")  # fmt: skip


@check("genie-policies", GN1615, GN1616, title="policies between networks are enforced", needs=("conf",))
def policies(facts: Facts) -> Iterator[Finding]:
    state = facts.genie.policies
    if state is None:
        return
    if state.age is None or state.age > OLD_SECONDS:
        since = (
            "has not run since the node started"
            if state.age is None
            else f"was last at work {state.age / 60:.0f} minutes ago"
        )
        effect = (
            "pods with more networks than the primary do not start"
            if state.fail == "closed"
            else "pods start without their policies"
        )
        yield GN1615.error(
            f"policy_engine is set, and genie agent {since}: {effect} (policy_fail: {state.fail})",
            _genie("policy_engine", facts.genie.conf),
            remedy=fix("start the agent", ["genie", "agent", "--policy"]),
        )
    for problem in state.problems:
        yield GN1616.error(
            f"policies between networks are not enforced: {problem}",
            _genie("policy_engine", facts.genie.conf),
            seen("agent", problem, "cat /run/genie/policy/status.json"),
            remedy=fix("install the package nftables, and load br_netfilter"),
        )


GN1613 = Code("GN1613", "Genie's state has containers that do not exist",
    cause="the runtime did not call DEL for them",
    confirm="genie gc --dry-run", fix="genie gc")  # fmt: skip


@check(
    "genie-records", GN1613, title="containers in Genie's state have sandboxes", needs=("state", "sandboxes")
)
def without_sandbox(facts: Facts) -> Iterator[Finding]:
    left = abandoned(facts)
    gone = [one for one in facts.genie.records if one in left and not one.earlier]
    if gone:
        yield GN1613.warning(
            f"{counted(len(gone), 'container')} in Genie's state without a sandbox, with addresses and interfaces",
            _genie("state", facts.genie.state_dir),
            *(
                seen(
                    "state",
                    f"{one.container[:_SHOWN_DIGITS]} (pod {one.pod or 'unknown'}), namespace {one.netns}",
                )
                for one in gone[:_SHOWN]
            ),
            remedy=fix(
                "list what they hold; `genie gc` checks again and releases it", ["genie", "gc", "--dry-run"]
            ),
        )


GN1605 = Code("GN1605", "the API server does not answer",
    cause="address, certificate or rights",
    confirm="kubectl --kubeconfig FILE get --raw /version", fix="follow the message")  # fmt: skip
GN1606 = Code("GN1606", "definitions of networks are missing",
    cause="the cluster lacks the custom resources",
    confirm="kubectl get crd", fix="apply them")  # fmt: skip


@check("genie-api", GN1605, GN1606, title="the API server answers", needs=("api",))
def api(facts: Facts) -> Iterator[Finding]:
    genie = facts.genie
    if genie.api not in ("", "ok"):
        yield GN1605.error(
            f"Genie's API server: {genie.api}",
            _genie("api", genie.conf),
            remedy=fix(
                f"pods that name networks still start where the runtime passes {POD_ANNOTATIONS}; "
                "NetworkAttachmentDefinitions need the API server, and the rights of deploy/rbac.yaml"
            ),
        )
    missing = (
        [name for name in DEFINITIONS if name not in genie.definitions]
        if genie.definitions is not None
        else []
    )
    if missing:
        yield GN1606.info(
            f"not installed in the cluster: {', '.join(missing)}",
            _genie("definitions"),
            remedy=fix("if pods select such networks, apply deploy/crds of this release to the cluster"),
        )
