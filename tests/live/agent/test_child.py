"""A change becomes the node's own process: its namespaces, its control groups, a low priority, and its own modules."""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from genie_core.settings import Settings
from genie_core.survey.user_cluster import Access
from genie_core.tasks.agent.child import NICE
from genie_core.tasks.agent.children import Children, Ended
from genie_core.tasks.agent.options import AgentOptions
from tests import warm
from tests.control_groups import own_groups
from tests.live.live import ROOT
from tests.patience import wait_until

pytestmark = [pytest.mark.root]

SHOW = """
import json, os, sys
print(json.dumps({
    "mnt": os.stat("/proc/self/ns/mnt").st_ino, "net": os.stat("/proc/self/ns/net").st_ino,
    "nice": os.getpriority(os.PRIO_PROCESS, 0), "groups": open("/proc/self/cgroup").read().splitlines(),
    "root": os.path.exists(sys.argv[1]), "argv": sys.argv[1:],
}))
"""


@pytest.fixture
def host(tmp_path):
    """A process in other namespaces, where this repository and its Python packages are not to be seen."""
    script = f"mount -t tmpfs none {ROOT} && touch {ROOT}/of-the-host && echo ready && exec sleep 600"
    with subprocess.Popen(
        ["unshare", "--mount", "--net", "sh", "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def run(host_pid, module, *words, folder, seconds=60):
    """What a child prints, as the agent starts it."""
    ended: list[Ended] = []
    environment = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = f"{ROOT}:{folder}"
    try:
        Children(host_pid, lambda call: call()).start(module, words, ended.append, seconds=seconds)
    finally:
        if environment is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = environment
    wait_until(lambda: ended, 60)
    return ended[0]


def test_in_the_namespaces_of_another_process(host, tmp_path):
    (tmp_path / "show_me.py").write_text(SHOW)
    ended = run(host.pid, "show_me", f"{ROOT}/of-the-host", "--word", folder=tmp_path)
    assert ended.code == 0, ended.err
    shown = json.loads(ended.out)
    assert shown["mnt"] == os.stat(f"/proc/{host.pid}/ns/mnt").st_ino
    assert shown["net"] == os.stat(f"/proc/{host.pid}/ns/net").st_ino
    assert shown["root"]
    assert shown["argv"] == [f"{ROOT}/of-the-host", "--word"]
    assert shown["nice"] >= NICE


def test_its_modules_are_found_there(host, tmp_path):
    """All of the command line, which is imported after the move, and the API server's package."""
    ended = run(host.pid, "genie_cli", "version", "-o", "json", folder=tmp_path)
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["kind"] == "VersionReport"
    (tmp_path / "late.py").write_text("import ssl, kubernetes.config, yaml, rich.table, typer\nprint('ok')\n")
    assert run(host.pid, "late", folder=tmp_path).out == "ok\n"


def test_in_the_control_groups_of_another_process(host, tmp_path):
    (tmp_path / "show_me.py").write_text(SHOW)
    with own_groups(host):
        wanted = Path(f"/proc/{host.pid}/cgroup").read_text().splitlines()
        ended = run(host.pid, "show_me", "/", folder=tmp_path)
        assert json.loads(ended.out)["groups"] == wanted


def test_it_outlives_its_parent(tmp_path):
    """No pipe breaks, no signal of the starter's group reaches it."""
    (tmp_path / "slow.py").write_text(
        "import sys, time\n"
        "for number in range(20):\n    print('x' * 1000, flush=True)\n    time.sleep(0.05)\n"
        f"open({str(tmp_path / 'done')!r}, 'w')\n"
    )
    starter = tmp_path / "starter.py"
    starter.write_text(
        "import time\nfrom genie_core.tasks.agent.children import Children\n"
        "Children(0, lambda call: call()).start('slow', [], print, seconds=60)\n"
        "print('started', flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, starter],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        start_new_session=True,
    ) as process:
        assert process.stdout
        process.stdout.readline()
        os.killpg(process.pid, signal.SIGTERM)
    wait_until((tmp_path / "done").exists)


def test_waiting_for_one_costs_nothing(tmp_path, monkeypatch):
    """The policy engine runs for as long as the agent does."""
    (tmp_path / "stays.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{tmp_path}")
    ended: list[Ended] = []
    children = Children(0, lambda call: call())
    end = children.start("stays", [], ended.append, seconds=math.inf, stays=True)
    (thread,) = [one for one in threading.enumerate() if one.name.startswith("wait ")]
    status = Path(f"/proc/self/task/{thread.native_id}/status")
    try:
        before = waits(status)
        time.sleep(1)
        assert waits(status) - before < 5
        assert not ended
    finally:
        end()
    wait_until(lambda: ended, 60)
    assert ended[0].code == -signal.SIGTERM


def waits(status):
    """How often a thread has waited."""
    lines = status.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("voluntary"))


def test_one_that_hangs_is_killed_with_all_that_it_started(tmp_path):
    (tmp_path / "hangs.py").write_text(
        "import subprocess, time\nprint(subprocess.Popen(['sleep', '600']).pid, flush=True)\ntime.sleep(600)\n"
    )
    ended = run(0, "hangs", folder=tmp_path, seconds=2)
    assert ended.code == -signal.SIGKILL
    grandchild = Path("/proc", ended.out.strip(), "stat")
    wait_until(lambda: not grandchild.exists() or ") Z " in grandchild.read_text())


def test_every_child_asks_the_cluster_that_the_agent_asks(tmp_path):
    access = Access(kubeconfig="/k", context="c")
    options = AgentOptions(node="n", access=access, conf_dir=str(tmp_path), state_dir=str(tmp_path / "s"))
    repair = options.repair_words("report", "")
    for words in (options.sync_words("ns", "p", Settings({})), options.policy_words(), repair):
        place = words.index("--kubeconfig")
        assert words[place : place + 4] == ["--kubeconfig", "/k", "--context", "c"]
    done = warm.run(*repair, module="genie_core.tasks.repair")
    assert (done.returncode, done.stdout) == (0, ""), done


def test_a_change_prints_what_the_command_prints(tmp_path):
    """Both name the server that does not answer, in the same document, with the same exit code."""
    own = {"type": "genie", "kubernetes": {"k8s_api_root": "http://127.0.0.1:1"}}
    conflist = {"cniVersion": "1.0.0", "name": "genie", "plugins": [own]}
    (tmp_path / "00-genie.conflist").write_text(json.dumps(conflist))
    place, env = ("--conf-dir", tmp_path), {"HOME": str(tmp_path)}
    command = warm.run("sync", "pod", "ns/p", "--yes", "-o", "json", *place, env=env)
    words = AgentOptions(node="n", conf_dir=str(tmp_path)).sync_words("ns", "p", Settings({}))
    program = warm.run(*words, module="genie_core.tasks.sync", env=env)
    assert program.returncode == command.returncode == 1
    assert json.loads(program.stdout) == json.loads(command.stdout)
    assert "cannot be reached" in json.loads(program.stdout)["error"]["msg"]


def test_a_change_starts_without_the_command_lines_packages(tmp_path):
    """They would double its processor time."""
    code = "import sys, genie_core.tasks.sync.__main__; print(sorted({'typer', 'rich', 'kubernetes'} & {*sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
