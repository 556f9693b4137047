"""STRM and the methods that it is compared with, one file each."""
