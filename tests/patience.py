"""Waiting for what another process or thread does in its own time."""

import time


def wait_until(condition, seconds=100):
    """Until the condition holds; an assertion that fails when it has not come to that in time."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, f"it did not come to that within {seconds} s"
        time.sleep(0.02)
