"""What all pictures share: one SVG that stands alone, its colours for light, dark and paper, boxes and text. Pure.

A picture has its title and its content in words (role img, title, desc); it needs no script and asks for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from unicodedata import east_asian_width

from genie_cli.terminal import visible

# The width of a character of each kind of text, and the height of a line, in pixels: fonts are monospaced, 0.6 em wide.
CHARACTER = {"name": 7.3, "kind": 6.1, "code": 6.8, "head": 7.3}
LINE = 16.0
PADDING, BOX, MARGIN = 12.0, 34.0, 14.0
STYLE = """
svg{max-width:100%;height:auto}
.box{fill:#f6f8fa;stroke:#57606a;stroke-width:1.2}
.end{fill:#ddf4ff;stroke:#0969da}
.head{font:bold 12px ui-monospace,Menlo,Consolas,monospace;fill:#1f2328}
.bad{stroke:#cf222e;stroke-width:2;stroke-dasharray:5 3}
.unreached{stroke-dasharray:3 3;opacity:.6}
.name{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1f2328}
.kind{font:10px ui-monospace,Menlo,Consolas,monospace;fill:#57606a}
.edge{stroke:#57606a;stroke-width:1.6;fill:none}
.broken{stroke:#cf222e;stroke-width:2;stroke-dasharray:5 4;fill:none}
.cross{stroke:#cf222e;stroke-width:2.4}
.code{font:bold 11px ui-monospace,Menlo,Consolas,monospace;fill:#cf222e;paint-order:stroke;stroke:#fff;stroke-width:4px}
@media (prefers-color-scheme:dark){
svg{background:#0d1117}
.box{fill:#21262d;stroke:#8b949e}.end{fill:#0c2d4a;stroke:#58a6ff}
.name,.head{fill:#e6edf3}.bad{stroke:#ff7b72}.kind{fill:#8b949e}.edge{stroke:#8b949e}
.broken,.cross{stroke:#ff7b72}.code{fill:#ff7b72;stroke:#0d1117}}
@media print{svg{background:#fff}
.box,.end{fill:#fff;stroke:#000}.name,.kind,.code{fill:#000}.edge,.broken,.cross{stroke:#000}}
"""


def picture(title: str, words: str, size: tuple[float, float], parts: Iterable[str]) -> str:
    """The document: `words` say what it shows, `size` is its width and height in pixels."""
    width, height = size
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="picture-title picture-text" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">\n'
        f'<title id="picture-title">{text_of(title)}</title>\n<desc id="picture-text">{text_of(words)}</desc>\n'
        f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def text_of(text: str) -> str:
    """Text as it may stand in markup: escaped, without control characters."""
    return escape(visible(text), quote=True)


def label(x: float, y: float, text: str, kind: str = "name") -> str:
    """Text with its left end and base line at (x, y)."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{text_of(text)}</text>'


def box(x: float, y: float, width: float, text: str, kind: str = "box") -> str:
    """A box of the usual height with a name in it."""
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{BOX:.0f}" rx="6"/>'
        + label(x + PADDING, y + 21, text)
    )


def edge(x1: float, y1: float, x2: float, y2: float, kind: str = "edge") -> str:
    """A line that leaves and arrives level."""
    middle = (x1 + x2) / 2
    path = f"M{x1:.1f} {y1:.1f}C{middle:.1f} {y1:.1f} {middle:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
    return f'<path class="{kind}" d="{path}"/>'


def width_of(text: str, kind: str = "name") -> float:
    """The width of a text of this kind; characters of East Asia take the place of two."""
    cells = sum(2 if east_asian_width(character) in "WF" else 1 for character in visible(text))
    return cells * CHARACTER[kind]
