"""Reads a node and judges nothing: files, the kernel, runtimes, the API server -> plain values.

places, gather, node, collection      which directories and sockets; who reads what; deadlines and what is missing
facts, node_facts, snapshot           the values; written to a file and read again
links, sysctls, namespaces, bpf, rulesets, enter, pids, nodenet   the kernel
runtimes, sandboxes, cri, crictl      container runtimes: their configuration and their sandboxes
binaries, versions, conf_files, records, selection, own, credentials   plugins, configurations, leases, Genie itself
api, objects, events, cluster         the API server: the pod and what surrounds it
user_cluster, user_*, exec_plugin     the way to it, as kubectl has it, by the package `kubernetes`
probe                                 packets sent from inside the pod
rootfs, commands, threads, yamlio, tenants   `--root`, other programs, what may be given up, YAML, addresses in use
"""
