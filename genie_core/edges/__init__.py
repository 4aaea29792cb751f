"""Where the core meets the world: files, processes, the kernel, the API server. What to do is decided elsewhere.

Hot, on the kubelet path (the standard library, and of that the cheap part; `[tool.importlinter]` holds them to it):
  files, store, locks                        the state directory, read and written so that nobody can be tricked
  delegates, cancel                          running plugins with a deadline; being asked to stop
  confdir, device_info, libcni_cache         files of others: configurations, devices, the runtime's memory
  netns, netlink, podnet, default_routes     the pod's namespace; routes, masquerade: the node's own
  kubeconfig, kube, kube_*, object_cache     the API server, and the last good copies of its objects
  load, log, metrics_file                    how busy networks are; what is told

Cold, for the command line (may import what they like):
  rootfs, runtimes, binaries, records        a node from outside: `--root`, runtimes, plugins, leases and caches
  cri, crictl                                the runtime's sandboxes, over gRPC or by its tool
  private_node*, host_node*, node_process, orders, loopback_api   where a dry run takes place
  nodenet, tenants, kernel, programs         interfaces by pyroute2, addresses in use, system calls, other programs
  user_cluster, yamlio                       the API server as kubectl finds it; YAML
  health, http_server                        the DaemonSet's probes
"""
