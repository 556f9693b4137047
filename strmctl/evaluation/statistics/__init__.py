"""Numbers and intervals that are derived from predictions."""
