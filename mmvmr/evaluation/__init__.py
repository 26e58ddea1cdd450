"""Metrics, what blind predictors reach on them, and probes."""
