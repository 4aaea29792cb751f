"""`genie install` and `genie uninstall` on a node: replaced as a whole, and no pod is locked out (lessons 8, 10)."""

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from genie_cli.app import main
from genie_core.errors import GenieError, InvalidConfig
from genie_core.settings import CACHE_DIR, STATE_DIR
from genie_core.tasks import uninstall
from genie_core.tasks.install import conflist, payload
from genie_core.tasks.install import run as installing
from tests import compiled
from tests.patience import wait_until
from tests.system import kills
from tests.system.node import THREE, Node

ROOT = Path(__file__).parents[2]
MAIN = {
    "cniVersion": "1.0.0",
    "name": "next",
    "type": "bridge",
    "ipam": {"type": "host-local", "subnet": "10.9.0.0/24"},
}


@pytest.fixture
def places(tmp_path):
    """Where to install; the configuration directory already holds another network."""
    conf = tmp_path / "net.d"
    conf.mkdir()
    (conf / "90-next.conf").write_text(json.dumps(MAIN))
    return {"bin_dir": tmp_path / "bin", "conf_dir": conf, "state_dir": tmp_path / "state"}


@pytest.fixture
def compiled_places(places):
    """These, with the plugin's code there: for tests of what else an installation does."""
    compiled.add_to(places["bin_dir"])
    return places


def put(places, **more):
    return installing.install(installing.InstallOptions(**places, **more))


def take_away(places, **more):
    return uninstall.uninstall(uninstall.UninstallOptions(**places, **more))


def tree(directory):
    """Every file's path and content, without times."""
    return {str(path): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def version_of(launcher, *argv_before):
    """VERSION with an empty environment, from /."""
    command = [*argv_before, "env", "-i", "CNI_COMMAND=VERSION", str(launcher)]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True, timeout=240)
    return json.loads(done.stdout)["supportedVersions"]


def test_what_is_written_and_that_a_second_run_changes_nothing(places):
    report = put(places, extra={"default_plugin": "next"})
    plugin = json.loads(report.conflist.read_text())["plugins"][0]
    assert plugin["conf_dirs"][0] == str(places["conf_dir"])
    assert plugin["bin_dirs"] == [str(places["bin_dir"])]
    assert plugin["state_dir"] == str(places["state_dir"])
    assert plugin["capabilities"]["io.kubernetes.cri.pod-annotations"] is True
    before = tree(places["bin_dir"]) | tree(places["conf_dir"])
    assert put(places).changed == []
    assert tree(places["bin_dir"]) | tree(places["conf_dir"]) == before
    assert (
        json.loads(report.conflist.read_text())["plugins"][0]["default_plugin"] == "next"
    )  # an operator's key stays


