"""Proposal generators: candidate moments for a video and a query."""
from mmvmr.registry import import_submodules

import_submodules(__name__, __path__)
