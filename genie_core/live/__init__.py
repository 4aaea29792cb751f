"""Changing and repairing the networks of a running pod: what has to be done, and the steps that do it. Pure.

compare    the networks that a pod has, and those that it asks for now -> what to keep, attach, detach, replace
exchange   a change as a sequence of steps, with its rollback; restore: of what was lost, or cut off
defaults   default routes that a network gets back when the one that had taken them is released
ask        an attachment that is made again asks for the addresses that it had
seen       what a namespace has; repair, leases: what is missing there, and how it is put back
"""
