"""The torture campaign: `python -m tests.torture`, or `make torture`. Its short forms are tests in tests/system."""
