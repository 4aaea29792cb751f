"""Draws docs/architecture.svg from the import contracts in pyproject.toml (`make generated`).

One row per layer of the contract "layers", the highest first; a row's modules do not import each other. What the
contract "kubelet-path" forbids is drawn as the operator's side, what "pure-rules" names as rules. The words are each
module's own: the first sentence of its docstring.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDTH, MARGIN, ROW, GAP = 1000, 20, 46, 8
TOP = 64
LETTERS = 6.4  # pixels that a letter of the small font takes
KINDS = {
    "operator": "operator's side: any library",
    "kubelet": "kubelet path: standard library only, milliseconds counted",
    "rules": "rules: pure, no input or output",
}
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #222 }
.name { font: bold 14px ui-monospace, monospace }
.operator { fill: #dbe9fb; stroke: #5b84b8 }
.kubelet { fill: #fde6cf; stroke: #c07c33 }
.rules { fill: #dff2dd; stroke: #5c9a58 }
.arrow { stroke: #777; stroke-width: 2; fill: none }
@media (prefers-color-scheme: dark) {
  text { fill: #eee }
  .operator { fill: #1f3350 } .kubelet { fill: #4a3115 } .rules { fill: #1d3b1b }
}
"""


def contracts() -> dict[str, dict[str, list[str]]]:
    """The import contracts by their id."""
    found = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["id"]: contract for contract in found["tool"]["importlinter"]["contracts"]}


def rows() -> list[list[str]]:
    """The layers, the highest first: dotted names of modules and packages."""
    layers = [row.split(" : ") for row in contracts()["layers"]["layers"]]
    return [["genie_cli"], *([f"genie_core.{name}" for name in row] for row in layers)]


def kind_of(module: str) -> str:
    """operator, kubelet or rules."""
    if module in contracts()["pure-rules"]["source_modules"] and module != "genie_core.findings":
        return "rules"
    cold = {"genie_cli", *contracts()["kubelet-path"]["forbidden_modules"]}
    return "operator" if module in cold else "kubelet"


def sentence(module: str) -> str:
    """The first sentence of the module's docstring."""
    path = ROOT / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    doc = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    first = re.split(r"(?<=[a-z)`])\.(?:\s|$)", doc, maxsplit=1)[0]
    return " ".join(first.split()).replace("`", "")


def box(module: str, x: float, y: float, width: float) -> str:
    """One module: its name, and its sentence as far as it fits."""
    text, room = sentence(module), int((width - 16) / LETTERS)
    if len(text) > room:
        text = text[: room - 1].rsplit(" ", 1)[0] + " …"
    name = module.removeprefix("genie_core.")
    return (
        f"<g><title>{escape(module)}: {escape(sentence(module))}</title>"
        f'<rect class="{kind_of(module)}" x="{x:g}" y="{y:g}" width="{width:g}" height="{ROW}" rx="5"/>'
        f'<text class="name" x="{x + 8:g}" y="{y + 18:g}">{escape(name)}</text>'
        f'<text x="{x + 8:g}" y="{y + 36:g}">{escape(text)}</text></g>'
    )


def drawing() -> str:
    """The whole picture, as SVG."""
    layers, inner = rows(), WIDTH - 2 * MARGIN - 30
    height = TOP + len(layers) * (ROW + GAP) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>The layers of Genie: each imports only what stands below it</title>",
        f"<style>{STYLE}</style>",
    ]
    for place, (kind, words) in enumerate(KINDS.items()):
        x = MARGIN + place * 320
        parts.append(f'<rect class="{kind}" x="{x}" y="16" width="16" height="16" rx="3"/>')
        parts.append(f'<text x="{x + 22}" y="29">{escape(words)}</text>')
    for number, row in enumerate(layers):
        width = (inner - GAP * (len(row) - 1)) / len(row)
        y = TOP + number * (ROW + GAP)
        parts += [box(module, MARGIN + place * (width + GAP), y, width) for place, module in enumerate(row)]
    x, bottom = WIDTH - MARGIN - 8, height - MARGIN - GAP
    parts.append(f'<path class="arrow" d="M{x} {TOP}V{bottom}m-6 -8l6 8l6 -8"/>')
    parts.append(f'<text x="{x - 4}" y="{TOP - 8}" text-anchor="end">imports go down only</text>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    sys.stdout.write(drawing())
