"""Secrets planted in every input, and looked for in everything that Genie prints, writes and starts.

Each planted text is different, so that a failure says which one got out, and where.
"""

import base64
import json
import os
import re
import stat
import time
from pathlib import Path

import pytest

from genie_core.tasks.dry_run.recorder import read_notes
from genie_core.tasks.install.run import CONFLIST, InstallOptions, install
from genie_core.tasks.pods import read_pod
from tests import manifests, warm
from tests.apiserver import API, Objects
from tests.plugin.cluster import NPWG
from tests.plugin.harness import HOLD
from tests.processes import descendants

# Words that no program prints by accident.
TOKEN, OLD_TOKEN, FILE_PASSWORD, NAD_PASSWORD = "tok-5e1f", "tok-0ld1", "pw-f11e", "pw-nad7"
KEY, IN_URL, IN_ENVIRONMENT, IN_ANNOTATION = "key-4ac2", "pw-ur1x", "env-90b3", "note-77d1"
# What the plugins get in their configuration, and no other program.
FOR_PLUGINS = {FILE_PASSWORD, NAD_PASSWORD}
ALL = {TOKEN, OLD_TOKEN, KEY, IN_URL, IN_ENVIRONMENT, IN_ANNOTATION, *FOR_PLUGINS}
VERBS = ["ADD", "CHECK", "DEL", "GC", "STATUS"]


def found_in(text):
    """The secrets that got out, also in base64."""
    coded = {secret: base64.b64encode(secret.encode()).decode()[:8] for secret in ALL}
    return {secret for secret in ALL if secret in text or coded[secret] in text}


@pytest.fixture
def planted(node, serve, authority):
    """A node and a cluster with a secret in every place that can have one; the node's log file is in its root."""
    password = {
        "etcd_password": FILE_PASSWORD,
        "kubernetes": {"token": FILE_PASSWORD},
        "auth": [FILE_PASSWORD],
    }
    node.network("a", {"type": "a", **password}, version="1.1.0")
    node.install("x")
    definition = {"type": "x", "cniVersion": "1.1.0", "password": NAD_PASSWORD}
    notes = {NPWG: "net", "kubectl.kubernetes.io/last-applied-configuration": IN_ANNOTATION}
    pod = manifests.pod(annotations=notes)
    pod["spec"] = {"containers": [{"name": "c", "env": [{"name": "PASSWORD", "value": IN_ANNOTATION}]}]}
    node.server = serve(
        API(Objects(pod, manifests.nad("net", definition)), {TOKEN: "genie"}), authority=authority
    )
    node.config |= {
        "log_level": "debug",
        "log_file": str(node.root / "genie.log"),
        "api_timeout_seconds": 10,
        "kubernetes": {"kubeconfig": str(write_kubeconfig(node, {"token": TOKEN}))},
        "etcd_password": OLD_TOKEN,
        "cAdvisor_address": f"http://admin:{IN_URL}@127.0.0.1:1/?key={IN_URL}",
    }
    return node


def write_kubeconfig(node, user, **cluster):
    return node.server.write_kubeconfig(node.root / "kubeconfig", user=user, **cluster)


def call(node, verb, **options):
    """A call without annotations from the runtime, so that the API server is asked; its reply, with all its output."""
    extra = {"prevResult": {"cniVersion": "1.1.0"}, "cni.dev/valid-attachments": []}
    environment = {"KUBE_TOKEN": IN_ENVIRONMENT, **options.pop("env", {})}
    reply = node.call(verb, env=environment, **{"annotations": None, **extra, **options})
    log = node.root / "genie.log"
    reply.output = reply.stdout.decode() + reply.stderr + (log.read_text() if log.exists() else "")
    return reply


# --- the plugin -------------------------------------------------------------------------------------------------


