"""Losses: scalars from the outputs of a step."""
