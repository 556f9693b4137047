"""Runs compared on the very same episodes."""
