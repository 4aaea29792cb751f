"""What the kubelet path knows of plugin types is about types that the catalogue has."""

import pytest

from genie_core.catalog import PLUGINS, of_type
from genie_core.plugin_types import TYPES, PluginType


@pytest.mark.parametrize("name", TYPES)
def test_each_type_is_in_the_catalogue(name):
    assert of_type(name) or name in PLUGINS
    assert vars(TYPES[name]).keys() <= vars(PluginType).keys()
