"""Network policy between networks, from files or from the API server and this node's journal.

sources               the objects
listing, verdict      `genie policy list`, `genie policy explain`
engine                follows the objects, for `genie agent --policy`; lean: what it keeps of each
enforce, kernel       the rules of this node, in the kernel; connections: those that are cut
netfilter, contents   messages of the kernel's netfilter; what our tables have
counters              the counters of rules
counts, buckets       the engine's own counters; events: what it reports on policies
"""
