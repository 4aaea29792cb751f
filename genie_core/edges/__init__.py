"""The I/O of the kubelet path, and nothing else: files, processes, the kernel, the API server.

It is the standard library, and of that the cheap part: `[tool.importlinter]` holds them to it. What to do is decided
elsewhere.
  files, store, locks                        the state directory, read and written without following links
  delegates, delegate_errors, parallel, cancel running plugins with a deadline, side by side; being asked to stop
  confdir, device_info, libcni_cache, kubelet_devices   files of others: configurations, devices, results
  netns, netlink, podnet, default_routes     the pod's namespace
  routes, masquerade, bridges, nft, cgroups  the node's own: routes, address translation, bridges, rules, control groups
  policy_dir                                 what `genie agent --policy` writes for the plugin
  kubeconfig, kube, kube_*, api_server, object_cache   the API server, and the last good copies of its objects
  meter, indicator_programs                  how busy networks are
  log, metrics_file                          logs and counters
"""