def test_an_upgrade_keeps_what_an_operator_wrote_into_the_conflist(compiled_places):
    """The plugins that stand beside Genie, their order, and keys of the list itself (lessons 4: a silent change)."""
    conflist = put(compiled_places).conflist
    document = json.loads(conflist.read_text())
    [own] = document["plugins"]
    first, last = {"type": "sbr"}, {"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}}
    document["plugins"] = [first, own | {"default_plugin": "next"}, last]
    document |= {"name": "pods", "disableCheck": True, "cniVersion": "1.1.0"}
    del document["cniVersions"]
    conflist.write_text(json.dumps(document))
    put(compiled_places)
    assert json.loads(conflist.read_text()) == document
    assert put(compiled_places).changed == []
    put(compiled_places, extra={"result": "primary"})
    assert json.loads(conflist.read_text())["plugins"] == [
        first,
        own | {"default_plugin": "next", "result": "primary"},
        last,
    ]


def test_a_key_without_a_value_counts_as_absent(compiled_places, tmp_path):
    conflist = put(compiled_places).conflist
    document = json.loads(conflist.read_text())
    document["plugins"][0] |= {"capabilities": None, "kubernetes": None}
    conflist.write_text(json.dumps(document))
    put(compiled_places, kubeconfig=tmp_path / "kubeconfig")
    [own] = json.loads(conflist.read_text())["plugins"]
    assert own["kubernetes"] == {"kubeconfig": str(tmp_path / "kubeconfig")}
    assert own["capabilities"]["portMappings"] is True


def test_a_conflist_that_does_not_call_genie_is_replaced(compiled_places):
    conflist = compiled_places["conf_dir"] / "00-genie.conflist"
    conflist.parent.mkdir(parents=True, exist_ok=True)
    conflist.write_text('{"name": "other", "cniVersion": "0.4.0", "plugins": [{"type": "bridge"}]}')
    document = json.loads(put(compiled_places).conflist.read_text())
    assert (document["name"], [entry["type"] for entry in document["plugins"]]) == ("genie", ["genie"])


def test_a_dry_run_writes_nothing_and_says_what_an_installation_does(places):
    """Before, and after an upgrade by hand: what it names is what is written then."""
    before = tree(places["conf_dir"])
    said = installing.install(installing.InstallOptions(**places), dry_run=True)
    assert (tree(places["conf_dir"]), places["bin_dir"].exists(), places["state_dir"].exists()) == (
        before,
        False,
        False,
    )
    done = put(places)
    assert said == replace(done, dry_run=True)
    assert [path.name for path in said.changed[1:]] == ["genie", "00-genie.conflist"]
    said.launcher.write_text("changed by hand")
    assert installing.install(installing.InstallOptions(**places), dry_run=True).changed == [said.launcher]
    assert said.launcher.read_text() == "changed by hand"


def test_it_runs_from_anywhere_with_nothing_when_the_clone_is_gone(tmp_path, places):
    clone = tmp_path / "clone"
    for package in ("genie_core", "genie_cli"):
        shutil.copytree(ROOT / package, clone / package)
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "from genie_core.tasks.install.run import *;"
        "import genie_core; assert genie_core.__file__.startswith(sys.argv[1]);"
        "install(InstallOptions(bin_dir=Path(sys.argv[2]), conf_dir=Path(sys.argv[3])))"
    )
    subprocess.run(
        [sys.executable, "-c", script, clone, places["bin_dir"], places["conf_dir"]],
        check=True,
        cwd="/",
        timeout=240,
    )
    shutil.rmtree(clone)
    launcher = places["bin_dir"] / "genie"
    assert "1.1.0" in version_of(launcher)
    assert str(clone) not in "".join(path.read_text() for path in places["bin_dir"].rglob("*.py"))
    read_only = f"mount --bind {places['bin_dir']} {places['bin_dir']} && mount -o remount,bind,ro {places['bin_dir']}"
    assert "1.1.0" in version_of(
        launcher, "unshare", "--mount", "sh", "-c", f'{read_only} && exec "$@"', "sh"
    )


def test_compiled_in_place_and_for_the_interpreter_that_runs_it(places):
    report = put(places)
    compiled = {path.name.split(".")[0] for path in report.code.rglob("*.pyc")}
    sources = {path.stem for path in report.code.rglob("*.py")}
    assert sources <= compiled
    assert f"run by {report.python}\n" in report.launcher.read_text()
    assert not report.python.is_relative_to(ROOT)


def test_without_the_archive_the_modules_are_found_one_by_one(places):
    report = put(places)
    whole = (report.code / "modules.marshal").read_bytes()
    for torn in (b"torn", whole[:100], whole[:20_000]):
        (report.code / "modules.marshal").write_bytes(torn)
        assert "1.1.0" in version_of(report.launcher)
    (report.code / "modules.marshal").unlink()
    assert "1.1.0" in version_of(report.launcher)


def test_an_upgrade_keeps_the_old_code_for_calls_that_still_run(places, tmp_path, monkeypatch):
    old = put(places)
    changed = tmp_path / "errors.py"
    changed.write_text((ROOT / "genie_core" / "errors.py").read_text() + "\n# newer\n")
    files = payload.plugin_files() | {"genie_core/errors.py": changed}
    monkeypatch.setattr(payload, "plugin_files", lambda: files)
    new = put(places)
    assert new.code != old.code
    assert old.code.is_dir()
    assert str(new.code) in new.launcher.read_text()


