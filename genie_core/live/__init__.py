"""Changing the networks of a running pod. Pure: what has to change, and the steps that change it.

compare    the networks that a pod has, and those that it asks for now -> what to keep, attach, detach, replace
exchange   a change as a sequence of steps, with its rollback
defaults   default routes that a network gets back when the one that had taken them is released
"""
