"""`python -m genie_cli.shells DIRECTORY` writes all scripts there; `make generated` does it for completions/."""

import sys
from pathlib import Path

from genie_cli.shells import FILES, script

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for shell, file in FILES.items():
    (folder / file).write_text(script(shell), encoding="utf-8")
