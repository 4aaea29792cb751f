"""deploy/policy-admission.yaml: who may write the addresses that policies between networks believe."""

from pathlib import Path

import pytest
import yaml

from tests import manifests
from tests.deploy.cel import policy_problems

FILE = Path(__file__).parents[2] / "deploy/policy-admission.yaml"
POLICY, BINDING = yaml.safe_load_all(FILE.read_text())
STATUS = "k8s.v1.cni.cncf.io/network-status"
FORGED = {STATUS: '[{"name": "shop/storage", "ips": ["10.5.0.9"]}]'}


def problems(new, old=None):
    request = {"operation": "CREATE" if old is None else "UPDATE"}
    before = None if old is None else manifests.pod(old)
    return policy_problems(POLICY, object=manifests.pod(new), oldObject=before, request=request)


@pytest.mark.parametrize(
    "new, old",
    [({}, None), ({"cni": "bridge"}, None), ({}, {}), (FORGED, FORGED), ({**FORGED, "a": "b"}, FORGED)],
)
def test_pods_as_users_write_them(new, old):
    assert problems(new, old) == []


@pytest.mark.parametrize("new, old", [(FORGED, None), (FORGED, {}), ({}, FORGED), ({STATUS: "[]"}, FORGED)])
def test_a_status_that_a_user_writes_is_refused(new, old):
    (message,) = problems(new, old)
    assert f"{STATUS} is written by the node of a pod" in message


def test_nodes_write_it_through_the_status():
    (rule,) = POLICY["spec"]["matchConstraints"]["resourceRules"]
    assert rule["resources"] == ["pods"]
    assert BINDING["spec"] == {"policyName": POLICY["metadata"]["name"], "validationActions": ["Deny"]}
