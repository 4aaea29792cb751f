"""The CNI specification as code: texts <-> values, for every version. Pure.

request      the runtime's call -> Request          call          the environment of a delegate
conf         configurations -> NetConf -> stdin     result        results of all versions <-> Result
versions     which there are, and their order       addresses     IP addresses as Go's `net` reads them
names        Kubernetes' names                      plugin_errors remedies for errors that plugins are known for
ranges       host-local's ranges
"""
