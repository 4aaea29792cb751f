"""`genie status` and `genie networks` from a terminal, beside an API server over HTTP."""

import json

import pytest
from jsonschema import Draft202012Validator

from genie_cli import schemas
from genie_cli.app import main
from tests.apiserver import API, APIServer, Objects, faults
from tests.plugin.test_rights import granted
from tests.status.test_cluster import (
    HEALTHY,
    NPWG,
    STATUS,
    attached,
    attachment,
    bridge,
    daemon_set,
    node,
    pod,
)


@pytest.fixture
def genie(tmp_path, capsys):
    """`genie(objects, "status", ...)` -> (exit code, stdout, stderr, the server's API).

    The account may not list the kinds `forbidden`.
    """
    servers = []

    def run(objects, *words, forbidden=()):
        server = APIServer(API(Objects(*objects)))
        server.api.forbidden |= {("list", kind) for kind in forbidden}
        servers.append(server)
        kubeconfig = tmp_path / "kubeconfig"
        server.write_kubeconfig(kubeconfig, user={})
        code = main([*words, "--kubeconfig", str(kubeconfig)])
        out, err = capsys.readouterr()
        return code, out, err, server.api

    yield run
    for server in servers:
        server.close()


def test_the_whole_cluster_on_one_screen(genie):
    code, out, _, _ = genie(HEALTHY, "status")
    assert code == 0
    assert out.startswith("all networks work as far as the API server shows\n")
    for text in ("kube-system/genie", "1 of 1 ready", "shop/blue", "1 of 253 used", "n1"):
        assert text in out
    assert max(map(len, out.splitlines())) <= 120


def test_a_namespace_without_anything_is_not_called_good(genie):
    """Its name may be misspelt."""
    code, out, _, _ = genie(HEALTHY, "status", "-n", "shpo")
    assert code == 0
    assert out.startswith("there is no pod and no network of namespace shpo\n")
    for words in (["status", "-A"], ["networks", "-A"]):
        assert genie(HEALTHY, *words)[:2] == genie(HEALTHY, words[0])[:2]
        assert genie(HEALTHY, *words, "-n", "shop")[0] == 2


@pytest.mark.parametrize("words", [["blue"], ["shop/bleu"], ["-n", "shop", "blu"]])
def test_an_unknown_network_gets_similar_ones(genie, words):
    code, _, err, _ = genie(HEALTHY, "networks", *words)
    assert code == 3
    assert "\n  hint: did you mean shop/blue?\n" in err


def test_what_is_wrong_comes_first_and_makes_the_exit_code_1(genie):
    orphan = pod("web-1", {NPWG: "gone", STATUS: attached(("shop/gone", "10.9.0.3"))})
    code, out, _, _ = genie([*HEALTHY, orphan], "status")
    assert code == 1
    assert out.startswith("1 error\n  error: 1 pod names a network that does not exist\n")
    code, out, _, _ = genie([*HEALTHY, orphan], "status", "-o", "name")
    assert out == "shop/web-1\n"


def test_long_tables_are_cut_unless_wide(genie):
    nodes = [node(f"n{number:02}", cidr=f"10.244.{number}.0/24") for number in range(30)]
    _, out, _, _ = genie([daemon_set(), *nodes], "status")
    assert "and 10 more: -o wide shows all" in out
    _, out, _, _ = genie([daemon_set(), *nodes], "status", "-o", "wide")
    assert "n29" in out
    assert "more:" not in out


@pytest.mark.parametrize("words, kind", [(["status"], "ClusterStatus"), (["networks"], "NetworkList")])
def test_the_documents(genie, words, kind):
    code, out, _, _ = genie(HEALTHY, *words, "-o", "json")
    document = json.loads(out)
    assert (code, document["kind"]) == (0, kind)
    Draft202012Validator(json.loads(schemas.text(kind))).validate(document)


def test_one_network_with_its_pods(genie):
    code, out, _, _ = genie(HEALTHY, "networks", "blue", "-n", "shop")
    assert code == 0
    for text in ("shop/blue", "A change would concern", "Pod shop/web-0", "10.9.0.2"):
        assert text in out
    code, _, err, _ = genie(HEALTHY, "networks", "shop/green")
    assert (code, "shop/green does not exist" in err) == (3, True)


@pytest.mark.parametrize("words", [["shop/blue", "-n", "other"], ["/blue"], ["nad/shop/blue"], ["shop/"]])
def test_what_names_no_network_is_wrong_usage(genie, words):
    """With -n for another namespace it showed the network of the first one."""
    assert genie(HEALTHY, "networks", *words)[0] == 2


def test_what_could_not_be_read_is_named_and_makes_the_exit_code_5(genie):
    code, out, _, _ = genie(HEALTHY, "status", forbidden=["pods"])
    assert code == 5
    assert out.startswith("no error in what could be read\n")
    assert "no pod uses it" not in out
    assert (
        "not allow Genie to list pods in all namespaces (403): the ClusterRole genie-status of deploy/status-rbac.yaml"
        in " ".join(out.split())  # where it wraps depends on the server's port
    )
    forbidden = ["pods", "network-attachment-definitions"]
    code, out, _, _ = genie(HEALTHY, "networks", forbidden=forbidden)
    assert (code, out.partition("\n")[0]) == (5, "no network in what could be read")


