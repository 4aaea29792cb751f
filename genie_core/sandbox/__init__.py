"""Private nodes: namespaces in which a dry run takes place, and the processes inside them.

private_node, host_node   a private copy of this node, or the node itself, as a dry run uses them
private_node_inside, host_node_inside   the process behind each, which serves requests
node_process, requests    its client; the requests: one JSON line each
private_node_links        the interfaces of a private node
loopback_api, http_server an API server for one dry run
syscalls                  the system calls that Python 3.11 lacks
"""
