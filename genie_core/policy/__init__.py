"""Network policy between the networks of pods: objects -> what they select -> one ruleset. Pure.

selectors, rules, genie_form   what the objects say: label selectors, MultiNetworkPolicy, CNI-Genie's annotation
documents, covering            all policies of a cluster, and those that are about an attachment
networks, cluster, places      what there is: networks by name, pods with their addresses, where rules can be put
ruleset, delta                 tables, sets and chains as values, and their text for `nft -f`; what makes one of another
compile, chains, peers, tables policies and attachments -> the rulesets of one node
evaluate                       what a ruleset does with a packet
"""
