"""Random changes of healthy nodes: what breaks traffic must be named first, what breaks nothing must be silent."""
