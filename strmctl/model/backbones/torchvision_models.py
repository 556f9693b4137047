"""torchvision's networks, imported without torch's compiler, which takes as long to import as all the rest.

`torchvision.ops.roi_align` asks the compiler's package for one function, and calls it only within `roi_align`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import ModuleType

COMPILER = "torch._dynamo.utils"


@contextlib.contextmanager
def _compiler_on_demand() -> Iterator[None]:
    """Puts something light in the place of the compiler's package, unless that is there already."""
    if COMPILER in sys.modules:
        yield
        return
    stand_in = ModuleType(COMPILER)
    stand_in.is_compile_supported = _is_compile_supported
    sys.modules[COMPILER] = stand_in
    try:
        yield
    finally:
        del sys.modules[COMPILER]


def _is_compile_supported(device_type: str) -> bool:
    from torch._dynamo.utils import is_compile_supported

    return is_compile_supported(device_type)


try:
    with _compiler_on_demand():
        from torchvision import models
        from torchvision.ops import StochasticDepth
except (ImportError, AttributeError):  # a version of torchvision that asks for more
    from torchvision import models
    from torchvision.ops import StochasticDepth

__all__ = ["StochasticDepth", "models"]
