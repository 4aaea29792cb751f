"""`genie agent`: a loop around `genie sync pod`, for the pods of one node.

It decides and starts; each change, repair and collection is a process of its own. Data flow one way:

    watch ─> following ─┐
    journals ───────────┼─> work ─> queue ─> children ─> outcome ─> work
    timers (jobs) ──────┘

options    flags and configuration
pods       what is kept of a pod object: pure
following  its three watches of the API server (survey/watch.py)
journals   the pods in this node's state directory
queue      which pods are due for a sync, and when: pure
work       which pods need a sync
children   the processes that do it; child: how one begins
outcome    what a sync's report means: pure
jobs       repair, collection, node checks; node_condition: what is written to the Node object
faults     changes of attached networks, from the kernel
policies   the policy engine's process, and its report
metrics    the page of metrics
agent      the loop
"""
