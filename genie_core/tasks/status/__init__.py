"""`genie status` and `genie networks`: the whole cluster's networks, from the API server alone.

look      reads the cluster; report: the published forms
judge     what is wrong; nodes: the state of each node; usage: which networks there are, and who uses them
asked     the networks that a pod asks for, and those that it has
"""
