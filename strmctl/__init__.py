"""strmctl: few-shot action recognition with spatio-temporal relation modelling (STRM, CVPR 2022)."""

__version__ = "0.1.0"
