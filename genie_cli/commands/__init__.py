"""One module per command: options -> edges -> task -> output -> exit code."""
