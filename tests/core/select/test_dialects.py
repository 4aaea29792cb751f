"""What is imported by name exists: the modules of the dialects and of the verbs."""

from importlib import import_module
from inspect import signature

import pytest

from genie_core.dialects import DIALECTS
from genie_core.spec.request import VERBS


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.module)
def test_a_dialect_has_its_module(dialect):
    module = import_module(f"genie_core.select.{dialect.module}")
    assert len(signature(module.choose).parameters) == 2
    if not dialect.blank:
        assert len(signature(module.selections).parameters) == 2


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_its_module(verb):
    module = import_module(f"genie_core.verbs.{VERBS[verb].module}")
    assert [*signature(module.run).parameters] == ["request", "context"]
