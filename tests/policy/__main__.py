"""The long form: `python -m tests.policy [--clusters N] [--seed N]`, as root. Exit code 1 for differences."""

import argparse
import json
import sys
import time
from random import Random

from tests import own_node

CASES = 250


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clusters", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1000)
    options = parser.parse_args()
    own_node.enter()
    from tests.policy.generated import world
    from tests.policy.lab import Lab, warm_up
    from tests.policy.packets import compare

    started, lab, checked, wrong = time.monotonic(), Lab(), 0, []
    try:
        warm_up(lab, world(Random(0)))
        for seed in range(options.seed, options.seed + options.clusters):
            count, found = compare(lab, seed, CASES)
            checked += count
            wrong += found
    finally:
        lab.close()
    for one in wrong:
        print(json.dumps(one))
    seconds = time.monotonic() - started
    print(f"{checked} cases in {options.clusters} clusters, {len(wrong)} differences, {seconds:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