def test_installed_over_and_over_while_it_is_called(places, tmp_path, monkeypatch):
    """No call meets half of it, and none finds the file busy."""
    put(places)
    versions = []
    for number in range(2):
        changed = tmp_path / f"errors{number}.py"
        changed.write_text((ROOT / "genie_core" / "errors.py").read_text() + f"\n# version {number}\n")
        versions.append(payload.plugin_files() | {"genie_core/errors.py": changed})
    done = threading.Event()
    seen = []

    def call():
        while not done.is_set():
            seen.append(version_of(places["bin_dir"] / "genie"))

    caller = threading.Thread(target=call)
    caller.start()
    try:
        for number in range(4):
            monkeypatch.setattr(payload, "plugin_files", lambda number=number: versions[number % 2])
            put(places)
            wait_until(lambda number=number: len(seen) > 3 * number or not caller.is_alive())
    finally:
        done.set()
        caller.join()
    assert len(seen) > 10
    assert all("1.1.0" in versions for versions in seen)


def test_a_kubeconfig_names_the_token_and_does_not_hold_it(compiled_places, tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret-t0ken")
    report = put(
        compiled_places, api_server="https://10.0.0.1:6443", token_file=token, ca_file=tmp_path / "ca"
    )
    kubeconfig = compiled_places["conf_dir"] / "genie.kubeconfig"
    assert kubeconfig.stat().st_mode & 0o777 == 0o600
    assert json.loads(kubeconfig.read_text())["users"][0]["user"] == {"tokenFile": str(token)}
    assert not any(b"s3cret" in content for content in tree(compiled_places["conf_dir"]).values())
    assert any("ca does not exist" in warning for warning in report.warnings)


@pytest.mark.parametrize("extra", [{"conf_dirs": "not a list"}, {"result": "both"}, {"log_file": "relative"}])
def test_what_the_plugin_would_refuse_is_not_installed(places, extra):
    with pytest.raises(InvalidConfig):
        put(places, extra=extra)
    assert not places["bin_dir"].exists() or list(places["bin_dir"].iterdir()) == []
    assert not (places["conf_dir"] / "00-genie.conflist").exists()


@pytest.mark.parametrize("text", ["{", "", '{"name": "genie", "plugins": []}'])
def test_a_broken_conflist_is_mended(compiled_places, text):
    """No runtime loads it, so no pod starts; what was set in it is remembered, and the broken one is kept."""
    conflist = put(compiled_places, extra={"default_plugin": "next"}).conflist
    before = conflist.read_text()
    conflist.write_text(text)
    said = installing.install(installing.InstallOptions(**compiled_places), dry_run=True)
    assert conflist.read_text() == text
    report = put(compiled_places)
    assert conflist.read_text() == before
    assert conflist.with_name("00-genie.conflist.broken").read_text() == text
    assert report.changed == said.changed == [conflist]
    assert "a copy is kept in 00-genie.conflist.broken" in report.warnings[0]
    assert put(compiled_places).changed == []


def test_a_conflist_that_another_program_removed_comes_back_as_it_was(compiled_places):
    """Without its keys a node would come back open: no isolation, another default network (lessons 5)."""
    conflist = put(compiled_places, extra={"default_plugin": "next", "namespace_isolation": True}).conflist
    before = conflist.read_text()
    conflist.unlink()
    assert "is gone" in put(compiled_places).warnings[0]
    assert conflist.read_text() == before
    take_away(compiled_places)
    assert not any("is gone" in warning for warning in put(compiled_places).warnings)
    assert "namespace_isolation" not in conflist.read_text()


def test_a_broken_conflist_of_an_unknown_installation_is_mended_too(compiled_places):
    conflist = compiled_places["conf_dir"] / "00-genie.conflist"
    conflist.write_text("{")
    assert "there is no record of it" in put(compiled_places).warnings[0]
    assert json.loads(conflist.read_text())["plugins"][0]["type"] == "genie"


def test_uninstalled_nothing_is_left_and_again_is_fine(places):
    put(places)
    assert take_away(places).complete
    assert [path.name for path in places["conf_dir"].iterdir()] == ["90-next.conf"]
    assert list(places["bin_dir"].iterdir()) == []
    assert not places["state_dir"].exists()
    assert take_away(places).removed == []


def test_the_daemonsets_token_goes_with_it_and_other_peoples_files_stay(places, tmp_path):
    own = places["conf_dir"].parent / "genie"
    other = tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
        for name in ("token", "ca.crt"):
            (folder / name).write_text("x")
    for folder in (other, own):
        put(
            places,
            api_server="https://10.0.0.1:6443",
            token_file=folder / "token",
            ca_file=folder / "ca.crt",
        )
        take_away(places)
    assert list(own.iterdir()) == []
    assert sorted(path.name for path in other.iterdir()) == ["ca.crt", "token"]


def test_the_daemonsets_token_goes_wherever_the_configurations_are(compiled_places, tmp_path):
    """On k3s these are not in /etc/cni, and the token, which is still valid, stayed on the node."""
    own = conflist.TOKEN_FILE.parent
    is_new = not own.exists()
    own.mkdir(parents=True, exist_ok=True)
    before = set(own.iterdir())
    files = {"token_file": conflist.TOKEN_FILE, "ca_file": conflist.CA_FILE}
    for path in files.values():
        path.write_text("x")
    put(compiled_places, api_server="https://10.0.0.1:6443", **files, from_daemonset=True)
    assert set(own.iterdir()) == {*before, *files.values(), own / "installed.json"}
    take_away(compiled_places)
    assert set(own.iterdir()) == before
    if is_new:
        own.rmdir()


def test_a_dry_run_removes_nothing(compiled_places):
    put(compiled_places)
    before = tree(compiled_places["bin_dir"]) | tree(compiled_places["conf_dir"])
    report = take_away(compiled_places, dry_run=True)
    assert report.removed
    assert tree(compiled_places["bin_dir"]) | tree(compiled_places["conf_dir"]) == before


def test_the_last_network_is_not_taken_from_a_node(compiled_places):
    put(compiled_places)
    (compiled_places["conf_dir"] / "90-next.conf").unlink()
    with pytest.raises(InvalidConfig, match="no network configuration"):
        take_away(compiled_places)
    assert (compiled_places["conf_dir"] / "00-genie.conflist").exists()
    assert take_away(compiled_places, force=True).complete


def test_the_plugin_is_not_taken_from_a_copy_of_its_configuration(compiled_places):
    """An operator's copy under another name: the runtime would use it next, and would find no plugin."""
    report = put(compiled_places)
    copy = compiled_places["conf_dir"] / "05-mine.conflist"
    copy.write_bytes(report.conflist.read_bytes())
    for dry_run in (True, False):
        with pytest.raises(InvalidConfig, match=r"05-mine\.conflist calls the plugin") as refused:
            take_away(compiled_places, dry_run=dry_run)
    assert "remove" in refused.value.hint
    assert report.launcher.exists()
    assert report.conflist.exists()
    report.conflist.unlink()
    with pytest.raises(InvalidConfig, match=r"05-mine\.conflist calls the plugin"):
        take_away(compiled_places)
    copy.rename(copy.with_name("95-mine.conflist"))  # the runtime uses the network before it
    assert take_away(compiled_places).complete


def test_what_killed_installations_were_writing_goes_too(places):
    """They hold configurations, which may have a credential, and would keep the directories."""
    report = put(places)
    state = places["state_dir"]
    kubeconfig = report.conflist.with_name("genie.kubeconfig")
    for path in (state / "installed.json", state / ".installed.json", report.conflist, kubeconfig):
        write = f"import pathlib, genie_core.tasks.atomic as a; a.write_file(pathlib.Path({str(path)!r}), 'x', 384)"
        subprocess.run(
            [*kills.strace_kill(("rename", 1)), sys.executable, "-c", write], cwd=ROOT, check=False
        )
        assert any(other.name != path.name for other in path.parent.glob(f".*{path.stem.strip('.')}*"))
    assert take_away(places).complete
    assert [path.name for path in places["conf_dir"].iterdir()] == ["90-next.conf"]
    assert not state.exists()


def test_only_what_genie_made_goes_from_the_state_directory(compiled_places):
    put(compiled_places)
    (compiled_places["state_dir"] / "somebody-elses").write_text("keep")
    take_away(compiled_places)
    assert (compiled_places["state_dir"] / "somebody-elses").read_text() == "keep"


@pytest.fixture
def shared(tmp_path):
    """A directory that other programs use, with a folder whose name a state has, too."""
    folder = tmp_path / "shared"
    (folder / "tmp").mkdir(parents=True)
    (folder / "tmp/file").write_text("another program's")
    (folder / "results").mkdir()
    folder.chmod(0o755)
    return folder


def test_a_state_directory_that_others_use_is_refused(places, shared):
    """With mode 0700 they would lose it."""
    before = tree(places["conf_dir"])
    with pytest.raises(InvalidConfig, match="holds results"):
        put(places | {"state_dir": shared})
    assert (tree(places["conf_dir"]), places["bin_dir"].exists()) == (before, False)
    assert shared.stat().st_mode & 0o777 == 0o755


def test_a_state_directory_without_room_is_refused_before_the_configuration_is_written(places):
    """The plugin writes there before it attaches anything: each ADD would fail."""
    places["state_dir"].mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", places["state_dir"]], check=True)
    places["state_dir"].chmod(0o700)
    try:
        (places["state_dir"] / "lock").write_bytes(bytes(4096))
        with pytest.raises(GenieError, match=r"each ADD writes to .*: No space left on device"):
            put(places)
        assert not (places["conf_dir"] / installing.CONFLIST).exists()
        (places["state_dir"] / "lock").unlink()
        put(places)
        assert [path.name for path in places["state_dir"].iterdir()] == ["installed.json"]
    finally:
        subprocess.run(["umount", places["state_dir"]], check=True)


def test_an_error_in_the_present_configuration_names_the_file(compiled_places):
    conflist = put(compiled_places).conflist
    document = json.loads(conflist.read_text())
    document["plugins"][0]["default_plugin"] = ["next"]
    conflist.write_text(json.dumps(document))
    with pytest.raises(InvalidConfig, match=rf"^{conflist}: default_plugin must be a string"):
        put(compiled_places)
    with pytest.raises(InvalidConfig, match=r"^log_file must be a string"):
        put(compiled_places, extra={"default_plugin": "next", "log_file": 1})
    assert put(compiled_places, extra={"default_plugin": "next"}).changed == [conflist]


def test_the_usual_state_directory_is_not_named_in_its_own_place(places):
    usual = Path(STATE_DIR)
    usual.mkdir(parents=True, exist_ok=True)
    try:
        os.chown(usual, 12345, 12345)
        with pytest.raises(InvalidConfig) as refused:
            put({**places, "state_dir": None})
        assert (str(usual) in refused.value.msg, str(usual) in refused.value.hint) == (True, False)
    finally:
        os.chown(usual, 0, 0)


@pytest.mark.parametrize(
    "what, problem", [("file", "not a directory"), ("link", "not a directory"), ("open", "others may write")]
)
def test_a_state_directory_that_each_add_would_refuse(places, tmp_path, what, problem):
    state = places["state_dir"]
    if what == "file":
        state.write_text("")
    elif what == "link":
        state.symlink_to(tmp_path)
    else:
        state.mkdir()
        state.chmod(0o777)
    with pytest.raises(InvalidConfig, match=problem):
        put(places)
    assert not places["bin_dir"].exists()


def test_an_uninstallation_clears_no_directory_that_others_use(compiled_places, shared):
    put(compiled_places)
    before = tree(compiled_places["bin_dir"]) | tree(compiled_places["conf_dir"]) | tree(shared)
    with pytest.raises(GenieError, match="holds results"):
        take_away(compiled_places | {"state_dir": shared})
    assert tree(compiled_places["bin_dir"]) | tree(compiled_places["conf_dir"]) | tree(shared) == before


def test_with_pods_attached_the_binary_stays_until_they_are_gone(node: Node, tmp_path):
    """The conflist goes first; DEL still works; the second run finishes."""
    assert node.call("ADD", annotations={"cni": THREE}).status == 0
    bin_dir = tmp_path / "bin"
    conf_dir = tmp_path / "runtime-conf"
    conf_dir.mkdir()
    (conf_dir / "90-next.conf").write_text(json.dumps(MAIN))
    places = {"bin_dir": bin_dir, "conf_dir": conf_dir, "state_dir": node.state}
    put(places)
    first = take_away(places)
    assert not first.complete
    assert [path.name for path in conf_dir.iterdir()] == ["90-next.conf"]
    assert (bin_dir / "genie").exists()
    assert node.call("DEL").status == 0
    assert take_away(places).complete
    assert list(bin_dir.iterdir()) == []


def test_the_runtimes_record_of_a_pod_that_is_gone_goes_with_it(node: Node, tmp_path):
    """It has the name of the runtime's network, which is CNI-Genie's where that was adopted."""
    node.add("blue")
    node.pod.remove()
    conf_dir = tmp_path / "runtime-conf"
    conf_dir.mkdir()
    (conf_dir / "90-next.conf").write_text(json.dumps(MAIN))
    own = {"cniVersion": "1.0.0", "name": "k8s-pod-network", "plugins": [{"type": "genie"}]}
    (conf_dir / "00-genie.conflist").write_text(json.dumps(own))
    compiled_places = {"bin_dir": tmp_path / "bin", "conf_dir": conf_dir, "state_dir": node.state}
    put(compiled_places)
    record = Path(CACHE_DIR) / "k8s-pod-network-c1-eth0"
    is_new = not record.parent.exists()
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text("{}")
    try:
        assert take_away(compiled_places).complete
        assert not record.exists()
    finally:
        record.unlink(missing_ok=True)
        if is_new:
            record.parent.rmdir()


@pytest.mark.parametrize(
    "setting, hint",
    [
        ({"default_plugin": "nxet"}, "did you mean next?"),
        ({"default_plugin": "next,nosuch"}, "nosuch"),
        ({"default_plugin": "next@eth3"}, "give eth0 to one of them"),
        ({"default_plugin": "next,next@x,next@x"}, "give each network an interface of its own"),
        ({"default_networks": ["nosuch"]}, "nosuch"),
        ({"default_networks": ["a/b/c"]}, "'a/b/c' is no network"),
        ({"defualt_plugin": "next"}, "did you mean default_plugin?"),
        ({"type": "bridge"}, "--set type"),
        ({"capabilities": True}, "capabilities must be an object, not a boolean"),
    ],
)
def test_a_setting_that_would_keep_pods_from_starting_is_refused_before_writing(places, setting, hint):
    before = tree(places["conf_dir"])
    with pytest.raises(InvalidConfig) as refused:
        put(places, extra=setting)
    assert hint in str(refused.value)
    assert (tree(places["conf_dir"]), places["bin_dir"].exists()) == (before, False)


def test_a_dry_run_of_uninstall_says_what_would_be_done(compiled_places, capsys):
    put(compiled_places)
    flags = [
        word for name, path in compiled_places.items() for word in (f"--{name.replace('_', '-')}", str(path))
    ]
    main(["uninstall", "--dry-run", *flags])
    rows = [row.strip() for row in capsys.readouterr().out.splitlines()]
    said = [row.partition("  ")[0] for row in rows if row.startswith("would be")]  # long paths take more rows
    assert said == ["would be removed"]


def test_a_level_of_the_log_that_is_set_is_one(compiled_places):
    """In a file a word that is none means the default; who sets it now wants something else."""
    with pytest.raises(InvalidConfig) as refused:
        put(compiled_places, extra={"log_level": "verbose"})
    assert "--set log_level: 'verbose' is no level; it is one of debug, info" in str(refused.value)
    put(compiled_places, extra={"log_level": "WARN"})


def test_a_file_that_the_plugin_could_not_make_is_warned_of(compiled_places, tmp_path):
    """Calls go on without their counters or their log, and only the runtime's log would have a warning."""
    named = {"metrics_file": f"{tmp_path}/none/genie.prom", "log_file": f"{tmp_path}/genie.log"}
    (warning,) = [
        text
        for text in put(compiled_places, extra=named).warnings
        if "metrics_file" in text or "log_file" in text
    ]
    assert warning.startswith(f"--set metrics_file: there is no directory {tmp_path}/none")


def test_a_network_that_genie_makes_up_needs_no_file(compiled_places):
    put(compiled_places, extra={"default_plugin": "bridge", "generate_missing": True})


def test_multus_is_no_default_network_unsaid(compiled_places):
    """It attaches what a pod's annotation names, and so does Genie: such a pod got net1 twice, and did not start."""
    multus = {"cniVersion": "0.3.1", "name": "multus-cni-network", "type": "multus-shim"}
    (compiled_places["conf_dir"] / "00-multus.conf").write_text(json.dumps(multus))
    (warning,) = (text for text in put(compiled_places).warnings if "00-multus.conf" in text)
    assert "00-multus.conf, of Multus, is Genie's default network" in warning
    assert "`genie install --set default_plugin=next`" in warning
    report = put(compiled_places, extra={"default_plugin": "next"})
    (warning,) = (text for text in report.warnings if "00-multus.conf" in text)
    assert "only the first by name is used" in warning


def test_where_there_is_no_network_yet_it_is_said(compiled_places):
    """As on a node whose network is installed later: still no pod starts without Genie."""
    (compiled_places["conf_dir"] / "90-next.conf").unlink()
    report = put(compiled_places)
    assert report.conflist.exists()
    assert any("no default network" in warning for warning in report.warnings)


def test_a_directory_from_which_nothing_may_be_executed_is_refused(places):
    """The launcher is tried before the runtime is given it."""
    places["bin_dir"].mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "noexec", "none", places["bin_dir"]], check=True)
    try:
        with pytest.raises(GenieError, match="does not run in"):
            put(places)
        assert [path.name for path in places["bin_dir"].rglob("*")] == [installing.CODE]
        assert not (places["conf_dir"] / installing.CONFLIST).exists()
    finally:
        subprocess.run(["umount", places["bin_dir"]], check=True)


