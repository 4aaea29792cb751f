"""Waiting for what another process or thread does in its own time."""

import time


def wait_until(condition, seconds=100, said=lambda: ""):
    """Until the condition holds; where it does not in time, an assertion fails with what was `said` meanwhile."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"it did not come to that within {seconds} s. {said()}"
        time.sleep(0.02)
