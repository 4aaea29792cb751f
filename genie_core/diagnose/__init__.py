"""What is wrong with this pod's network: facts gathered once, a model of the packet's way, pure checks.

collect/, asks, probe       read the machine, as nothing else here does -> facts (`codec` saves them)
model, cluster              the facts put together: attachments, what was intended, the cluster around them
flows, towards              which packets the pod's network has to carry
path, walks                 one of them on its way, which these know parts of:
- stack, fib, resolution    a namespace's own network stack: routes, neighbours, ARP
- firewall/                 what the rules of nft and iptables do with a packet
- policy, denials           what NetworkPolicies make of it
checks/, registry           model -> findings (`say`), a small module per family; which ran, which were skipped
rank, report                causes before consequences; the published form
explanations                what `genie explain GN0402` says
"""
