"""The methods that STRM is compared with, one file each: `embed`, `match`, `enrich`."""
