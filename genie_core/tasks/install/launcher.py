"""The launcher `<bin-dir>/genie`: a few lines in the one file that the runtime executes.

Its first lines are shell, the others Python, in one file: for Python the shell part is a string, and sh stops before
the Python part. Each interpreter reads its part to the end before it runs it.
sh handles what Python cannot: with a directory as stdin CPython does not start (Python/pylifecycle.c,
init_sys_streams), and after an upgrade of the distribution the interpreter may be gone, and with it every DEL. Only
builtins, no PATH; 0.5 ms with dash.

Where the interpreter is Genie's own, the kernel starts it directly: it cannot disappear alone, and the node, whose root
is not the installer's, may have no shell (runtime_tree.py). So too where there is no /bin/sh. Even so the file
begins with a shell line: the kernel reads the first line, then its interpreter opens the file again, and in between an
upgrade may have replaced a file that sh starts by this one.

sh passes the caller's environment on, except names that are no valid shell variables (dash), and it sets PWD, SHLVL
and others itself: genie_core/plugin.py removes these.
"""

from __future__ import annotations

import os
from pathlib import Path

from genie_core import __version__
from genie_core.archive import INCOMPLETE
from genie_core.errors import InvalidConfig
from genie_core.spec.versions import CURRENT
from genie_core.tasks.install import runtime_tree

SHELL = "/bin/sh"
OTHERS = "/usr/bin/python3 /usr/local/bin/python3"  # to be tried until Genie is installed again
# Isolated from the caller's Python, without site-packages, and UTF-8 in every locale: names and environments of
# delegates are encoded with it. One word: the kernel passes what follows the interpreter as one argument.
OPTIONS = "-ISXutf8"
_LONGEST_SHEBANG = 255  # BINPRM_BUF_SIZE of linux/binfmts.h, less the NUL
_QUOTING = "'\"\\"  # the path stands in sh's quotes, in Python's and in JSON's

# Each language has to read a bracket to its end before it runs anything. Of a file that is cut short, or whose rest
# cannot be read, sh runs nothing and ends with 2, Python with 1. The runtime would take an empty answer with 0 for a
# successful DEL.
_KERNEL_STARTS = """\
#!{python} {options}
{{ ''':' # Genie {version}, the CNI plugin, run by {python}
exec '{python}' {options} "$0"{words}
}}
"""
_SHELL_STARTS = """\
#!{shell}
{{ ''':' # Genie {version}, the CNI plugin, run by {python}
# sh reads as far as the brace that closes this one and goes no further; for Python it is a string.
if [ -d /proc/self/fd/0 ]; then
    case $CNI_COMMAND in
    '' | VERSION) exec </dev/null ;; # it is never read
    *)  echo '{{"cniVersion":"{current}","code":5,"msg":"error reading from stdin: it is a directory",\
"details":"the network configuration is expected there, as JSON"}}'
        exit 1 ;;
    esac
fi
gone() {{
    echo '{{"cniVersion":"{current}","code":999,"msg":"Genie is not installed completely: {python} is gone",\
"details":"run `genie install` again"}}'
    exit 1
}}
trap gone EXIT # dash and busybox end where exec fails, as with a program that disappears right now
[ -n "$BASH_VERSION" ] && shopt -s execfail # bash does neither: it goes on
for python in '{python}' {others}; do
    [ -x "$python" ] && exec "$python" {options} "$0"{words}
    echo '{{"level":"warning","event":"no interpreter","file":"'"$python"'","hint":"run `genie install` again"}}' >&2
done
exit 1
}}
"""
_PROGRAM = """\
''', exec(r'''
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, CODE)
try:
    if sys.version_info < (3, 11):
        raise ImportError("{python} is gone, and " + sys.executable + " is not Python 3.11 or newer")
    from genie_core.archive import serve
    serve(CODE)
    from {module} import main
except BaseException as error:
    from _json import encode_basestring_ascii as quote
    problem = quote("Genie is not installed completely: %s" % (str(error) or type(error).__name__))
    print({incomplete!r} % problem, end="")
    sys.exit(1)
main(*ARGUMENTS)
''', {{"CODE": {code!r}, "ARGUMENTS": {arguments!r}}})}}
"""


def launcher_text(python: Path, code: Path, launcher: Path) -> str:
    """The file's text, to be put at `launcher`. Raises InvalidConfig for an interpreter that it cannot name."""
    return _text(python, code, "genie_core.plugin", [str(launcher)])


def server_text(python: Path, code: Path, launcher: Path, folder: Path, program: Path) -> str:
    """The text of `program`, which starts the server: it has its socket in `folder` (genie_core/server)."""
    arguments = [str(launcher), code.name, str(folder), str(program)]
    return _text(python, code, "genie_core.server.pool", arguments, ' "$@"')


def _text(python: Path, code: Path, module: str, arguments: list[str], words: str = "") -> str:
    """`words` passes on those after the program's own name: the server's (a PID, or none)."""
    start = _KERNEL_STARTS if _is_started_by_kernel(python) else _SHELL_STARTS
    return (start + _PROGRAM).format(
        shell=SHELL,
        python=python,
        others=OTHERS,
        options=OPTIONS,
        version=__version__,
        code=str(code),
        current=CURRENT,
        incomplete=INCOMPLETE,
        module=module,
        arguments=arguments,
        words=words,
    )


def _is_started_by_kernel(python: Path) -> bool:
    return runtime_tree.tree_of(python) is not None or not os.access(SHELL, os.X_OK)


def require_nameable(python: Path) -> None:
    """Raise InvalidConfig for an interpreter whose path cannot stand in a launcher."""
    path = str(python)
    if not path.isprintable() or any(char in path for char in _QUOTING):
        raise InvalidConfig(
            f"{path!r} cannot stand in a launcher: a quote, a backslash or a character that is not printable",
            hint="name another --python",
        )
    too_long = len(os.fsencode(f"#!{path} {OPTIONS}")) > _LONGEST_SHEBANG
    if _is_started_by_kernel(python) and (too_long or " " in path):
        raise InvalidConfig(
            f"{path} cannot stand in a #! line: too long, or with a space", hint="name another --python"
        )
