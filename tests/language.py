"""Plain technical English: words that comments, docstrings, messages and documents may not use.

A person or a program is named (the operator, the runtime, the caller), and a program reads, reports, prints, passes;
`tell` and `speak` are for persons. docs/glossary.md has the terms.
"""

import ast
import io
import re
import tokenize

WORDS = (
    *("nobody", "somebody", "anybody", "everybody", "whoever", "whom"),
    *("tell", "tells", "told", "speak", "speaks", "spoke", "heard"),
    *("all the same", "half a character", "find back", "as well as that goes"),
    *("anew", "nought", "other ones", "shall", "ever more", "to be had", "unless said", "all that there is"),
    *(
        "what came of",
        "what became of",
        "comes along",
        "come along",
        "brings along",
        "bring along",
        "let go of",
    ),
    *("as ever", "comes of", "by whom", "who asks", "nothing says", "is not said", "looked after"),
)
FORBIDDEN = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)
# Names in the code: `tell`, tell(, a.tell, _tell, "told":
CODE = re.compile(r"`[^`]*`|\b\w+\(|\b\w+[._]\w+\b|\"\w+\":")


def forbidden(line):
    """The words in a line of prose."""
    return [found[0] for found in FORBIDDEN.finditer(CODE.sub(" ", line))]


def in_code(text):
    """The line numbers and words of a module's comments, docstrings and messages, and of the names that it gives."""
    lines = _comments(text)
    for node in ast.walk(ast.parse(text)):
        lines += _given(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            lines += enumerate(node.value.splitlines(), node.lineno)
    return [(number, word) for number, line in lines for word in forbidden(line)]


def in_test(text):
    """The same of a module of tests: comments, docstrings, names. Its other texts are inputs."""
    lines = _comments(text)
    for node in ast.walk(ast.parse(text)):
        lines += _given(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
            said := ast.get_docstring(node)
        ):
            lines += enumerate(said.splitlines(), node.body[0].lineno)
    return [(number, word) for number, line in lines for word in forbidden(line)]


def _given(node):
    """The line and the words of the name that a node defines: a function, class, parameter, variable, attribute."""
    name = ""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        name = node.name
    elif isinstance(node, ast.arg):
        name = node.arg
    elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
        name = node.id if isinstance(node, ast.Name) else node.attr
    return [(node.lineno, name.replace("_", " "))] if name else []


def _comments(text):
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]


def in_document(text):
    """The same of a document, without its blocks: what a command prints is a quotation."""
    prose = re.sub(r"```.*?```", lambda block: "\n" * block[0].count("\n"), text, flags=re.DOTALL)
    return [(number, word) for number, line in enumerate(prose.splitlines(), 1) for word in forbidden(line)]
