"""Layers and functions that several methods have in common."""
