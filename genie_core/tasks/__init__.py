"""One operator question per module or package, named as its command, answered as a value. They print nothing.

debug, discover, trace, status, version   what there is, and what is wrong
explain, generate, dry_run, policy        what something means, or would do
install, uninstall, gc, sync, repair      what changes a node; agent: what does so by itself
remote                                    any of them, on another node

Shared by several of them: `atomic` (files that are written whole), `node_state` (recorded networks outside a runtime's
call), `written_journals` (those that have changed), `giving_way` (changes of a running pod, behind the runtime's own
calls), `pods` (a pod as an operator names it), `named_files` (files that flags name), `this_node` (its name),
`host_namespaces` (those of the node, entered from a container), `health` (kubelet's probes), `program` (what the
agent's programs share), `abandoned` (dry runs that were killed), `lockout` (what an uninstallation refuses).
"""
