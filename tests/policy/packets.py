"""Real packets against the reference: one generated cluster after the other, on the same wires."""

from random import Random

from genie_core.policy.cluster import Cluster
from genie_core.policy.compile import compile_node
from tests.policy import reference
from tests.policy.generated import PORTS, world
from tests.policy.journeys import verdict

KINDS = (
    [("TCP", number) for number in PORTS]
    + [("UDP", number) for number in PORTS]
    + [("SCTP", 81), ("ICMP", 0)]
)


def compare(lab, seed, most):
    """(checked, differences) of one cluster: the reference, the compiled rules, and what packets do."""
    random = Random(seed)
    made = world(random)
    made.sandboxes = lab.sandboxes
    ruleset = compile_node(Cluster(made.documents()), "n1")
    lab.load(ruleset.as_json())
    cases = some_cases(random, made, most)
    wanted = [reference.allowed(made, *case) for case in cases]
    meant = [verdict(ruleset, *case) for case in cases]
    came = lab.verdicts(cases, sum(wanted))
    return len(cases), [
        {"seed": seed, "case": [case[0][1:], case[1][1:], *case[2:]], "wanted": a, "compiled": b, "packet": c}
        for case, a, b, c in zip(cases, wanted, meant, came, strict=True)
        if not a == b == c
    ]


def some_cases(random, made, most):
    """Cases between different pods, in one family; of those that the policies are about more than of others."""
    ends = made.ends()
    pairs = [(a, b) for a in ends for b in ends if a[0] is not b[0] and (":" in a[2]) == (":" in b[2])]
    return [(*pair, *random.choice(KINDS)) for pair in random.sample(pairs, min(most, len(pairs)))]
