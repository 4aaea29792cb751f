"""A command of the command line, run on another node through the API server, with the rights of the user.

place.py      the node's agent, or else an image for a pod that is made for the purpose
node_pod.py   that pod: made, waited for, removed
run.py        the command in one of the two, its output passed on
on_node.py     what the command begins with there: it leaves the container for the node's namespaces
"""

ON_NODE = "__node"  # the word before a command line from another machine
