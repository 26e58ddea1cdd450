"""Encoders: from clip features and word vectors to the hidden size."""
from mmvmr.registry import import_submodules

import_submodules(__name__, __path__)
