"""Network policy between networks, from files or from the API server and this node's journal."""
