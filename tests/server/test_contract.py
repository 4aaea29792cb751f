"""Calls through the launcher and the server are the same calls: tests of the plugin, run again with `node` being such.

The tests are those of tests/plugin that say most about a call: its environment, input, errors, order and undoing.
"""

# ruff: noqa: F403
from tests.plugin.test_environment import *
from tests.plugin.test_errors import *
from tests.plugin.test_rollback import *
from tests.plugin.test_stdin import *
