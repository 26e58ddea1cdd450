"""The version of mmvmr, read by ``setup.py`` and by ``mmvmr.__version__``."""
__version__ = '0.1.0'
