"""Imports everything that a training does, so that processes forked from one that has imported this start at once."""
from mmvmr.registry import import_all

for _location in ('mmvmr.engine', 'mmvmr.datasets', 'mmvmr.models', 'mmvmr.evaluation'):
    import_all(_location)
