"""The plugin's part of the package is found by reading imports as text: that is what the syntax trees say, too."""

import ast

from genie_core.tasks.install import payload


def imports(node):
    """The package's files that statements import, but for types. A form of import that is not searched fails."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            assert not [one.name for one in child.names if one.name.split(".")[0] == "genie_core"]
        if isinstance(child, ast.ImportFrom):
            assert not child.level
            if child.module and child.module.split(".")[0] == "genie_core":
                base = payload.ROOT.parent.joinpath(*child.module.split("."))
                yield from payload._files_of(base)
                for name in child.names:
                    yield from payload._files_of(base / name.name)
        if not isinstance(child, ast.expr):
            yield from imports(child)


def test_no_import_is_overlooked_and_none_is_added_to_the_plugin():
    of_plugin = set(payload.plugin_files().values())
    modules = sorted(payload.ROOT.rglob("*.py"))
    assert len(modules) > 300
    for path in modules:
        found, right = set(payload._imports(path)), set(imports(ast.parse(path.read_text())))
        assert right <= found, path
        assert path not in of_plugin or right == found, path  # others may have a text that shows one
