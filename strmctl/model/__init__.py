"""STRM and its blocks."""