def test_a_plain_uninstall_finds_what_was_installed_anywhere(compiled_places):
    """Through the state directory, which is all that is named."""
    put(compiled_places)
    again = {"state_dir": compiled_places["state_dir"]}
    report = uninstall.uninstall(uninstall.UninstallOptions(**again))
    assert report.complete
    assert [path.name for path in compiled_places["conf_dir"].iterdir()] == ["90-next.conf"]
    assert list(compiled_places["bin_dir"].iterdir()) == []
    assert not compiled_places["state_dir"].exists()


def test_every_directory_that_it_was_ever_put_into_is_cleared(places, tmp_path):
    put(places)
    put(places | {"bin_dir": tmp_path / "second"})
    (places["bin_dir"] / "bridge").write_text("another program's")
    assert uninstall.uninstall(uninstall.UninstallOptions(state_dir=places["state_dir"])).complete
    assert [path.name for path in places["bin_dir"].iterdir()] == ["bridge"]
    assert list((tmp_path / "second").iterdir()) == []


@pytest.mark.parametrize("remembered", [True, False])
@pytest.mark.parametrize("wrong", ["conf_dir", "bin_dir"])
def test_directories_that_do_not_belong_together_are_refused(compiled_places, tmp_path, wrong, remembered):
    """To remove the plugin and leave the configuration that calls it would keep every pod from starting."""
    put(compiled_places)
    if not remembered:
        (compiled_places["state_dir"] / "installed.json").unlink()
    (tmp_path / "wrong").mkdir()
    before = tree(tmp_path)
    named = {
        "bin_dir": compiled_places["bin_dir"],
        "conf_dir": compiled_places["conf_dir"],
        wrong: tmp_path / "wrong",
    }
    with pytest.raises(InvalidConfig, match="nothing was removed") as refused:
        uninstall.uninstall(uninstall.UninstallOptions(**named))
    assert f"--conf-dir {compiled_places['conf_dir']}" in refused.value.hint
    assert tree(tmp_path) == before
