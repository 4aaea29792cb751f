"""Compile the native launcher before a wheel or an editable installation is made, where there is a compiler."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class NativeLauncher(BuildHookInterface[Any]):
    """What hatchling calls first."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; without a compiler the wheel has no program, and Genie works without it."""
        file = Path(self.root, "genie_core/native/__init__.py")
        spec = spec_from_file_location("native", file)
        assert spec is not None
        assert spec.loader is not None
        native = module_from_spec(spec)
        spec.loader.exec_module(native)
        if problem := native.build():
            sys.stderr.write(f"no native launcher: {problem}\n")
