"""From original videos to a frame store."""
