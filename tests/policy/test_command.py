"""`genie policy`: what it prints from files, and that each document keeps its schema."""

import io
import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from genie_cli import schemas, terminal
from genie_cli.app import main
from genie_core.policy.cluster import Cluster
from genie_core.policy.selectors import ALL, read_selector
from tests.policy.generated import attachment

POLICY_FOR = "k8s.v1.cni.cncf.io/policy-for"


def policy(name="web", networks="one", **spec):
    metadata = {"namespace": "shop", "name": name, "annotations": {POLICY_FOR: networks}}
    return {"kind": "MultiNetworkPolicy", "metadata": metadata, "spec": {"podSelector": {}, **spec}}


def pod(index, **labels):
    return {"kind": "Pod", "metadata": {"namespace": "shop", "name": f"pod{index}", "labels": labels}}


DEFINITION = {"kind": "NetworkAttachmentDefinition", "metadata": {"namespace": "shop", "name": "one"}}
OPEN = [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 80}]}]


def objects(*policies, networks=("shop/one", "shop/one")):
    items = [
        attachment(index, network, 1) | {"network": "shop/one"} for index, network in enumerate(networks)
    ]
    return [
        pod(0, app="web"), pod(1, app="db"), DEFINITION, *policies,
        {"kind": "AttachmentList", "node": "n1", "items": items},
    ]  # fmt: skip


@pytest.fixture
def genie(tmp_path, capsys, monkeypatch):
    """Run `genie policy` on objects; (exit code, text, or a document that keeps its schema)."""

    def run(line, documents, *, kind=""):
        file = tmp_path / "objects.yaml"
        file.write_text(yaml.safe_dump_all(documents))
        argv = ["policy", *line.split(), "--objects-file", str(file), *(["-o", "json"] if kind else [])]
        code = main(argv)
        text = capsys.readouterr().out
        if not kind:
            return code, text
        document = json.loads(text)
        assert document["kind"] == kind
        Draft202012Validator(json.loads(schemas.text(kind))).validate(document)
        return code, document

    return run


def test_render_prints_the_hosts_text_byte_for_byte(genie):
    documents = objects(policy(ingress=OPEN))
    code, text = genie("render", documents)
    assert (code, genie("render", documents, kind="PolicyRuleset")[1]["host"]) == (0, text)
    assert "allow MultiNetworkPolicy shop/web ingress[0]" in text
    assert "table bridge genie_policy {" in text


def test_render_takes_stdin_and_lists(genie, monkeypatch, capsys):
    _, text = genie("render", objects(policy(ingress=OPEN)))
    document = {"kind": "List", "items": objects(policy(ingress=OPEN))}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(document)))
    assert main(["policy", "render", "--objects-file", "-", "--node", "n1"]) == 0
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("text", ["", "kind: Config\n", "kind: Deployment\nmetadata: {name: web}\n"])
def test_a_file_with_nothing_about_policies_is_not_a_cluster_without_policies(tmp_path, capsys, text):
    (tmp_path / "wrong.yaml").write_text(text)
    for words in (["list"], ["render"], ["explain", "shop/web"]):
        assert main(["policy", *words, "--objects-file", str(tmp_path / "wrong.yaml")]) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "wrong.yaml: there is no object in it that policies depend on" in shown.err


def test_quiet_prints_no_rules(genie):
    before = terminal.current.get()
    try:
        assert genie("render -q", objects(policy(ingress=OPEN))) == (0, "")
    finally:
        terminal.current.set(before)


def test_render_of_another_node_has_nothing(genie):
    assert genie("render --node n2", objects(policy(ingress=OPEN))) == (0, "")


def test_no_policy_no_rules(genie):
    assert genie("render", objects()) == (0, "")


