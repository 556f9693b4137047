"""TRX (Perrett et al., CVPR 2021): temporal relations straight on the backbone's frames.

With cardinalities {2, 3} it is TRX as published; with {2} it is the STRM paper's baseline, TRM. Logits of several
cardinalities are summed, as in Eq. 1 of the STRM paper; the released TRX code takes their mean.
"""

from __future__ import annotations

from typing import Any

from strmctl.model.methods.strm import STRM, build_strm


def build_trx(**arguments: Any) -> STRM:
    """Build TRX: STRM of TRM alone. Arguments are those of `build_strm`."""
    return build_strm(patch_enrichment=False, frame_enrichment=False, query_class=False, **arguments)
