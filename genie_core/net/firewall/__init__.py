"""Firewall rules of both tools in one form, and their evaluation for a packet.

rules                    the one form; load: the texts of both tools -> a ruleset
iptables, ipsets, nft    the parsers of each text; tcp_flags: conditions on the flags of TCP; queues
evaluate                 what a ruleset does with a packet; owned: the chains of one container
"""
