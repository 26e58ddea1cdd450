"""The retriever and its parts, one folder or file per kind of part."""
from mmvmr.registry import import_submodules

import_submodules(__name__, __path__)
