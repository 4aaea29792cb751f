"""`genie generate-config` from outside: what it asks before it replaces a file, and which options it takes."""

import io
import json
import os
import re
import subprocess
import sys

import pytest

from genie_cli.app import main
from genie_core.edges.confdir import ConfDirs
from genie_core.errors import NetworkNotFound
from genie_core.model import Selection
from genie_core.select.files import Finder
from tests.discover import nodes
from tests.fakes_kube import Recorder
from tests.test_lint import ROOT


@pytest.fixture
def flags(tmp_path):
    """A node with plugins and one network; the flags that name its directories."""
    nodes.add_plugins(
        tmp_path / "bin", "bridge", "macvlan", "ptp", "host-local", "static", "portmap", "genie"
    )
    nodes.write(tmp_path / "net.d/10-bridge.conflist", nodes.bridge("bridge", mtu=1400))
    return ["--conf-dir", str(tmp_path / "net.d"), "--bin-dir", str(tmp_path / "bin")]


@pytest.fixture
def living(tmp_path):
    return tmp_path / "net.d/10-bridge.conflist"


def generate(flags, *arguments):
    return main(["generate-config", *arguments, *flags])


def test_a_living_network_is_not_replaced_without_a_yes(flags, living, capsys):
    before = living.read_text()
    assert generate(flags, "bridge", "--write", "--name", "bridge") == 2
    shown = capsys.readouterr().err
    assert f"error: {living}: there is another configuration" in shown
    assert f"--- {living}\n  +++ {living} (new)" in shown
    assert '-              "subnet": "100.99.0.0/24"' in shown
    assert "--yes replaces it" in shown
    assert living.read_text() == before
    assert [path.name for path in living.parent.iterdir()] == [living.name]


def test_the_command_in_the_error_about_an_unknown_network_makes_that_network(flags, living):
    """Its name says nothing of its plugin: TYPE is for the reader to fill in."""
    asked = Selection("blue", "", "annotation cni")
    with pytest.raises(NetworkNotFound) as caught:
        Finder(ConfDirs([str(living.parent)]), Recorder()).find(asked)
    (command,) = re.findall("`genie (generate-config .*)`", caught.value.hint)
    assert main([*command.replace("TYPE", "ptp").split(), *flags]) == 0
    assert Finder(ConfDirs([str(living.parent)]), Recorder()).find(asked).plugins[0].type == "ptp"


@pytest.mark.parametrize("flag", ["--yes", "-y", "--force"])
def test_yes_and_force_replace_it_and_keep_a_copy(flags, living, capsys, flag):
    before = living.read_text()
    assert generate(flags, "bridge", "--write", "--name", "bridge", flag) == 0
    assert '-              "subnet": "100.99.0.0/24"' in capsys.readouterr().err
    assert living.read_text() != before
    (copy,) = living.parent.glob("*.bak")
    assert copy.read_text() == before
    assert generate(flags, "bridge", "--write", "--name", "bridge") == 0  # nothing changes: nothing to ask
    assert len(list(living.parent.iterdir())) == 2


@pytest.mark.parametrize("answer, code", [("y", 0), ("n", 1), ("", 1)])
def test_on_a_terminal_it_asks(flags, living, answer, code):
    before = living.read_text()
    ours, theirs = os.openpty()
    command = [
        sys.executable,
        "-m",
        "genie_cli",
        "generate-config",
        "bridge",
        "--name",
        "bridge",
        "--write",
        *flags,
    ]
    with subprocess.Popen(command, stdin=theirs, stdout=-1, stderr=-1, cwd=ROOT, text=True) as running:
        os.write(ours, f"{answer}\n".encode())
        _, err = running.communicate(timeout=240)
    os.close(ours)
    os.close(theirs)
    assert "+++" in err
    assert f"Replace {living}? [y/N]" in err
    assert (running.returncode, living.read_text() == before) == (code, code == 1)
    assert ("nothing was written" in err) is (code == 1)


