"""Building blocks that several parts share."""
from mmvmr.registry import import_submodules

import_submodules(__name__, __path__)
