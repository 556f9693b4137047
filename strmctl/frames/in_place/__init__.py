"""Frames that somebody has extracted already, read where they lie."""