def test_pods_rules_and_sysctls(genie):
    _, document = genie("render", objects(policy(), networks=("shop/one", "bank/two")), kind="PolicyRuleset")
    assert [(one["name"], one["containerID"], one["netns"]) for one in document["pods"]] == [
        ("pod1", "c1", "/run/netns/pod1")
    ]
    assert document["pods"][0]["text"].startswith("table inet genie_policy\ndelete table")
    assert document["sysctls"] == {
        "net.bridge.bridge-nf-call-ip6tables": "1",
        "net.bridge.bridge-nf-call-iptables": "1",
    }


@pytest.mark.parametrize("keys", [{"vlan": 100}, {"vlanTrunk": [{"id": 100}]}])
def test_packets_with_a_vlan_tag_are_to_be_seen(genie, keys):
    """The kernel keeps those that a bridge forwards with a tag, as to and from its trunk, from the rules otherwise."""
    documents = objects(policy())
    documents[-1]["items"][1]["config"] |= keys
    _, document = genie("render", documents, kind="PolicyRuleset")
    assert document["sysctls"]["net.bridge.bridge-nf-filter-vlan-tagged"] == "1"


def test_in_a_pod_an_interface_in_a_vrf_is_known_too(genie):
    """There the interface by which a packet came in is the VRF's device, and the pod's own is its slave."""
    _, document = genie("render", objects(policy(), networks=("shop/one", "bank/two")), kind="PolicyRuleset")
    (own,) = document["pods"]
    chains = own["text"].split("  chain ")
    (into,) = [chain for chain in chains if chain.startswith("input {")]
    assert "meta sdifname vmap @ingress_if" in into
    assert "sdifname" not in document["host"]


def reasons(document):
    return [(one["policy"]["name"], one["reason"]) for one in document["findings"]]


@pytest.mark.parametrize(
    "made, reason, words",
    [
        (policy(networks="two"), "UnknownNetwork", "shop/two does not exist"),
        (policy(networks="a/b/c"), "Unreadable", "'a/b/c' names no network"),
        (policy(podSelector={"matchLabels": {"app": "none"}}), "SelectsNothing", "no network of any pod"),
        (policy(policyTypes=["ingress"]), "Unreadable", "spec.policyTypes[0]"),
        (policy(ingress=[{"from": [{"ipBlock": {"cidr": "10.1.0.0/33"}}]}]), "Unreadable", "from[0].ipBlock.cidr"),
        (policy(ingress=[{"ports": [{"port": 90, "endPort": 80}]}]), "Unreadable", "ingress[0].ports[0].endPort"),
        (policy(ingress=[{"form": []}]), "Unreadable", "spec.ingress[0]: 'form'"),
        (policy(ingress=[{"from": [{}]}]), "Unreadable", "spec.ingress[0].from[0] names no peer"),
        (policy(podSelector={"matchExpressions": [{"key": "a", "operator": "in"}]}), "Unreadable", "[0].operator"),
        (policy(podSelector={"matchLabels": {"app": None}}), "Unreadable", "matchLabels.app must be a string"),
    ],
)  # fmt: skip
def test_findings(genie, made, reason, words):
    code, document = genie("render", objects(made), kind="PolicyRuleset")
    assert code == 1
    assert reason in [found for _, found in reasons(document)]
    assert words in document["findings"][0]["message"]


def test_a_form_that_selects_nothing_is_a_finding(genie):
    red = {"kind": "Logicalnetwork", "metadata": {"namespace": "shop", "name": "red"}}
    for text in ("[]", '[{"networkSelector": "red", "peerNetworks": "red"}]'):
        metadata = {"namespace": "shop", "name": "form", "annotations": {"genieNetworkPolicy": text}}
        form = {"kind": "NetworkPolicy", "metadata": metadata, "spec": {"podSelector": {}}}
        code, document = genie("render", objects(red, form), kind="PolicyRuleset")
        assert (code, reasons(document)) == (1, [("form", "SelectsNothing")])


def test_blanks_in_a_list_of_networks(genie):
    made = [genie("render", objects(policy(networks=text))) for text in ("one", " shop / one , ")]
    assert made[0] == made[1]
    assert made[0][1]


