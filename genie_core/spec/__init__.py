"""The CNI specification as code: texts <-> values, for every version. Pure."""
