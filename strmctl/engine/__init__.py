"""Training, evaluation and their folders."""
