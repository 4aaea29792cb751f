"""The histogram of the seconds that an application of the rules takes: counted by the engine, shown by the agent."""

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # their upper ends, in seconds
