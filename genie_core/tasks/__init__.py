"""One operator question per module or package, named as its command, answered as a value. They print nothing.

Shared by several of them: `atomic` (files that are written whole), `node_state` (recorded networks outside a runtime's
call), `written_journals` (those that have changed), `giving_way` (changes of a running pod, behind the runtime's own
calls), `pods` (a pod as an operator names it), `this_node` (its name), `health` (kubelet's probes), `program` (what the
agent's programs share), `abandoned` (dry runs that were killed).
"""