def test_an_unreadable_rule_allows_nothing_and_isolates(genie):
    broken = policy(
        ingress=[{"from": [{"podSelector": {}}], "ports": [{"port": "http", "protocol": "HTTP"}]}]
    )
    _, document = genie("render", objects(broken), kind="PolicyRuleset")
    assert "allow" not in document["host"]
    assert "deny MultiNetworkPolicy shop/web" in document["host"]


@pytest.mark.parametrize("cidr", ["10.1.0.0/0.0.0.0", "10.1.0.0/0.0.255.255", "10.1.0.0/", "10.1.0.0/-1"])
def test_a_block_with_a_mask_allows_nothing(genie, cidr):
    code, document = genie(
        "render", objects(policy(ingress=[{"from": [{"ipBlock": {"cidr": cidr}}]}])), kind="PolicyRuleset"
    )
    assert (code, reasons(document)) == (1, [("web", "Unreadable")])
    assert "allow" not in document["host"]


def test_an_unreadable_selector_isolates_the_namespace_in_both_directions(genie):
    broken = policy(podSelector={"matchLabels": []}, ingress=[{}])
    _, document = genie("render", objects(broken), kind="PolicyRuleset")
    assert "chain ingress_" in document["host"]
    assert "chain egress_" in document["host"]
    assert "allow" not in document["host"]


def test_an_attachment_that_cannot_be_enforced_is_reported(genie):
    documents = objects(policy())
    documents[-1]["items"][0] |= {"config": {"type": "userspace"}, "result": {"interfaces": []}}
    code, document = genie("render", documents, kind="PolicyRuleset")
    assert code == 1
    assert document["notEnforced"] == [
        {
            "namespace": "shop",
            "name": "pod0",
            "network": "shop/one",
            "interface": "net1",
            "reason": "its packets do not pass the kernel (DPDK or a datapath of its own)",
        }
    ]
    assert reasons(document) == [("web", "NotEnforced")]
    _, listed = genie("list", documents, kind="PolicyList")
    assert [one["enforced"] for one in listed["policies"][0]["pods"]] == ["no", "host"]


def test_the_rules_as_text_come_with_what_they_lack(tmp_path, capsys):
    """The exit code was 1, and nothing said why."""
    documents = objects(policy())
    documents[-1]["items"][0] |= {"config": {"type": "userspace"}, "result": {"interfaces": []}}
    (tmp_path / "objects.yaml").write_text(yaml.safe_dump_all(documents))
    assert main(["policy", "render", "--objects-file", str(tmp_path / "objects.yaml")]) == 1
    assert "warning: shop/web: NotEnforced: " in capsys.readouterr().err


def test_an_empty_list_names_the_namespace_that_was_looked_at(genie):
    """Without -A it is the context's, and "no policies" would be taken for the cluster's answer."""
    said = "there are no policies between networks in namespace bank; -A lists those of all\n"
    assert genie("list -n bank", objects(policy(ingress=OPEN))) == (0, said)


def test_a_plugin_that_is_not_known_is_enforced_in_the_pod(genie):
    documents = objects(policy())
    documents[-1]["items"][0]["config"] = {"type": "something-new"}
    code, document = genie("render", documents, kind="PolicyRuleset")
    assert (code, [one["name"] for one in document["pods"]]) == (0, ["pod0"])


