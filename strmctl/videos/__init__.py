"""One video file: how it is decoded, which of its frames are taken, and their pixels."""