@pytest.mark.parametrize("from_stdin", [True, False])
def test_what_is_not_utf8_is_a_finding_with_its_place(tmp_path, from_stdin):
    file = tmp_path / "a.conf"
    file.write_bytes(b'{"cniVersion": "1.0.0",\n "name": "\xff", "type": "bridge"}')
    command = [sys.executable, "-m", "genie_cli", "generate-config", "--check", "-" if from_stdin else file]
    done = subprocess.run(command, input=file.read_bytes(), capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == 1
    assert b"GN1002" in done.stdout
    assert (b"generate-config --check" in done.stdout) is not from_stdin  # there is no file of that name
    assert not done.stderr


def test_text_that_is_given_to_the_command_in_its_own_process(flags, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO('{"cniVersion": "1.0.0", "name": "a", "type": "none-such"}'))
    assert generate(flags, "--check", "-") == 1
    assert "none-such" in capsys.readouterr().out


DEFINITION = "kind: NetworkAttachmentDefinition\nmetadata: {name: blue}\nspec: "


@pytest.mark.parametrize(
    "text", ["", "# nothing yet\n", "just words\n", DEFINITION, f"{DEFINITION}x\n", "kind: List\nitems: []\n"]
)
def test_nothing_to_check_is_not_ok(flags, tmp_path, capsys, text):
    file = tmp_path / "nets.yaml"
    file.write_text(text)
    assert generate(flags, "--check", str(file)) == 2
    assert "bug" not in capsys.readouterr().err


def test_a_file_without_a_configuration_is_not_left_out_beside_others(flags, living, tmp_path, capsys):
    """It was not looked at, so the answer cannot be ok."""
    (tmp_path / "empty").touch()
    assert generate(flags, "--check", str(living), str(tmp_path / "empty")) == 2
    assert f"error: {tmp_path}/empty: there is no configuration to check" in capsys.readouterr().err


def test_a_file_that_is_named_twice_does_not_collide_with_itself(flags, living, capsys):
    once = generate(flags, "--check", str(living)), capsys.readouterr().out
    assert (generate(flags, "--check", str(living), str(living)), capsys.readouterr().out) == once


def test_an_empty_text_to_start_from_is_wrong_usage(flags, capsys):
    assert generate(flags, "--from", "/dev/null") == 2
    assert "error: --from /dev/null: it is empty" in capsys.readouterr().err


def test_an_objects_name_is_taken_as_it_is(flags, tmp_path, capsys):
    """Where the configuration has none: also one with a quotation mark, which no name may have."""
    file = tmp_path / "nets.yaml"
    file.write_text(DEFINITION.replace("blue", "'a\"b'") + '{config: \'{"type": "bridge"}\'}\n')
    assert generate(flags, "--check", str(file)) == 1
    assert "JSON" not in capsys.readouterr().out


def test_the_difference_shows_no_secret(flags, living, capsys):
    entry = {
        "etcd_password": "s3cret-1",
        "policy": {"k8s_auth_token": "s3cret-2"},
        "url": "https://u:s3cret-3@host/",
    }
    nodes.write(living, nodes.bridge("bridge", **entry))
    assert generate(flags, "bridge", "--write", "--name", "bridge") == 2
    living.write_text("password: s3cret-4\nplain: yes\n")
    assert generate(flags, "bridge", "--write", "--name", "bridge", "--force", "-o", "json") == 0
    shown = "".join(capsys.readouterr())
    assert "s3cret" not in shown
    assert "(hidden)" in shown
    assert "-plain: yes" in shown


def test_genies_own_file_takes_every_key(flags, living, capsys):
    limits = ["--set", "namespace_isolation=true", "--set", 'allowed_networks={"shop": ["bridge"]}']
    limits += ["--set", 'annotation_dialects=["cni"]', "--set", 'allow_cni_args=["color"]']
    assert generate(flags, "genie", *limits, "--default-network", "bridge", "--write") == 0
    (entry,) = json.loads((living.parent / "00-genie.conflist").read_text())["plugins"]
    assert (entry["namespace_isolation"], entry["default_plugin"]) == (True, "bridge")
    assert entry["allowed_networks"] == {"shop": ["bridge"]}
    assert (entry["annotation_dialects"], entry["allow_cni_args"]) == (["cni"], ["color"])


@pytest.mark.parametrize(
    "setting, message",
    [
        ("alowed_networks={}", "did you mean allowed_networks?"),
        ('allowed_networks=["x"]', "allowed_networks must be an object"),
        ('annotation_dialects=["multus"]', "is no annotation that chooses networks"),
    ],
)
def test_a_key_that_the_plugin_would_refuse_is_refused(flags, living, capsys, setting, message):
    assert generate(flags, "genie", "--set", setting, "--default-network", "bridge", "--write") != 0
    assert message in capsys.readouterr().err
    assert list(living.parent.iterdir()) == [living]


def test_genies_own_file_too(flags, living, capsys):
    assert generate(flags, "genie", "--write", "--default-network", "bridge") == 0
    assert generate(flags, "genie", "--write", "--default-network", "bridge") == 0
    assert generate(flags, "genie", "--write", "--default-network", "other") == 2
    assert '+      "default_plugin": "other"' in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, refused",
    [
        (["bridge", "--mode", "l2"], "--mode"),
        (["bridge", "--master", "eth1", "--mode", "l2"], "--master, --mode"),
        (["macvlan", "--bridge", "br0", "--master", "eth0"], "--bridge"),
        (["ptp", "--vlan", "5"], "--vlan"),
        (["bridge", "--ipam", "dhcp", "--subnet", "10.1.0.0/24"], "--subnet"),
        (["bridge", "--ipam", "host-local", "--address", "10.1.0.5/24"], "--address"),
        (["flannel", "--ipam", "static"], "--ipam"),
        (["bridge", "--default-network", "x"], "--default-network"),
        (["bridge", "--namespace", "shop", "--plugin", "ptp"], "--plugin, --namespace"),
        (["bridge", "--physical-network", "x", "--dedicated"], "--physical-network, --dedicated"),
        (["bridge", "--state-dir", "/x"], "--state-dir"),
        (["genie", "--subnet", "10.1.0.0/24"], "--subnet"),
        (["nad", "--plugin", "bridge", "--name", "x", "--write"], "--write"),
        (["nad", "--plugin", "bridge", "--name", "x", "--mode", "l2"], "--mode"),
        (["logical-network", "--name", "x", "--mtu", "1400", "--dedicated"], "--mtu, --dedicated"),
        (["physical-network", "--name", "x", "--physical-network", "y"], "--physical-network"),
        (["bridge", "--schema", "--mtu", "1400"], "--mtu"),
        (["bridge", "--test", "--write"], "--write"),
        (["--from", "FILE", "--address", "10.1.0.5/24", "--chain", ""], "--chain, --address"),
        (["--from", "FILE", "--mode", "l2"], "--mode"),
        (["--check", "FILE", "--subnet", "10.1.0.0/24"], "--subnet"),
    ],
)  # fmt: skip
def test_an_option_without_a_meaning_is_refused(flags, living, capsys, arguments, refused):
    words = [str(living) if word == "FILE" else word for word in arguments]
    assert generate(flags, *words) == 2
    shown = capsys.readouterr().err
    assert f"error: {refused}: no meaning for " in shown
    assert list(living.parent.iterdir()) == [living]


