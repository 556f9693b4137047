"""Sprites: the data set that the tool renders itself."""
