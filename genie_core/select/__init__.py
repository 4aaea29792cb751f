"""From annotations to networks: what a pod asks for, and which configuration that is. Pure."""
