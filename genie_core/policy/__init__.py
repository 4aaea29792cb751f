"""Network policy between the networks of pods: objects -> what they select -> one ruleset. Pure.

selectors, rules, genie_form   what the objects say: label selectors, MultiNetworkPolicy, CNI-Genie's annotation
networks, cluster, places      what there is: networks by name, pods with their addresses, where rules can be put
ruleset                        tables, sets and chains as values, and their text for `nft -f`
compile, covering, chains, peers, tables   policies and attachments -> the rulesets of one node; delta: what has changed
evaluate                       what a ruleset does with a packet
"""