def test_check_knows_what_generate_knows_of_check(flags, living, tmp_path, capsys):
    nodes.add_plugins(tmp_path / "bin", "sbr")
    document = nodes.bridge("bridge")
    document["plugins"].append({"type": "sbr"})
    nodes.write(living, document)
    assert generate(flags, "--check", str(living)) == 1
    shown = capsys.readouterr().out
    assert "sbr moves the routes that CHECK of the plugin before it looks for" in " ".join(shown.split())
    nodes.write(living, document | {"disableCheck": True})
    assert generate(flags, "--check", str(living)) == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["bridge", "--mtu", "1400", "--vlan", "5", "--subnet", "10.1.0.0/24", "--gateway", "10.1.0.1"],
        ["bridge", "--bridge", "b", "--range-start", "10.1.0.5", "--range-end", "10.1.0.9", "--subnet", "10.1.0.0/28"],
        ["macvlan", "--master", "lo", "--mode", "vepa", "--ipam", "static", "--address", "10.1.0.5/24"],
        ["ptp", "--chain", "", "--cni-version", "1.0.0", "--set", "ipMasq=false"],
        ["nad", "--plugin", "ptp", "--name", "x", "--namespace", "shop", "--mtu", "1400"],
        ["logical-network", "--name", "x", "--plugin", "bridge", "--subnet", "10.1.0.0/24"],
        ["--from", "FILE", "--mtu", "1300", "--subnet", "10.1.0.0/24"],
    ],
)  # fmt: skip
def test_options_with_a_meaning_are_taken(flags, living, capsys, arguments):
    words = [str(living) if word == "FILE" else word for word in arguments]
    assert generate(flags, *words, "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)
