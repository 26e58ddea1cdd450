"""Proposal generators: candidate moments for a video and a query."""
