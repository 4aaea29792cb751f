"""Changing the networks of a running pod. Pure: what has to change, and the steps that change it.

compare    the networks that a pod has, and those that it asks for now -> what to keep, attach, detach, replace
exchange   a change as a sequence of steps, with its rollback
defaults   the default routes that come back when the network goes that had them
"""
