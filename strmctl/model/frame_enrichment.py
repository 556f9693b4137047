"""Frame-level enrichment (FLE): an MLP-mixer over the frames of one clip.

    H* = (W_t2 relu(W_t1 H)) + H, along the frames        E = relu(H* W_r1) W_r2 + H*, along the channels

These are equations 4 and 5. Every projection has a bias. The shapes of the weights depend on the number of frames, so a
model takes clips of one length. The released code first adds a positional encoding to H: the argument `encoding`.
"""

from __future__ import annotations

from torch import Tensor, nn


class FrameEnrichment(nn.Module):
    """Token mixing over the frames of a clip, then channel mixing, each with a residual.

    Args:
        frames: L, frames per clip.
        channels: D, the width of a frame.
        encoding: positional encoding, applied to H first; None in the paper.
    """

    def __init__(self, *, frames: int, channels: int, encoding: nn.Module | None = None) -> None:
        super().__init__()
        self.token_mixing = nn.Sequential(nn.Linear(frames, frames), nn.ReLU(), nn.Linear(frames, frames))
        self.channel_mixing = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels))
        self.encoding = encoding

    def forward(self, frames: Tensor) -> Tensor:
        """Enriches the frames of each clip: H, `(N, L, D)`, to E, `(N, L, D)`."""
        if self.encoding is not None:
            frames = self.encoding(frames)
        by_channel = frames.transpose(1, 2)  # (N, D, L)
        mixed = self.token_mixing(by_channel).transpose(1, 2) + frames  # (N, L, D)
        return self.channel_mixing(mixed) + mixed
