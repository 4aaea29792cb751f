"""`genie dry-run --policy`: real packets between two pods of a private node, before a policy is applied."""

import json
import os

import pytest
import yaml

from genie_cli.app import main
from tests.policy.test_command import policy

BRIDGE = {"type": "bridge", "bridge": "br9", "isGateway": True}
MACVLAN = {"type": "macvlan", "master": "eth0"}


@pytest.mark.root
@pytest.mark.parametrize("plugin", [BRIDGE, MACVLAN], ids=["bridge", "macvlan"])
def test_a_policy_is_tried_between_two_pods(plugin, tmp_path, capsys, cni_bin):
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24"}]]}
    conf = {"cniVersion": "1.0.0", "name": "sea", "plugins": [{**plugin, "ipam": ipam}]}
    (tmp_path / "10-sea.conflist").write_text(json.dumps(conf))
    peers = [{"podSelector": {"matchLabels": {"app": "web"}}}]
    made = policy(
        "db", "cni/sea", podSelector={"matchLabels": {"app": "db"}},
        ingress=[{"from": peers, "ports": [{"port": 5432}, {"port": 53, "protocol": "UDP"}]}],
    )  # fmt: skip
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(made))
    words = ["dry-run", "--cni", "sea", "--conf-dir", str(tmp_path), "--bin-dir", str(cni_bin)]
    code = main([*words, "--policy", str(tmp_path / "policy.yaml"), "-o", "json"])
    document = json.loads(capsys.readouterr().out)
    assert code == 0, document
    found = {
        (one["from"], one["port"], one["protocol"]): (one["verdict"], one["policy"])
        for one in document["policies"]
    }
    db, web = "10.9.0.2", "10.9.0.3"
    assert found == {
        (web, 5432, "TCP"): ("allow", "shop/db"),
        (web, 53, "UDP"): ("allow", "shop/db"),
        (web, 9, "TCP"): ("deny", "shop/db"),
        (db, 5432, "TCP"): ("allow", ""),
        (db, 53, "UDP"): ("allow", ""),
        (db, 9, "TCP"): ("allow", ""),
    }


def test_a_file_without_a_policy(tmp_path, capsys):
    (tmp_path / "policy.yaml").write_text("kind: Pod\n")
    assert main(["dry-run", "--policy", str(tmp_path / "policy.yaml")]) == 2
    assert "no MultiNetworkPolicy" in capsys.readouterr().err


@pytest.mark.root
def test_rules_that_cannot_be_loaded_are_an_error(tmp_path, capsys, cni_bin, monkeypatch):
    """The program nft fails: nothing was tried."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24"}]]}
    conf = {"cniVersion": "1.0.0", "name": "sea", "plugins": [{**BRIDGE, "ipam": ipam}]}
    (tmp_path / "10-sea.conflist").write_text(json.dumps(conf))
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(policy("db", "cni/sea", ingress=["none"])))
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "nft").write_text("#!/bin/sh\nexit 1\n")
    (programs / "nft").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    words = ["dry-run", "--cni", "sea", "--conf-dir", str(tmp_path), "--bin-dir", str(cni_bin)]
    assert main([*words, "--policy", str(tmp_path / "policy.yaml")]) == 1
    assert "the policies cannot be tried: nft failed" in capsys.readouterr().err
