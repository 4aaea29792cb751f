"""`genie discover` and the server."""

import json
import signal

from tests import warm


def discovered(server):
    """The row of the text, without its name, and the member of the document."""
    words = ["discover", "--no-api", "--no-probes", "--bin-dir", server.root / "bin"]
    words += ["--conf-dir", server.root / "net.d"]
    text, report = (warm.run(*words, *form, cwd="/").stdout for form in ([], ["-o", "json"]))
    row = " ".join(
        text.partition("\n  calls ")[2].partition("\n  default network")[0].split()
    )  # it may be wrapped
    return row, json.loads(report)["genie"]["calls"]


def test_which_way_calls_go(server, own_node):
    assert discovered(server)[0] == "each starts Python: genie serve does not run"
    server.start()
    assert own_node.call("VERSION").result
    line, calls = discovered(server)
    assert line == "by genie serve: 1 served, 0 started Python"
    assert calls["serverRuns"]
    server.kill(signal.SIGTERM)
    assert own_node.call("VERSION").result
    line, calls = discovered(server)
    assert line == "each starts Python: genie serve does not run: 1 served, 1 started Python (1 no server)"
    assert (calls["serverRuns"], calls["served"], calls["noServer"]) == (False, 1, 1)
    server.install(serve=False)
    assert discovered(server) == ("", None)
