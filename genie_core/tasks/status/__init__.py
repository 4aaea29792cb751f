"""`genie status` and `genie networks`: the whole cluster's networks, from the API server alone."""
