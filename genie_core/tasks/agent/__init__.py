"""`genie agent`: a loop around `genie sync pod`, for the pods of one node.

queue      which pods are to be looked at, and when: pure
"""
