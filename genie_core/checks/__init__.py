"""What is wrong: pure functions from facts to findings, one module per family.

check, registry, node_registry    what a check is; all of them
runner                           which checks are chosen, what became of each
probe_plan                       which probes a pod is worth
rank                             causes before consequences
wording, node_wording            how findings are put together
pod_explanations, node_explanations   what `genie explain GN0402` prints
"""
