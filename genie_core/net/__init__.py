"""The kernel's handling of a packet, computed from facts. Pure: no module here reads anything.

model                       the facts put together: attachments, what was intended, the two network stacks
flows, target               which packets the pod has to send; `--to`
path, traces                one packet on its way
stack, fib, arp, ipvs       a namespace's routes, neighbours and virtual servers
firewall/, policy, policy_verdicts   nft and iptables rules; NetworkPolicies
"""
