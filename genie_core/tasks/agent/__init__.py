"""`genie agent`: a loop around `genie sync pod`, for the pods of one node.

It decides and starts; each change, repair and collection is a process of its own. Data flow one way:

    watch ─> following ─┐
    journals ───────────┼─> work ─> queue ─> children ─> outcome ─> work
    timers (jobs) ──────┘

options    flags and configuration
pods       what is kept of a pod object: pure
watch      one list of the API server, followed for good; following: the three that there are
journals   what this node's state directory says of pods
queue      which pods are to be looked at, and when: pure
work       which pods need a sync
children   the processes that do it; child: how they become the node's own
outcome    what a sync's report means: pure
jobs       repair, collection, node checks; node_condition: what is written to the Node object
metrics    the page of metrics
agent      the loop
"""
