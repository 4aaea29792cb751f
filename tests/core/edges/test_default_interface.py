"""The node's default interface, which CNI-Genie guessed with `route | grep` (conformance X35)."""

import sys

from tests.test_lint import ROOT

QUESTION = "from genie_core.edges.routes import default_interface; print(default_interface())"


def answer(namespace):
    return namespace.run("env", f"PYTHONPATH={ROOT}", sys.executable, "-c", QUESTION).stdout.rstrip("\n")


def test_x35_of_several_default_routes_the_one_with_the_lowest_metric(netns):
    namespace = netns()
    assert answer(namespace) == ""
    for number, link in enumerate(("gt-slow", "gt-fast", "gt-other"), 1):
        namespace.run("ip", "link", "add", link, "type", "bridge")
        namespace.run("ip", "address", "add", f"10.99.{number}.1/24", "dev", link)
        namespace.run("ip", "link", "set", link, "up")
    namespace.run("ip", "route", "add", "0.0.0.0/1", "dev", "gt-other")
    assert answer(namespace) == ""
    namespace.run("ip", "route", "add", "default", "dev", "gt-slow", "metric", "200")
    assert answer(namespace) == "gt-slow"
    namespace.run("ip", "route", "add", "default", "dev", "gt-fast", "metric", "100")
    assert answer(namespace) == "gt-fast"
