"""The frame store: its archives, manifest and settings."""
