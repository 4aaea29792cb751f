"""An agent and a plugin of different versions work together."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.agent.test_agent import is_applied
from tests.live.live import cni_args
from tests.system.node import OTHER, other_version

pytestmark = [pytest.mark.root, pytest.mark.system]

INSTALL = """
import sys
from pathlib import Path
from genie_core.tasks.install.run import InstallOptions, install
folder = Path(sys.argv[1])
print(install(InstallOptions(bin_dir=folder / "bin", conf_dir=folder / "conf")).launcher.parent)
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """The folder that `genie install` of another version put the plugin into."""
    folder = other_version(tmp_path_factory.mktemp("other"))
    done = subprocess.run(
        [sys.executable, "-c", INSTALL, folder], cwd=folder, env={"PYTHONPATH": str(folder)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return Path(done.stdout.strip())


def test_an_agent_of_another_version_than_the_plugin(node):
    """It changes what a later plugin has attached, and that releases all of it."""
    assert any(OTHER in file.name for file in (node.node.plugins / ".genie").iterdir())
    node.start(cni="blue,red@net1")
    (file,) = (node.node.state / "containers").iterdir()
    with file.open("a") as journal:
        journal.write(json.dumps({"event": "what a later version has to say", "at": 1}) + "\n")
    node.agent("--repair", "fix")
    node.annotate(cni="blue,green@net2")
    is_applied(node, "net2")
    checked = node.node.call("CHECK", env=cni_args("c1"), prevResult={"cniVersion": "1.0.0"})
    assert (checked.status, checked.reply) == (0, None)
    node.agents[-1].kill()
    node.agents[-1].wait()
    node.node.delete(env=cni_args("c1"))
    assert node.node.held() == []
    assert node.node.state_files() == []
