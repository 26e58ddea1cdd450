"""Metrics, what blind predictors reach on them, and probes."""
from mmvmr.registry import import_submodules

import_submodules(__name__, __path__)
