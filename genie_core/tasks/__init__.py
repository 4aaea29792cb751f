"""One operator question per module or package, named as its command, answered as a value. They print nothing.

What several of them need: `bundle`, `launcher` and `runtime_tree` (what an installation consists of), `atomic`
(files that are whole or not there), `node_state` (recorded networks outside a runtime's call), `pods` (a pod as an
operator names it), `abandoned` (dry runs that were cut off).
"""
