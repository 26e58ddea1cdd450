"""Reconstructors: how badly is a query explained by what a mask lets through?"""
from mmvmr.registry import import_submodules

import_submodules(__name__, __path__)
