"""What is wrong with a node's configuration files, plugins, leases and leftovers: pure functions, facts -> findings."""
