"""What would happen to a pod on this node, tried without a change to the node (`run`).

Nothing is imported here: `configuration`, `objects`, `preview` and `recorder` have functions that run in the private
node, each time in a new interpreter, and everything else would cost each of them 0.2 s.
"""
