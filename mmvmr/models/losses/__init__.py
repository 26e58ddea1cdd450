"""Losses: scalars from the outputs of a step."""
from mmvmr.registry import import_submodules

import_submodules(__name__, __path__)
