"""Reads a node and judges nothing: files, the kernel, runtimes, the API server -> plain values.

survey, places, collection            who reads what; the directories and sockets; deadlines and what is missing
facts, kernel, codec                  the values; of a network namespace; written as JSON and read again
netlink, sysctls, bpf, rulesets, namespaces, pod_netns   the kernel: the node's, the named and the pod's namespaces
layouts, runtimes, sandboxes, cri, crictl   container runtimes and what they run
conf_files, selection, plugins, binaries, versions   CNI configurations and plugins
records, genie, launcher, logical, credentials   leases and cached results; Genie's installation and state
api, objects, events, cluster         the API server: the pod and what surrounds it
whole_cluster, watching               all networks, nodes and pods of the cluster; their changes
user_cluster, user_*, exec_plugin     the way to it, as kubectl has it, by the package `kubernetes`
probe                                 packets sent from inside the pod
rootfs, commands, yamlio, redact      `--root`, other programs, YAML, texts without secrets
"""
