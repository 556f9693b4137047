"""Which clips are support and which are queries, and their pixels."""
