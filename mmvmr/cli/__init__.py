"""The command ``mmvmr``: what is typed, and errors that a person can read.

Each command is a module with ``add_arguments(parser)`` and ``run(args)``; what takes long to import is imported by
``run``, so that ``--help`` and a mistyped flag are answered at once.
"""
from mmvmr.cli.main import main

__all__ = ['main']
