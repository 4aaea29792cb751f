"""A real container runtime that calls Genie: Debian's containerd, in namespaces of its own."""
