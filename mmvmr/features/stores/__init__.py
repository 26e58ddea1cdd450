"""Clip features on disk."""
