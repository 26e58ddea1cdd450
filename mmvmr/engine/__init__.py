"""What training needs beside MMEngine's runner: optimizers in turn, schedules, safe checkpoints, wrappers and hooks."""
from mmvmr.registry import import_submodules

import_submodules(__name__, __path__)
