"""One operator question per module or package, named as its command, answered as a value. They print nothing.

Shared by several of them: `payload`, `launcher` and `runtime_tree` (the parts of an installation), `atomic` (files
that are written whole), `node_state` (recorded networks outside a runtime's call), `pods` (a pod as an operator names
it), `abandoned` (dry runs that were killed).
"""
