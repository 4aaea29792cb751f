"""How much time Genie adds to a pod's start: whole processes, side by side with the bare plugin, in one run."""
