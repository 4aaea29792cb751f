"""What the agent makes of a sync's report."""

import json

import pytest

from genie_core.errors import InvalidConfig
from genie_core.tasks.agent.children import Ended
from genie_core.tasks.agent.outcome import read
from genie_core.tasks.agent.queue import RunOutcome
from genie_core.tasks.sync.report import SyncReport, Target


@pytest.mark.parametrize(
    "container, outcome, status", [("c1", RunOutcome.PARK, "refused"), ("", RunOutcome.RETRY, "absent")]
)
def test_a_pod_that_ends_while_it_is_looked_at_is_no_refusal(container, outcome, status):
    """Its DEL has removed the state: there is nothing to bring in line."""
    target = Target(namespace="ns", name="p", container=container)
    report = SyncReport(target=target, status="refused", error=InvalidConfig("pod ns/p is terminating"))
    found = read(Ended(code=1, out=json.dumps(report.as_json()), err="", seconds=0.1))
    assert (found.outcome, found.status) == (outcome, status)
    assert bool(found.counts) is bool(container)
