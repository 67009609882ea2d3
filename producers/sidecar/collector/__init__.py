"""The collector: what KServe's agent and Seldon's request logger tell of traffic they passed."""
