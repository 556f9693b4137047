"""HF-AR, approximately: a variational code of a clip, turned by a Householder flow (arXiv 2108.08990).

    h = last state of an LSTM over the frames of a clip, each with mean 0 and variance 1 over its numbers
    z = mu(h) + exp(s(h) / 2) eps        eps standard normal in training, 0 in tests
    v_1 = V_1 h, v_t = V_t v_{t-1}       z <- z - 2 v_t (v_tᵀ z) / |v_t|²        of each of the T reflections
    logit = -|z_q - p_c|² / temperature        p_c the mean of the codes of the shots of class c
    loss = CE + weight · KL / width of z + weight · mean square of (decoder(z) - frames)

A reflection changes no length, so that the divergence from a standard normal is that of the code before the flow:
KL = sum of (mu² + exp(s) - s - 1) / 2. The decoder is an LSTM that is given the code at each step.

The paper's abstract alone could be read: an encoder and decoder of LSTMs on features of frames, and a variational
posterior refined by Householder transformations, whose formula is from Tomczak and Welling (arXiv 1611.09630). [ours]:
all else, among it all sizes and weights, the metric and its temperature, the decoder, that frames are not pulled
towards what it makes of them, and that they are normalised: those of an untrained network are so much alike that an
LSTM tells no clip from another. The authors have an adapter for new classes, which is not imitated.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strmctl.model.backbones.build import Backbone
from strmctl.model.enrichment import Clips, Enriched, enrich
from strmctl.model.episode import Features, Logits, Truth, match_clips, mean_over_shots
from strmctl.model.seeding import seeded

LOG_VARIANCE = -8.0  # in the beginning; from 0, what is drawn drowns what an untrained LSTM says of a clip


class VariationalCode(nn.Module):
    """The code of a clip, from its normalised frames `(N, L, D)`.

    Args:
        channels: D, the width of a frame.
        hidden: width of the LSTM's state.
        dim: width of the code.
        flows: T, the number of reflections.
    """

    def __init__(self, *, channels: int, hidden: int, dim: int, flows: int) -> None:
        super().__init__()
        self.encoder = nn.LSTM(channels, hidden, batch_first=True)
        self.mean = nn.Linear(hidden, dim)
        self.log_variance = nn.Linear(hidden, dim)
        nn.init.constant_(self.log_variance.bias, LOG_VARIANCE)
        self.vectors = nn.ModuleList(nn.Linear(dim if number else hidden, dim) for number in range(flows))

    def forward(self, frames: Tensor) -> Features:
        """`code`, `mean` and `log_variance`, `(N, dim)` each; codes are drawn in training."""
        with torch.autocast(frames.device.type, enabled=False):  # a reflection is a small difference of large numbers
            state = self.encoder(frames.to(self.mean.weight.dtype))[1][0][0]  # (N, hidden)
            mean, log_variance = self.mean(state), self.log_variance(state)
            code = mean
            if self.training:
                code = mean + (log_variance / 2).exp() * torch.randn_like(mean)
            for layer in self.vectors:
                state = layer(state)
                unit = F.normalize(state, dim=-1)
                code = code - 2 * unit * (unit * code).sum(dim=-1, keepdim=True)
        return {"code": code, "mean": mean, "log_variance": log_variance}


class Decoder(nn.Module):
    """Frames `(N, L, D)` from codes `(N, dim)`.

    Args:
        dim: width of a code.
        hidden: width of the LSTM's state.
        channels: D.
    """

    def __init__(self, *, dim: int, hidden: int, channels: int) -> None:
        super().__init__()
        self.states = nn.LSTM(dim, hidden, batch_first=True)
        self.frame = nn.Linear(hidden, channels)

    def forward(self, codes: Tensor, length: int) -> Tensor:
        """So many frames of each."""
        return self.frame(self.states(codes[:, None].expand(-1, length, -1))[0])


class HFAR(nn.Module):
    """Nearest mean code.

    Args:
        backbone: clips `(N, L, 3, H, W)` to maps `(N, L', D, h, w)`.
        code: frames to codes.
        temperature: what squared distances are divided by.
        divergence_weight: weight of the divergence per number of the code.
        reconstruction_weight: weight of the decoder's error; 0 for none.
        patches: P, patches along each side of a frame, only for attention maps.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        code: VariationalCode,
        temperature: float = 1.0,
        divergence_weight: float = 0.01,
        reconstruction_weight: float = 0.1,
        patches: int = 4,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.code = code
        self.temperature = temperature
        self.divergence_weight = divergence_weight
        self.reconstruction_weight = reconstruction_weight
        self.patches = patches
        self.training_only: nn.Module | None = None

    def prepare_training(self, classes: int) -> None:
        """Makes the decoder."""
        dim, hidden = self.code.mean.out_features, self.code.mean.in_features
        if self.reconstruction_weight:
            self.training_only = Decoder(dim=dim, hidden=hidden, channels=self.backbone.dim)

    def enrich(self, clips: Clips) -> Enriched:
        """Clips `(N, L, 3, H, W)`, float in [0, 1], or their `Maps`, to patches and frames."""
        return enrich(clips, backbone=self.backbone, patches=self.patches)

    def embed(self, clips: Clips) -> Features:
        """Each clip's `code`, `(N, dim)`; in training also what its losses need."""
        frames = self.enrich(clips).frames
        frames = F.layer_norm(frames, frames.shape[-1:])
        features = self.code(frames)
        if not self.training:
            return {"code": features["code"]}
        if self.training_only is not None:
            made = self.training_only(features["code"], frames.shape[1])
            features["error"] = (made - frames.detach()).square().mean(dim=(1, 2))  # (N)
        return features

    def match(self, support: Mapping[str, Tensor], query: Mapping[str, Tensor], mask: Tensor | None = None) -> Logits:
        """Logits `(B, Q, C)` from `support` `(B, C, K, dim)`, `query` `(B, Q, dim)` and `mask` `(B, C, K)`."""
        prototypes = mean_over_shots(support["code"], mask)  # (B, C, dim)
        distances = (query["code"][:, :, None] - prototypes[:, None]).square().sum(dim=-1)
        return Logits(-distances / self.temperature)

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the losses."""
        return ("match", "divergence", *["reconstruction"] * (self.training_only is not None))

    def losses(
        self, logits: Logits, support: Mapping[str, Tensor], query: Mapping[str, Tensor], truth: Truth
    ) -> dict[str, Tensor]:
        """Cross-entropy of the logits, divergence from a standard normal, and the decoder's error, with weights."""

        def of_clips(name: str) -> Tensor:
            """Of the support and of the queries: (B, C·K + Q, …)."""
            return torch.cat([support[name].flatten(1, 2), query[name]], dim=1)

        mean, log_variance = of_clips("mean"), of_clips("log_variance")
        divergence = truth.beside((mean.square() + log_variance.exp() - log_variance - 1).mean() / 2)
        found = {"match": truth.cross_entropy(logits.total), "divergence": self.divergence_weight * divergence}
        if self.training_only is not None:
            found["reconstruction"] = self.reconstruction_weight * truth.beside(of_clips("error").mean())
        return found

    def forward(self, support_clips: Clips, support_labels: Tensor, query_clips: Clips) -> Logits:
        """One episode from its clips; see `match_clips`. Logits `(Q, C)`."""
        return match_clips(self, support_clips, support_labels, query_clips)


def build_hf_ar(
    *,
    backbone: Backbone,
    hidden: int = 512,
    dim: int = 256,
    flows: int = 4,
    temperature: float = 1.0,
    divergence_weight: float = 0.01,
    reconstruction_weight: float = 0.1,
    patches: int = 4,
    seed: int = 0,
) -> HFAR:
    """Builds HF-AR, initialised from its seed; arguments as for the classes above."""
    with seeded(seed, "hf_ar"):
        code = VariationalCode(channels=backbone.dim, hidden=hidden, dim=dim, flows=flows)
    weights = {"divergence_weight": divergence_weight, "reconstruction_weight": reconstruction_weight}
    return HFAR(backbone=backbone, code=code, temperature=temperature, **weights, patches=patches)
