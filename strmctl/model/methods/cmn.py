"""CMN, approximately: a memory of multi-saliency descriptors, after Zhu and Yang (ECCV 2018).

    a_lj = softmax over j of (W_a x_l + b_a)_j              how far frame x_l belongs to hidden variable h_j, m of them;
                                                            x_l has mean 0 and variance 1 over its numbers
    key_j = sum over frames l of a_lj (x_l - h_j)           constituent keys, each of length 1
    abstract = W [key_1 .. key_m] + b, of length 1          what the memory is searched by
    s = cosine of the abstract keys of the query and of a shot; every shot is a slot of the memory
    logit = scale * max over the shots of a class of s                     read-out `nearest`
            log of sum over the shots of a class of exp(scale * s)         read-out `attention`
    loss = cross-entropy of the logits
           max(0, margin + largest s of another class - largest s of the class)    loss `margin`

No code of the authors was published (their repository holds lists of clips), and the paper could not be read: this is
built from its abstract and a summary. From these are the multi-saliency descriptor as a sum of weighted residuals, and
nearest slots in a memory of abstract keys. [ours]: all else, among it normalised frames, without which small ones are
lost beside hidden variables, the softmax over these, lengths of 1, a scale that is learned, and cross-entropy; `margin`
is the loss of the older memories that CMN builds on. Rules of writing, the age of slots among them, do nothing in an
episode, whose memory has room for every shot. CMN-J, the row of the STRM paper, adds optical flow and a memory of
unlabelled clips, which are not imitated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strmctl.model.backbones.build import Backbone
from strmctl.model.enrichment import Clips, Enriched, enrich
from strmctl.model.episode import Features, Logits, Truth, match_clips
from strmctl.model.seeding import seeded

Readout = Literal["nearest", "attention"]
Loss = Literal["cross_entropy", "margin"]


class AbstractKey(nn.Module):
    """The abstract key of a clip: frames `(N, L, D)` to `(N, dim)`, of length 1.

    Args:
        channels: D, the width of a frame.
        variables: m, the number of hidden variables.
        dim: width of the key.
    """

    def __init__(self, *, channels: int, variables: int, dim: int) -> None:
        super().__init__()
        self.assign = nn.Linear(channels, variables)
        self.hidden = nn.Parameter(torch.randn(variables, channels) * channels**-0.5)
        self.compress = nn.Linear(variables * channels, dim)

    def forward(self, frames: Tensor) -> Tensor:
        """The keys."""
        frames = F.layer_norm(frames, frames.shape[-1:])
        shares = self.assign(frames).softmax(dim=-1)  # (N, L, m)
        residuals = shares.transpose(1, 2) @ frames - shares.sum(dim=1)[..., None] * self.hidden  # (N, m, D)
        return F.normalize(self.compress(F.normalize(residuals, dim=-1).flatten(1)), dim=-1)


class CMN(nn.Module):
    """Nearest slots of a memory of abstract keys.

    Args:
        backbone: clips `(N, L, 3, H, W)` to maps `(N, L', D, h, w)`.
        key: frames to abstract keys.
        readout: how the slots of a class answer.
        loss: what is trained.
        scale: factor of the cosines in the beginning; it is learned with cross-entropy.
        margin: lead of the right class that `margin` asks for, as a cosine.
        patches: P, patches along each side of a frame, only for attention maps.
    """

    def __init__(
        self,
        *,
        backbone: nn.Module,
        key: nn.Module,
        readout: Readout = "nearest",
        loss: Loss = "cross_entropy",
        scale: float = 10.0,
        margin: float = 0.5,
        patches: int = 4,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.key = key
        self.readout = readout
        self.loss = loss
        self.scale = nn.Parameter(torch.tensor(scale))
        self.margin = margin
        self.patches = patches

    def enrich(self, clips: Clips) -> Enriched:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, to patches and frames."""
        return enrich(clips, backbone=self.backbone, patches=self.patches)

    def embed(self, clips: Clips) -> Features:
        """Each clip's `abstract` key, `(N, dim)`."""
        return {"abstract": self.key(self.enrich(clips).frames)}

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Logits:
        """Logits `(B, Q, C)` from `support` `(B, C, K, dim)`, `query` `(B, Q, dim)` and `mask` `(B, C, K)`.

        `other` is the largest cosine of a class.
        """
        slots = support["abstract"]
        cosines = (query["abstract"] @ slots.flatten(1, 2).transpose(1, 2)).unflatten(2, slots.shape[1:3])
        if mask is None:
            mask = torch.ones(slots.shape[:3], dtype=torch.bool, device=slots.device)
        absent = ~mask[:, None]  # (B, 1, C, K), beside cosines, (B, Q, C, K)
        nearest = cosines.masked_fill(absent, -torch.inf).amax(dim=-1)
        if self.readout == "nearest":
            return Logits(self.scale * nearest, other=nearest)
        return Logits((self.scale * cosines).masked_fill(absent, -torch.inf).logsumexp(dim=-1), other=nearest)

    def losses(
        self, logits: Logits, support: Mapping[str, Tensor], query: Mapping[str, Tensor], truth: Truth
    ) -> dict[str, Tensor]:
        """Cross-entropy, or what the right class lacks of its lead."""
        if self.loss == "cross_entropy":
            return {"match": truth.cross_entropy(logits.total)}
        columns = truth.columns[..., None]  # (B, Q, 1)
        right = logits.other.gather(2, columns)
        wrong = logits.other.scatter(2, columns, -torch.inf).amax(dim=-1, keepdim=True)
        lacking = F.relu(self.margin + wrong - right)
        return {"match": lacking.sum() if truth.reduction == "sum" else lacking.mean()}

    def forward(self, support_clips: Clips, support_labels: Tensor, query_clips: Clips) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, C)`."""
        return match_clips(self, support_clips, support_labels, query_clips)


def build_cmn(
    *,
    backbone: Backbone,
    variables: int = 5,
    dim: int = 512,
    readout: Readout = "nearest",
    loss: Loss = "cross_entropy",
    scale: float = 10.0,
    margin: float = 0.5,
    patches: int = 4,
    seed: int = 0,
) -> CMN:
    """Builds CMN, initialised from its seed; arguments as for the classes above."""
    with seeded(seed, "cmn"):
        key = AbstractKey(channels=backbone.dim, variables=variables, dim=dim)
    more = {"readout": readout, "loss": loss, "scale": scale, "margin": margin, "patches": patches}
    return CMN(backbone=backbone, key=key, **more)
