"""From JPEG images to tensors of pixels: decoded, resized, cropped; uint8."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import torch

JPEG = b"\xff\xd8"  # first bytes of a JPEG image


def decode_frames(encoded: Iterable[bytes]) -> torch.Tensor:
    """JPEG images of equal size as uint8 (L, 3, H, W), RGB.

    Raises:
        RuntimeError: an image is damaged.
    """
    return torch.stack([_decode(image) for image in encoded])


def _decode(image: bytes) -> torch.Tensor:
    try:  # torchvision will drop it; the published numbers were measured with the pixels that it gives
        from torchvision.io import ImageReadMode, decode_jpeg
    except ImportError:
        return _decode_with_opencv(image)
    if not image.startswith(JPEG):  # frames that somebody else extracted may be PNG
        return _decode_with_opencv(image)
    return decode_jpeg(torch.frombuffer(bytearray(image), dtype=torch.uint8), ImageReadMode.RGB)


def _decode_with_opencv(image: bytes) -> torch.Tensor:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    frame = cv2.imdecode(np.frombuffer(image, np.uint8), flags) if image else None
    if frame is None:
        raise RuntimeError("OpenCV cannot decode the image")
    return torch.from_numpy(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).permute(2, 0, 1).contiguous()


def centre_crop(pixels: torch.Tensor, crop: int) -> torch.Tensor:
    """Frames (L, 3, H, W) cut down to the square of `crop` pixels in their middle."""
    top, left = (pixels.shape[-2] - crop) // 2, (pixels.shape[-1] - crop) // 2
    return pixels[..., top : top + crop, left : left + crop]


def to_shorter_side(pixels: torch.Tensor, size: int) -> torch.Tensor:
    """Frames (L, 3, H, W) with the shorter side brought to `size` pixels; untouched when it is already."""
    if min(pixels.shape[-2:]) == size:
        return pixels
    from torchvision.transforms.v2 import functional as transforms  # imports torch's compiler, which takes a second

    return transforms.resize(pixels, [size], antialias=True)
