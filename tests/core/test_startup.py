"""The budget of the kubelet path: the modules that are loaded when a call of the installed plugin ends.

Each module here is worth its time. Another one is added with what it costs (`python -X importtime`), here and to the
list in genie_core/plugin.py.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from genie_core.tasks.install.launcher import OPTIONS
from genie_core.tasks.install.run import InstallOptions, install
from tests.patience import wait_until
from tests.plugin.harness import HOLD, Node

BASE = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
INTERPRETERS = sorted({BASE, *(path for path in [Path("/usr/bin/python3.11")] if path.exists())})

# What a call may load of the standard library, beside what a bare interpreter has: C modules alone. `_socket` reads
# and writes addresses (spec/addresses.py) and, for ALL, uses netlink; `socket` would cost thirty times as much.
VERSION = {"_json", "errno", "gc"}
ALL = VERSION | {"_socket", "fcntl", "select"}

# The modules of Genie that a call may load: every call
CORE = {
    "genie_core",
    "genie_core.archive",
    "genie_core.dialects",
    "genie_core.edges",
    "genie_core.edges.cancel",
    "genie_core.edges.files",
    "genie_core.edges.log",
    "genie_core.errors",
    "genie_core.fields",
    "genie_core.jsontext",
    "genie_core.model",
    "genie_core.plugin",
    "genie_core.settings",
    "genie_core.spec",
    "genie_core.spec.request",
    "genie_core.spec.versions",
}
# ... the verbs that work on a container
STATEFUL = CORE | {
    "genie_core.attach",
    "genie_core.edges.delegates",
    "genie_core.edges.locks",
    "genie_core.edges.store",
    "genie_core.gojson",
    "genie_core.plan",
    "genie_core.plugin_types",
    "genie_core.spec.conf",
    "genie_core.state",
    "genie_core.steps",
    "genie_core.verbs",
    "genie_core.verbs.delete",
    "genie_core.verbs.context",
}
# ... the verbs that read configuration files
CHOOSING = STATEFUL | {
    "genie_core.edges.confdir",
    "genie_core.select",
    "genie_core.select.names",
    "genie_core.select.asked",
    "genie_core.select.chooser",
    "genie_core.select.files",
    "genie_core.verbs.networks",
}
# ... ADD while a plugin runs, for its answer
ANSWERING = {
    "genie_core.edges.podnet",
    "genie_core.merge",
    "genie_core.routes",
    "genie_core.spec.addresses",
    "genie_core.spec.result",
}
# ... and ADD
ADDING = (
    CHOOSING
    | ANSWERING
    | {
        "genie_core.edges.api_server",
        "genie_core.edges.netlink",
        "genie_core.edges.netns",
        "genie_core.status",
        "genie_core.verbs.add",
    }
)

PRINT_MODULES = """\
def _tell(status, leave=sys.modules["posix"]._exit):
    posix = sys.modules["posix"]
    out = posix.open({file!r}, posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC)
    posix.write(out, "\\n".join(sorted(sys.modules)).encode())
    leave(status)
