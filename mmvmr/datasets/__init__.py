"""Annotations, features and words: from files to a :class:`~mmvmr.structures.Batch`."""
from mmvmr.registry import import_submodules

import_submodules(__name__, __path__)
