"""Run folders, and how a recipe becomes a model."""
