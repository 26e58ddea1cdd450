"""mmvmr: a modular toolbox for weakly-supervised video moment retrieval."""
from mmvmr.version import __version__

__all__ = ['__version__']
