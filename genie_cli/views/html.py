"""One HTML file for a report: its frame and style, and the parts that reports share.

The file needs no script and asks for nothing: it can be mailed, kept, read offline and printed. All text of the report
is escaped; a content policy in the page forbids everything but its own style.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from genie_cli.terminal import visible
from genie_core import __version__
from genie_core.published import timestamp

_STYLE = """
:root{color-scheme:light dark;--line:#d0d7de;--soft:#f6f8fa;--dim:#57606a;--bad:#cf222e;--warn:#7d4e00;--good:#116329}
@media (prefers-color-scheme:dark){:root{--line:#30363d;--soft:#161b22;--dim:#9198a1;
--bad:#ff7b72;--warn:#e3b341;--good:#56d364}
body{background:#0d1117;color:#e6edf3}}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:76rem;padding:1rem;overflow-wrap:anywhere}
h1{font-size:1.4rem;margin:.2rem 0}h2{font-size:1.1rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:0}
article p{margin:.5rem 0}
article{border:1px solid var(--line);border-radius:6px;padding:.8rem 1rem;margin:.8rem 0;break-inside:avoid}
figure{margin:0 calc(50% - 50vw + 1rem) 0 0;overflow-x:auto}figure svg{max-width:none}
@media screen and (max-width:40rem){figure svg{zoom:.7}}
pre{background:var(--soft);border:1px solid var(--line);border-radius:6px;padding:.5rem .7rem;margin:.4rem 0;
white-space:pre-wrap;overflow-wrap:anywhere;font-size:.85rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0}
td:first-child,th:first-child{width:30%}
th{font-weight:600;color:var(--dim)}.dim{color:var(--dim)}.fatal,.error{color:var(--bad)}.warning{color:var(--warn)}
.good{color:var(--good)}code{font-size:.9em}
@page wide{size:A4 landscape}.wide{page:wide}
@media print{body{max-width:none;font-size:11pt}h2,h3{break-after:avoid}
figure{margin:0;overflow:visible}figure svg{width:100%;height:auto}}
"""


def document(title: str, body: Iterable[str], read: float) -> str:
    """The file with this body; `read` is when the facts were read, in seconds since 1970."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + f"\n<footer>{dim(f'Read at {timestamp(read)}, by genie {__version__}')}</footer>\n</body>\n</html>\n"
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; without a head where there are no columns."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in columns)
    lines = "".join(f"<tr>{''.join(f'<td>{text(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{lines}</tbody></table>"


def dim(words: str) -> str:
    """A paragraph in a pale colour."""
    return f'<p class="dim">{text(words)}</p>'


def text(words: str) -> str:
    """Text as it may stand in markup: escaped, without control characters."""
    return escape(visible(words, keep="\n"), quote=True)
