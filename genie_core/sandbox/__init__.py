"""Private nodes: namespaces in which a dry run takes place, and the processes inside them."""
