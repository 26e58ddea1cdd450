"""Pictures of what a model did."""
from mmvmr.registry import import_submodules

import_submodules(__name__, __path__)
