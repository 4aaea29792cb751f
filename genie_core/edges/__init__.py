"""Where the core meets the world: files, processes, the API server, the kernel."""
