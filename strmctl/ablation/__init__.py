"""Grids of runs: which they are, how they are run, and what came out."""
