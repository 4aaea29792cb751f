"""`genie debug`: survey, probes, checks and ranking -> one report.

options      the flags of its commands; objects: the API objects, of files or of the API server
diagnosis    one diagnosis under way; location: where the pod's network namespace is
pod, node    what is asked about; checks: facts -> findings -> report
report       the published form; snapshot: saved facts; bundle, archive: all of it in one file
"""