@pytest.mark.parametrize("kind", ["containers", "initContainers", "ephemeralContainers"])
def test_a_container_that_can_remove_its_rules_is_reported(genie, kind):
    documents = objects(policy(), networks=("shop/one", "bank/two"))
    documents[1]["spec"] = {kind: [{"securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}}]}
    code, document = genie("render", documents, kind="PolicyRuleset")
    assert (code, reasons(document)) == (1, [("web", "PodCanUndo")])


def test_a_pod_that_is_not_known_gets_nothing_through(genie):
    documents = objects(policy(ingress=[{}]))
    del documents[0]
    _, document = genie("render", documents, kind="PolicyRuleset")
    assert '"br1" . 10.77.1.10 : jump egress_' in document["host"]


def test_a_static_pod_has_the_uid_of_its_manifest(genie):
    """The runtime gets the manifest's hash, and the object on the API server has a UID of its own."""
    documents = objects(policy(ingress=[{}]))
    meta = documents[0]["metadata"]
    meta |= {"uid": "mirror", "annotations": {"kubernetes.io/config.hash": "uid0"}}
    _, document = genie("render", documents, kind="PolicyRuleset")
    assert '"br1" . 10.77.1.10 : jump egress_' not in document["host"]
    meta["annotations"] = {}
    _, document = genie("render", documents, kind="PolicyRuleset")
    assert '"br1" . 10.77.1.10 : jump egress_' in document["host"]


def test_list(genie):
    code, text = genie("list", objects(policy(ingress=OPEN)))
    assert code == 0
    assert "shop/web" in text
    assert "on the host" in text


@pytest.mark.parametrize(
    "line, verdict",
    [
        ("shop/pod1 --from shop/pod0 --to :80", "allow"),
        ("shop/pod0 --to shop/pod1:80/TCP", "allow"),
        ("shop/pod0 --to shop/pod1:81", "deny"),
        ("shop/pod0 --to shop/pod1", "deny"),
        ("shop/pod0 --to 10.77.1.11:80/UDP", "deny"),
        ("shop/pod1 --from 192.0.2.1", "deny"),
        ("shop/pod1 --to 192.0.2.1", "allow"),
        ("shop/pod1", "deny"),
    ],
)
def test_explain(genie, line, verdict):
    code, document = genie(f"explain {line}", objects(policy(ingress=OPEN)), kind="PolicyVerdict")
    assert (code, document["verdict"]) == (0, verdict)


def test_explain_lists_the_names_of_the_policies(genie):
    """The forms that --help offers are given."""
    assert genie("explain shop/pod1 -o name", objects(policy(ingress=OPEN))) == (
        0,
        "MultiNetworkPolicy/shop/web\n",
    )


@pytest.mark.parametrize("line", ["--to pod0:80", "--from pod0 --to :80", "--from pod/shop/pod0 --to :80"])
def test_explain_takes_a_pods_name_from_the_namespace_of_the_pod(genie, line):
    """As `genie trace` does."""
    _, document = genie(f"explain shop/pod1 {line}", objects(policy()), kind="PolicyVerdict")
    assert "shop/pod0" in (document["from"], document["to"])


def test_explain_begins_with_the_verdict_where_there_are_no_rules(genie):
    _, text = genie("explain shop/pod1 --to 192.0.2.1", objects())
    assert text.startswith("shop/pod1 to 192.0.2.1")


def test_explain_says_that_a_pod_has_no_address(genie):
    """It is no pod of another family, and no wrong usage."""
    bare = {"kind": "Pod", "metadata": {"name": "bare", "namespace": "shop"}, "spec": {"nodeName": "n2"}}
    assert genie("explain shop/pod1 --to shop/bare:80", [*objects(policy()), bare])[0] == 3


def test_explain_names_the_rule(genie):
    _, document = genie(
        "explain shop/pod1 --from shop/pod0 --to :80", objects(policy(ingress=OPEN)), kind="PolicyVerdict"
    )
    found = {(rule["action"], rule["rule"], rule["matched"]) for rule in document["rules"]}
    assert found == {("allow", "ingress[0]", True), ("deny", "", False)}
    _, text = genie("explain shop/pod1 --from shop/pod0 --to :81", objects(policy(ingress=OPEN)))
    assert "shop/web denies 10.77.1.10 to 10.77.1.11" in " ".join(text.split())


@pytest.mark.parametrize(
    "line, code",
    [
        ("shop/none", 3),
        ("shop/pod1 --from 192.0.2.1 --to [fd77:2::b]:80", 2),
        ("shop/pod0 --to shop/pod1:http", 2),
        ("shop/pod0 --from shop/pod1 --to shop/pod1:1", 2),
    ],
)
def test_explain_refuses(genie, line, code):
    assert genie(f"explain {line}", objects(policy()))[0] == code


def test_files_that_cannot_be_read(tmp_path, capsys):
    assert main(["policy", "render", "--objects-file", str(tmp_path / "none.yaml")]) == 2
    bad = tmp_path / "bad.yaml"
    bad.write_text("kind: AttachmentList\nnode: n1\nitems: [{namespace: shop}]\n")
    assert main(["policy", "list", "--objects-file", str(bad)]) == 2
    assert "items[0].name is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["fe80::1%eth0", "fe80::1%x } drop; add rule inet genie_policy forward accept #"]
)
def test_an_address_with_a_zone_gets_into_no_rule(genie, text):
    """Otherwise an account that may write a pod's status could write rules."""
    far = pod(7, app="web")
    entries = [{"name": "shop/one", "interface": "net1", "ips": [text, "10.77.1.99"]}]
    far["metadata"]["annotations"] = {"k8s.v1.cni.cncf.io/network-status": json.dumps(entries)}
    blocks = [{"from": [{"ipBlock": {"cidr": f"{text}/64"}}]}]
    _, document = genie(
        "render", [*objects(policy(ingress=OPEN), policy("b", ingress=blocks)), far], kind="PolicyRuleset"
    )
    assert "%" not in document["host"]
    assert "10.77.1.99" in document["host"]


@pytest.mark.parametrize("where", ["result", "interface"])
def test_names_of_interfaces_get_into_no_rule_either(genie, where):
    documents = objects(policy())
    item = documents[-1]["items"][0]
    if where == "result":
        item["result"]["interfaces"][1]["name"] = 'x"; drop'
    else:
        item |= {"interface": 'x"; drop', "config": {"type": "macvlan"}}
    code, document = genie("render", documents, kind="PolicyRuleset")
    assert (code, [one["name"] for one in document["notEnforced"]]) == (1, ["pod0"])
    assert 'x"' not in document["host"] + "".join(one["text"] for one in document["pods"])


@pytest.mark.parametrize("name", ['x" drop\nadd table inet evil #', "x\\", "\u00e4\x1b[0m"])
def test_the_name_of_a_policy_is_no_rule(genie, name):
    """A file can have any name; each comment stays one string on its line."""
    _, document = genie("render", objects(policy(name, ingress=OPEN)), kind="PolicyRuleset")
    comments = [line.partition('comment "')[2] for line in document["host"].splitlines()]
    assert {text.count('"') for text in comments if text} == {1}
    assert name not in document["host"]
    assert document["host"].isascii()
    assert "\\" not in document["host"]


@pytest.mark.parametrize(
    "operator, values, names",
    [("NotIn", ["evil"], {"old"}), ("DoesNotExist", [], {"old"}), ("Exists", [], set())],
)
def test_a_namespace_that_is_not_known_yet_lacks_no_label(operator, values, names):
    """Its pods may be known before it: they were peers as if it had no labels."""
    old = {"kind": "Namespace", "metadata": {"name": "old"}}
    pods = [{"kind": "Pod", "metadata": {"namespace": name, "name": "p"}} for name in ("old", "new")]
    expression = {"key": "team", "operator": operator, **({"values": values} if values else {})}
    selector = read_selector({"s": {"matchExpressions": [expression]}}, "s", "") or ALL
    found = Cluster([old, *pods])
    assert found.spaces(selector) == names
    assert found.spaces(ALL) == {"old", "new"}
    named = read_selector({"s": {"matchLabels": {"kubernetes.io/metadata.name": "new"}}}, "s", "") or ALL
    assert found.spaces(named) == {"new"}
