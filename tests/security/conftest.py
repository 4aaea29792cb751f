"""Fixtures for attacks: the installed plugin with scripted delegates, and an API server with TLS."""

from tests.contract.conftest import serve
from tests.plugin.conftest import cluster, installed, node

__all__ = ["cluster", "installed", "node", "serve"]
