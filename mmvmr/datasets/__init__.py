"""Annotations, features and words: from files to a :class:`~mmvmr.structures.Batch`."""