def test_a_network_without_pods_in_the_namespace_that_was_read(genie, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shared = attachment("blue", bridge("10.9.0.0/24"), namespace="bank")
    _, out, _, _ = genie([*HEALTHY, shared], "networks", "-n", "bank")
    assert "no pod of namespace bank uses it" in out
    _, out, _, _ = genie(HEALTHY, "networks", "-n", "bank")
    said = "no network of namespace bank is defined, and no pod of namespace bank asks for one"
    assert " ".join(out.split()) == said


def test_waiting_in_vain_ends_with_the_time(genie):
    late = [node("n1"), daemon_set(desired=1, ready=0)]
    code, _, err, _ = genie(late, "status", "--wait", "--timeout", "100ms")
    assert code == 124
    assert "kube-system/genie: 0 of 1 ready" in err


@pytest.mark.parametrize("command", ["status", "networks"])
def test_a_server_that_does_not_answer_in_time_is_a_timeout(command, tmp_path, capsys):
    with APIServer() as server:
        server.faults = [faults.slow_headers(30)] * 9
        kubeconfig = server.write_kubeconfig(tmp_path / "kubeconfig")
        assert main([command, "--timeout", "300ms", "--kubeconfig", str(kubeconfig)]) == 124
    assert "no whole answer in time" in capsys.readouterr().err


def test_where_nothing_could_be_read_nothing_is_judged(genie):
    kinds = ["nodes", "pods", "daemonsets", "events"]
    kinds += ["network-attachment-definitions", "logicalnetworks", "physicalnetworks"]
    code, out, _, _ = genie(HEALTHY, "status", forbidden=kinds)
    assert (code, out.partition("\n")[0]) == (5, "nothing could be read")
    assert " list nodes (403)" in " ".join(out.split())  # the width of the terminal may part it


def test_it_needs_an_api_server(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    asking = (
        ["status"],
        ["networks"],
        ["policy", "list"],
        ["dry-run", "--pod", "shop/web-0"],
        ["agent", "--once"],
    )
    for words in (*asking, ["sync", "pod", "shop/web-0", "--dry-run"]):
        assert main(words) == 2, words
        err = capsys.readouterr().err
        assert "no API server is known" in err
        assert f"\n  $KUBECONFIG names {tmp_path}/none, which does not exist\n" in err
    monkeypatch.delenv("KUBECONFIG")
    main(["status"])
    assert f"$KUBECONFIG is not set, and there is no {tmp_path}/.kube/config\n" in capsys.readouterr().err
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "empty"))
    (tmp_path / "empty").write_text("{}")
    main(["status"])
    assert f"{tmp_path}/empty names no server\n  hint: " in capsys.readouterr().err


def test_a_kubeconfig_that_is_no_file(capsys, tmp_path):
    assert main(["status", "--kubeconfig", str(tmp_path / "none")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err
    assert main(["status", "--kubeconfig", str(tmp_path)]) == 1
    assert f"kubeconfig {tmp_path}: it is a directory\n  hint: name the file in it" in capsys.readouterr().err


def test_the_cluster_role_is_what_is_asked(genie):
    """deploy/status-rbac.yaml, no more and no fewer."""
    asked = set()
    for words in (["status", "--wait"], ["networks"]):
        asked |= {_rule(request) for request in genie(HEALTHY, *words)[3].requests}
    assert asked == granted("status-rbac.yaml")


def _rule(request):
    path = request.target.partition("?")[0]
    return path.split("/")[2] if path.startswith("/apis/") else "", path.rpartition("/")[2], "list"


def test_pods_are_read_page_by_page(genie):
    fat = {"kubectl.kubernetes.io/last-applied-configuration": "x" * 10_000}
    pods = [pod(f"p{number:05}", {**fat, "cni": "weave"}, ip="10.244.0.2") for number in range(600)]
    code, out, _, api = genie([*HEALTHY, *pods], "status", "-o", "json")
    assert code == 0
    assert json.loads(out)["pods"]["total"] == 603
    pages = [one.target for one in api.requests if one.target.startswith("/api/v1/pods?")]
    assert len(pages) == 3


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("networks",),
        ("networks", "shop/blue"),
        ("policy", "list", "-A"),
        ("explain", "pod", "shop/a"),
    ],
)
def test_a_server_without_nodes_and_pods_is_no_api_server(command, tmp_path, capsys):
    """A wrong path in the kubeconfig, or a proxy: 404 to everything does not mean that nothing is there."""
    with APIServer(API(Objects(*HEALTHY))) as server:
        kubeconfig = server.write_kubeconfig(tmp_path / "kubeconfig", server=f"{server.url}/clusters/absent")
        assert main([*command, "--kubeconfig", str(kubeconfig)]) != 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "is no API server" in shown.err
    assert f"see that kubeconfig {kubeconfig} names the API server's whole address" in shown.err