sys.modules["posix"]._exit = _tell
"""


@pytest.fixture(scope="module", params=INTERPRETERS, ids=lambda path: path.name)
def plugin(request):
    """The plugin, installed for this interpreter."""
    root = Path(tempfile.mkdtemp(prefix="genie-startup-"))
    try:
        yield install(InstallOptions(bin_dir=root / "bin", conf_dir=root / "net.d", python=request.param))
    finally:
        shutil.rmtree(root)


@pytest.fixture
def node(plugin, tmp_path):
    """A node whose launcher prints the loaded modules when it ends."""
    launcher = plugin.launcher.with_name("telling")
    text = plugin.launcher.read_text()
    assert text.count("\nmain(") == 1
    launcher.write_text(
        text.replace("\nmain(", "\n" + PRINT_MODULES.format(file=str(tmp_path / "modules")) + "main(")
    )
    launcher.chmod(0o755)
    made = Node(launcher, tmp_path)
    for name in ("a", "b"):
        made.network(name, version="1.1.0")
    return made


def interpreted(plugin, script):
    """The words that a script prints, run as the launcher runs Genie."""
    assert f'"$python" {OPTIONS} "$0"' in plugin.launcher.read_text()
    done = subprocess.run([plugin.python, OPTIONS, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.fixture
def loaded(node, plugin):
    """The modules of the last call: (of the standard library and not in a bare interpreter, Genie's)."""
    bare = set(interpreted(plugin, "import sys; print(*sys.modules)"))

    def read():
        names = set((node.root / "modules").read_text().split())
        own = {name for name in names if name.partition(".")[0] == "genie_core"}
        return names - bare - own, own

    return read


def demand(loaded, standard, own):
    """Fail naming what is loaded besides."""
    got_standard, got_own = loaded
    assert sorted(got_standard - standard) == []
    assert sorted(got_own - own) == []


def test_version_needs_next_to_nothing(node, loaded):
    assert node.call("VERSION").result
    demand(loaded(), VERSION, CORE)


def test_an_add_of_two_networks(node, loaded):
    """Several networks: whose default routes stay is decided from the results."""
    assert node.add("a,b@net7").result
    demand(loaded(), ALL, ADDING | {"genie_core.default_routes", "genie_core.verbs.pods"})


def test_an_add_with_networks_side_by_side(node, loaded):
    """The switch costs a pod with one network nothing."""
    assert node.add("a", parallel_attachments=True).result
    demand(loaded(), ALL, ADDING)
    assert node.delete().is_silent_success
    for number, name in enumerate(("bridge", "ptp")):
        ipam = {"type": "host-local", "subnet": f"10.{number}.0.0/16"}
        node.network(name, {"type": name, "ipam": ipam}, version="1.1.0")
    assert node.add("bridge,ptp", parallel_attachments=True).result
    own = {"batches", "default_routes", "edges.parallel", "parallel", "spec.ranges", "verbs.pods"}
    demand(loaded(), ALL, ADDING | {f"genie_core.{name}" for name in own})


def test_a_del(node, loaded):
    assert node.add("a,b").result
    assert node.delete().is_silent_success
    demand(loaded(), ALL, STATEFUL)


WITHOUT_STATE = CHOOSING | {
    f"genie_core.{name}" for name in ("edges.libcni_cache", "verbs.salvage", "verbs.unrecorded")
}


def test_a_del_without_state(node, loaded):
    assert node.delete(env={"CNI_NETNS": ""}).is_silent_success
    assert node.said() == ["DEL a@eth0"]
    demand(loaded(), ALL, WITHOUT_STATE)


def test_a_del_without_state_looks_at_the_interfaces_in_the_namespace(node, loaded):
    assert node.delete().is_silent_success
    looking = {
        f"genie_core.{name}"
        for name in (
            "edges.netlink",
            "edges.netns",
            "edges.podnet",
            "merge",
            "routes",
            "spec.addresses",
            "spec.result",
        )
    }
    demand(loaded(), ALL, WITHOUT_STATE | looking)


def test_status(node, loaded):
    assert node.call("STATUS", kubernetes={"k8s_api_root": "https://127.0.0.1:1"}).is_silent_success
    assert node.said() == ["STATUS a@"]
    demand(loaded(), ALL, CHOOSING | {"genie_core.node_verbs", "genie_core.verbs.status"})


def test_gc(node, loaded):
    assert node.add("a,b").result
    assert node.gc().is_silent_success
    demand(
        loaded(),
        ALL,
        CHOOSING | {f"genie_core.{name}" for name in ("edges.libcni_cache", "node_verbs", "verbs.gc")},
    )


def test_an_add_that_must_be_tried_again(node, loaded):
    """A runtime repeats it for ever: without annotations and without an API server, say."""
    node.call("ADD").error(11)
    demand(loaded(), ALL, ADDING)


# What the launcher runs to have each module imported when it is needed, none before.
WITHOUT_LAYERS = "    from genie_core.archive import Archive; Archive.load = lambda *layer: None\n"
NAMES_OF_LAYERS = """\
import sys; sys.path.insert(0, {code!r})
from genie_core import archive
found = []
archive.Archive.load = lambda self, layer: found.append([name for name, code in layer])
archive._LAYERS_OF[b"VERSION"] = 3
import posix; posix.environ[b"CNI_COMMAND"] = b"VERSION"
archive.serve({code!r})
print(*(name + ":" + ",".join(names) for name, names in zip(archive.LAYERS, found, strict=True)))
"""


def test_a_layer_of_the_archive_is_what_the_verb_imports(node, plugin, loaded):
    """A module that a call would not have imported costs time, as does one that it has to look for by itself."""
    script = NAMES_OF_LAYERS.format(code=str(plugin.code))
    layers = [set(line.partition(":")[2].split(",")) for line in interpreted(plugin, script)]
    text = node.genie.read_text()
    serve = "    from genie_core.archive import serve\n"
    assert text.count(serve) == 1
    node.genie.write_text(text.replace(serve, WITHOUT_LAYERS + serve))
    for call, number, others in (
        (lambda: node.call("VERSION"), 1, set()),
        (lambda: node.add("a"), 3, ANSWERING | {"genie_core.select.asked"}),  # named by the pod's annotation
        (node.delete, 2, set()),
    ):
        assert call().status == 0
        assert loaded()[1] - {"genie_core.archive"} - others == set().union(*layers[:number])


def test_what_the_answer_needs_is_imported_while_a_plugin_runs(node, plugin):
    """So nothing is left to import when the plugin has ended: here it could not be read any more."""
    node.answer("ADD", shell=HOLD, stdout={"cniVersion": "1.1.0", "ips": []})
    running = node.start("ADD", annotations={"cni": "a"}).feed()
    wait_until(node.said)
    stat = Path(f"/proc/{running.process.pid}/stat")
    wait_until(lambda: stat.read_text().rpartition(") ")[2].startswith("S"))
    archive = plugin.code / "modules.marshal"
    whole = archive.read_bytes()
    sources = plugin.code / "genie_core"
    try:
        archive.write_bytes(b"")  # the same file, which the call has open
        sources.rename(sources.with_name("away"))
        node.release()
        assert running.wait().result
    finally:
        archive.write_bytes(whole)
        sources.with_name("away").rename(sources)


def test_what_only_type_checkers_read_is_not_packed(plugin):
    """The line numbers are those of the source."""
    script = f"""\
import sys; sys.path.insert(0, {str(plugin.code)!r})
from genie_core import archive
archive.serve({str(plugin.code)!r})
from genie_core.plugin import run
print(len(run.__annotations__), run.__code__.co_firstlineno, run.__code__.co_filename)
"""
    source = plugin.code / "genie_core/plugin.py"
    line = source.read_text().splitlines().index("def run(") + 1
    assert interpreted(plugin, script) == ["0", str(line), str(source)]


def test_names_are_utf_8_in_every_locale(plugin):
    """The launcher sets UTF-8; the interpreter would use the locale's encoding for paths and environments."""
    script = "import sys; print(sys.flags.utf8_mode, sys.flags.isolated, sys.flags.no_site)"
    assert interpreted(plugin, script) == ["1", "1", "1"]
