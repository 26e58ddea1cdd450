"""Combiners: what becomes of the components that a generator proposes."""
