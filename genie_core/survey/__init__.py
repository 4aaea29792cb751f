"""Reads a node and judges nothing: files, the kernel, runtimes, the API server -> plain values.

survey, places, collection            who reads what; the directories and sockets; deadlines and what is missing
facts, kernel, codec                  the values; of a network namespace; written as JSON and read again
netlink, attributes, sockets, sysctls, bpf, rulesets, conntrack   the kernel: one network namespace
namespaces, pod_netns                 which namespaces there are; a pod's
layouts, runtimes, sandboxes, cri, crictl   container runtimes and what they run
containerd, cri_call                  what containerd says of itself; a call of the CRI without gRPC
conf_files, selection, plugins, binaries, versions, opened   CNI configurations and plugins
records                               leases and cached results
stores, held, drivers, obstacles      what stops the next ADD: directories, locks, the kernel; the values
genie, launcher, logical, credentials   Genie's installation and state
api, objects, events, cluster         the API server: the pod and what surrounds it
whole_cluster, watching, watch, contact   all networks, nodes and pods of the cluster; their changes
user_cluster, user_*, exec_plugin     the way to it, as kubectl has it, by the package `kubernetes`
probe, capture                        packets sent from inside the pod; one that is watched on its way
rootfs, commands, yamlio, redact      `--root`, other programs, YAML, texts without secrets
"""
