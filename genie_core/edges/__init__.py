"""The I/O of the kubelet path, and nothing else: files, processes, the kernel, the API server.

It is the standard library, and of that the cheap part: `[tool.importlinter]` holds them to it. What to do is decided
elsewhere.
  files, store, locks                        the state directory, read and written without following links
  delegates, cancel                          running plugins with a deadline; being asked to stop
  confdir, device_info, libcni_cache         files of others: configurations, devices, the runtime's memory
  netns, netlink, podnet, default_routes     the pod's namespace; routes, masquerade: the node's own
  kubeconfig, kube, kube_*, object_cache     the API server, and the last good copies of its objects
  meter, log, metrics_file                   how busy networks are; logs and counters
"""
