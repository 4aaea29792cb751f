"""`genie debug`: survey, probes, checks and ranking -> one report."""