def test_a_pods_life(planted):
    """All verbs, well and failing: no secret is printed; each plugin gets its own secrets on stdin, and no others."""
    for fate in ("well", "failing"):
        for verb in VERBS:
            if fate == "failing":
                planted.fail(verb, code=7, msg="no", details="nothing")
            reply = call(planted, verb)
            assert fate == "failing" or reply.status == 0, reply
            assert found_in(reply.output) == set(), verb
            if (fate, verb) == ("well", "ADD"):
                assert_private(planted)
    for delegate in planted.calls():
        assert delegate.env.pop("KUBE_TOKEN") == IN_ENVIRONMENT  # the runtime's environment is theirs (B22)
        assert found_in(json.dumps(delegate.env)) == set()
        assert found_in(delegate.stdin.decode()) <= {FILE_PASSWORD if delegate.type == "a" else NAD_PASSWORD}
    assert {request.user for request in planted.server.api.requests} == {"genie"}  # it was sent


def assert_private(node):
    """What is on the disk is root's alone, and the token is not on it."""
    files = [path for path in (*node.state.rglob("*"), node.root / "genie.log") if path.is_file()]
    assert [path for path in files if path.stat().st_mode & 0o077] == []
    text = "".join(path.read_text() for path in files)
    assert found_in(text) == FOR_PLUGINS  # which DEL needs
    assert found_in((node.root / "genie.log").read_text()) == set()


def test_command_lines_and_environments(planted):
    """Command lines and environments of all that an ADD starts, as /proc shows them to every user, or to root."""
    planted.answer("ADD", "x", shell=HOLD, stdout={"ips": [{"address": "10.1.0.2/24"}]})
    running = planted.start("ADD", annotations=None, env={}).feed()
    seen = ""
    while running.process.poll() is None:
        for process in (running.process.pid, *descendants(running.process.pid)):
            for file in ("cmdline", "environ"):
                try:
                    seen += Path(f"/proc/{process}/{file}").read_text(errors="replace")
                except OSError:
                    continue
        if f"{planted.bin}/x" in seen:
            planted.release()
        time.sleep(0.02)
    assert running.wait().result
    assert f"{planted.bin}/x" in seen
    assert found_in(seen) == set()


def test_descriptors_that_plugins_inherit(planted):
    """Input, output, and the container's lock, which is theirs on purpose (locks.py): no connection, no kubeconfig."""
    planted.answer(
        "ADD", shell='ls -l /proc/$$/fd >"$home/fds.$type"', stdout={"ips": [{"address": "10.1.0.2/24"}]}
    )
    assert call(planted, "ADD").status == 0
    for type_ in "ax":
        shown = re.findall(r"(\d+) -> (.+)", (planted.root / f"fds.{type_}").read_text())
        lines = {target for fd, target in shown if not (fd == "0" and target.startswith("pipe:"))}
        shells = ("/probe", f"/{type_}", "/answers/ADD", f"/fds.{type_}")
        own = {line for line in lines if "memfd:" in line or line.endswith(shells)}
        assert len(own) >= 3
        assert lines - own == {str(planted.state / "locks" / "cid1@eth0")}


BAD_KUBECONFIGS = {
    "no YAML": f'token: "{TOKEN}\nx: [',
    "no JSON": f'{{"users": [{{"user": {{"token": "{TOKEN}",}}}}]}}',
    "half": f'{{"token": "{TOKEN}',
    "wrong types": json.dumps({"users": TOKEN, "clusters": [TOKEN], "contexts": {"x": TOKEN}}),
    "token of two lines": {"token": f"{TOKEN}\nX: {KEY}"},
    "token that is none": {"token": [TOKEN]},
    "password": {"username": "u", "password": TOKEN},
    "program": {"exec": {"command": TOKEN, "args": [KEY]}},
    "key without certificate": {"client-key-data": base64.b64encode(KEY.encode()).decode()},
    "key that is none": {
        "client-key-data": base64.b64encode(KEY.encode()).decode(),
        "client-certificate-data": base64.b64encode(KEY.encode()).decode(),
    },
    "key that is not base64": {"client-key-data": KEY, "client-certificate-data": KEY},
}


