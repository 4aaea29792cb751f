"""Fixtures of all tests: real namespaces, the real plugins, and a check that the machine is unchanged at the end."""

import gc
import os
import shutil
import signal
import time
from pathlib import Path

import hypothesis
import pytest

from tests import compiled, failures, machine, own_node
from tests.netns import Namespace

CNI_BIN = Path("/usr/lib/cni")  # where Debian's containernetworking-plugins puts them
STATE = Path("/var/lib/cni/genie")
NEED_ROOT = {"cni_bin", "netns"}
IN_CI = os.environ.get("CI") == "true"
IS_ROOT = os.geteuid() == 0
os.environ["LC_ALL"] = "C.UTF-8"  # symbols have their ASCII form where the locale is C

NEEDS_ROOT = pytest.UsageError(
    "these tests make network namespaces and run the real plugins, which needs root: "
    "run `make test` as root, or only the others with `.venv/bin/pytest -m 'not root'`"
)

# The machine's load is no property of the code; in CI a failure must come again.
hypothesis.settings.register_profile(
    "genie", deadline=None, derandomize=IN_CI, print_blob=True, max_examples=30
)
hypothesis.settings.register_profile("long", deadline=None, print_blob=True, max_examples=2000)  # by hand
hypothesis.settings.load_profile("genie")


def pytest_configure(config):
    """Enter a private node, except in the process that only distributes tests (pytest-xdist).

    That process prints what its workers could not: they would all die of it, one by one.
    """
    _listen_to_signals()
    gc.disable()  # until all tests are collected: they stay, and looking for garbage among them is a tenth of the time
    hands_out = bool(config.getoption("numprocesses", None))
    worker, given = getattr(config, "workerinput", {}), config.option.basetemp
    worker["shared"] = os.path.dirname(os.path.abspath(given)) if given else None
    if IS_ROOT and not hands_out:
        own_node.enter(worker["shared"])
        if hasattr(config, "workerinput"):
            # in the node's own /tmp, and of another name than any other's: what runs in them all is seen in /proc
            config.option.basetemp = f"{own_node.SCRATCH}/{worker['workerid']}"
    if not hands_out:
        compiled.share(worker["shared"])
    if hands_out and not IS_ROOT and "not root" not in config.option.markexpr:
        raise NEEDS_ROOT


def _listen_to_signals():
    """Undo what `nohup` and a shell's `&` do: all programs of the tests would ignore Control-C and the others too."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if not NEED_ROOT.isdisjoint(item.fixturenames):
            item.add_marker("root")
    items.sort(key=lambda item: item.get_closest_marker("first") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        failures.put_away(call.excinfo.value, getattr(item, "funcargs", {}).values())
    return report


def pytest_collection_finish(session):
    """Print once the reason for which a hundred tests would fail."""
    gc.freeze()
    gc.enable()
    if not IS_ROOT and any(item.get_closest_marker("root") for item in session.items):
        raise NEEDS_ROOT


@pytest.fixture(scope="session")
def cni_bin():
    """The folder of the reference plugins."""
    if not (CNI_BIN / "bridge").exists():
        pytest.fail(f"no reference plugins in {CNI_BIN}: run `make setup`", pytrace=False)
    return CNI_BIN


@pytest.fixture(scope="session")
def plugins(tmp_path_factory, cni_bin):
    """The folder that `genie install` put Genie into."""
    from tests.system.node import install_plugin

    return install_plugin(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A certificate authority, for servers of the Kubernetes API."""
    from tests.apiserver import Authority

    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def netns():
    """Make network namespaces: each call gives a new one; all are removed after the test."""
    made = []

    def make():
        made.append(Namespace())
        return made[-1]

    yield make
    for namespace in made:
        namespace.remove()


@pytest.fixture(scope="module")
def code_in_place():
    """The plugin's code where `genie install` puts it: a dry run then need not write and compile it."""
    folder = Path("/opt/cni/bin")
    compiled.add_to(folder)
    yield
    shutil.rmtree(folder)


def forget_installations():
    """Remove what `genie install` remembers in the usual state directory: tests install into folders of their own."""
    (STATE / "installed.json").unlink(missing_ok=True)
    if STATE.is_dir() and not any(STATE.iterdir()):
        STATE.rmdir()


@pytest.fixture(scope="session", autouse=True)
def machine_left_as_it_was():
    """Fail the run when it leaves anything behind: links, addresses, rules, leases, files, mounts."""
    if not IS_ROOT:
        yield
        return
    before = machine.snapshot()
    yield
    forget_installations()
    for _ in range(300):  # the kernel takes namespaces and their links apart in the background
        left = machine.difference(before, machine.snapshot())
        if not left:
            return
        time.sleep(0.1)
    pytest.fail(f"the tests left their node changed:\n{left}", pytrace=False)
