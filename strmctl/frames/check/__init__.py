"""Whether a frame store can be trusted."""