@pytest.mark.parametrize("kind", BAD_KUBECONFIGS)
def test_kubeconfigs_that_cannot_work(planted, kind):
    content = BAD_KUBECONFIGS[kind]
    if isinstance(content, str):
        (planted.root / "kubeconfig").write_text(content)
    else:
        write_kubeconfig(planted, content)
    reply = call(planted, "ADD")
    assert reply.status == 1
    assert found_in(reply.output) == set()


ADDRESSES = [
    f"https://admin:{IN_URL}@host:6443",
    f"https://host:6443/?token={IN_URL}",
    f"https://host:6443/#{IN_URL}",
    f"https://user:{IN_URL}?@host",
    f"admin:{IN_URL}@host",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_passwords_in_addresses(planted, address):
    write_kubeconfig(planted, {"token": TOKEN}, server=address)
    for options in (
        {},
        {"kubernetes": {"k8s_api_root": address}},
        {"policy": {"k8s_api_root": address, "k8s_auth_token": TOKEN}, "kubernetes": None},
    ):
        reply = call(planted, "ADD", **options)
        assert "address" in reply.error(7)["msg"]
        assert found_in(reply.output) == set()
    planted.network("b")
    assert found_in(call(planted, "ADD", annotations={"cni": ""}, cAdvisor_address=address).output) == set()


@pytest.mark.parametrize("status", [401, 403, 404, 409, 429, 500])
def test_what_the_server_says_when_it_refuses(planted, status):
    planted.server.api.script = [(status, None)] * 20
    assert found_in(call(planted, "ADD", api_timeout_seconds=0.5).output) == set()


BAD_FILES = {
    "not JSON": f'{{"name": "a", "type": "a", "password": "{FILE_PASSWORD}",}}',
    "half": f'{{"name": "a", "type": "a", "password": "{FILE_PASSWORD}',
    "no type": f'{{"name": "a", "password": "{FILE_PASSWORD}"}}',
    "wrong types": f'{{"name": "a", "type": "a", "tokens": ["x", "{FILE_PASSWORD}", 1 2], "password": {{}} }}',
    "wrong capability": f'{{"name": "a", "type": "a", "capabilities": {{"x": "{FILE_PASSWORD}"}}}}',
    "value alone": f'{{"name": "a",\n"type": "a",\n"tokens": ["x"\n"{FILE_PASSWORD}"]}}',
    "no plugins": f'{{"name": "a", "plugins": "{FILE_PASSWORD}"}}',
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_configurations_that_are_wrong(planted, kind):
    """Errors name the place, never what is there: in files, definitions and on stdin."""
    for path in planted.conf.iterdir():
        path.unlink()
    planted.file("10-a.conf", BAD_FILES[kind])
    planted.file("20-a.conflist", BAD_FILES[kind])
    planted.server.api.objects.add(manifests.nad("net", BAD_FILES[kind]))
    printed = call(planted, "ADD").output + call(planted, "ADD", annotations={"cni": "a"}).output
    printed += call(planted, "ADD", stdin=BAD_FILES[kind].encode()).output
    assert found_in(printed) == set()


# --- the command line --------------------------------------------------------------------------------------------


@pytest.fixture
def genie(planted):
    """Run the command line on that node, with a pod attached; everything it printed."""
    assert call(planted, "ADD").status == 0
    (planted.conf / CONFLIST).write_text(
        json.dumps({"cniVersion": "1.0.0", "name": "genie", "plugins": [planted.config]})
    )
    (planted.conf / "90-bad.conflist").write_text(BAD_FILES["not JSON"])
    (planted.conf / "91-bad.conf").write_text(BAD_FILES["wrong types"].replace(",", ",\n"))
    (planted.conf / "92-bad.conf").write_text(BAD_FILES["value alone"])
    environment = {**os.environ, "KUBE_TOKEN": IN_ENVIRONMENT, "KUBECONFIG": str(planted.root / "kubeconfig")}

    def run(*words):
        done = warm.run(*words, env=environment)
        assert "Traceback" not in done.stderr
        assert done.stdout, done.stderr
        return done.stdout + done.stderr

    return run


def places(node):
    return ("--conf-dir", str(node.conf), "--bin-dir", str(node.bin), "--state-dir", str(node.state))


@pytest.mark.parametrize("form", ["wide", "json"])
def test_discover(planted, genie, form):
    printed = genie(
        "discover", *places(planted), "--kubeconfig", str(planted.root / "kubeconfig"), "-o", form
    )
    assert "kubeconfig" in printed
    assert found_in(printed) == set()


def test_explain(planted, genie):
    printed = genie("explain", "pod", "ns/p", "--conf-dir", str(planted.conf), "-o", "json")
    assert NPWG in printed
    assert found_in(printed) == set()


def test_checks_of_configurations(planted, genie):
    files = sorted(str(path) for path in planted.conf.iterdir())
    assert found_in(genie("generate-config", "--check", *files, "-o", "json")) == set()


@pytest.mark.parametrize("setting", [f"etcd_password={TOKEN}", f'policy={{"k8s_auth_token": "{TOKEN}"}}'])
def test_no_secret_is_taken_from_a_command_line(tmp_path, setting):
    """Every user may read it in the list of processes, and the shell keeps it."""
    for words in (
        ("install", "--bin-dir", str(tmp_path), "--conf-dir", str(tmp_path)),
        ("generate-config", "bridge"),
    ):
        done = warm.run(*words, "--set", setting)
        assert done.returncode == 2
        assert "list of processes" in done.stderr
        assert found_in(done.stdout + done.stderr) == set()
    assert list(tmp_path.iterdir()) == []


def test_what_a_dry_run_shows_of_a_plugins_input():
    """Whatever is under a name that may mean a secret, at any depth, in any form; `-o wide` and JSON show the rest."""
    given = {
        "type": "x",
        "password": NAD_PASSWORD,
        "tokens": [TOKEN, {"value": TOKEN}],
        "kubernetes": {"auth": {"bearer": TOKEN}, "server": "https://host"},
        "list": [{"client-key-data": KEY}, {"PSK": KEY}],
        "mtu": 1400,
    }
    raw = dict.fromkeys(("stdout", "stderr", "start", "end"), "") | {
        "plugin": "x",
        "stdin": json.dumps(given),
    }
    [note] = read_notes([raw | {"environment": f"PATH=/bin\0CNI_COMMAND=ADD\0KUBE_TOKEN={IN_ENVIRONMENT}\0"}])
    assert found_in(json.dumps(note.as_json())) == set()
    assert (note.input["type"], note.input["kubernetes"]["server"], note.input["mtu"]) == (
        "x",
        "https://host",
        1400,
    )


def test_what_a_dry_run_takes_of_a_pod():
    """`kubectl apply` keeps whole pods in an annotation, environments included."""
    notes = {NPWG: "net", "kubectl.kubernetes.io/last-applied-configuration": IN_ANNOTATION}
    assert read_pod(manifests.pod(annotations=notes)).annotations == {NPWG: "net"}


# --- what is written -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extra",
    [
        {"policy": {"k8s_auth_token": TOKEN}},
        {"etcd_password": TOKEN},
        {"kubernetes": {"token": TOKEN}},
        {"nested": [{"secret": {"value": TOKEN}}]},
    ],
)
def test_a_conflist_that_holds_a_credential_is_roots_alone(tmp_path, extra):
    install(InstallOptions(bin_dir=tmp_path / "bin", conf_dir=tmp_path / "conf", extra=extra))
    assert stat.S_IMODE((tmp_path / "conf" / CONFLIST).stat().st_mode) == 0o600


def test_a_conflist_that_an_operator_closed_stays_closed(tmp_path):
    options = InstallOptions(bin_dir=tmp_path / "bin", conf_dir=tmp_path / "conf")
    install(options)
    conflist = tmp_path / "conf" / CONFLIST
    assert stat.S_IMODE(conflist.stat().st_mode) == 0o644
    conflist.chmod(0o600)
    install(options)
    assert stat.S_IMODE(conflist.stat().st_mode) == 0o600
