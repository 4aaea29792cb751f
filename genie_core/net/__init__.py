"""The kernel's handling of a packet, computed from facts. Pure: no module here reads anything.

model                       the facts put together: attachments, what was intended (`intended`), the two network stacks
flows, secondary_flows, target   which packets the pod has to send, and by its other interfaces; `--to`
case                        the model with the conversations traced through it: what checks are given
path, passing, resolving, traces   one packet on its way, ARP included; hops, wording: that way in words
egress, media               whether it reaches the node, and which link it is on
stack, fib, arp, ndp, ipvs  a namespace's routes, neighbours and virtual servers
addresses, prefixes         addresses as text; the prefixes of Node objects
firewall/, policy, policy_verdicts   nft and iptables rules; NetworkPolicies
"""
