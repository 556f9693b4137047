"""From original videos to a frame store that can be trusted."""
