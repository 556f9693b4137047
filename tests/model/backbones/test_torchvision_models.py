"""torchvision without torch's compiler, until somebody wants that."""

import subprocess
import sys

SCRIPT = """
import sys
import strmctl.classify.classifier, strmctl.evaluation.run, strmctl.training.run
assert not [name for name in sys.modules if name.startswith("torch._dynamo")]
import torch
from torchvision.ops import roi_align
from torchvision.ops.roi_align import is_compile_supported
assert is_compile_supported("cpu") in (True, False)
import torch._dynamo.utils
assert torch._dynamo.utils.is_compile_supported is not is_compile_supported
assert roi_align(torch.ones(1, 1, 4, 4), [torch.tensor([[0.0, 0, 2, 2]])], output_size=2).sum() == 4
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item() == 2
"""


def test_the_compiler_is_not_imported_before_it_is_needed():
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)


def test_a_compiler_that_is_there_stays():
    script = (
        "import torch._dynamo.utils as own; import strmctl.model.backbones.torchvision_models as made, sys; "
        "assert sys.modules[made.COMPILER] is own"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
