"""From videos to episodes of clips."""
