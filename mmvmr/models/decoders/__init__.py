"""Decoders: from a curve of similarities along the clips of a video to moments, with nothing to train."""
