"""The checks: pure functions from facts to findings, one module for each family.

check        what a check is; the decorator that declares one
registry     all checks
sources      what checks need, and why it is missing
runner       which checks are chosen, and the result of each
rank         causes before consequences
probe_plan   which probes to send
parts        subjects, evidence and remedies of findings
"""
