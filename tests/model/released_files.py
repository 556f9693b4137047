"""Checkpoints as the released code saves them, made from the names and shapes that it has; weights are random."""

import torch
from torchvision import models

from strmctl.model.presets import DEVIATIONS
from tests.model import reference
from tests.model.small import by_label

WIDTHS = {"resnet18": 512, "resnet34": 512, "resnet50": 2048}


def trunk(name):
    """The ResNet as the released code cuts it: its children in order, without pooling and classifier."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(*list(getattr(models, name)(weights=None).children())[:-2])
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network


def state_dict(
    name="resnet18", cardinalities=(2, 3), *, enrichment=True, module="", w_cls=None, dim=1152, frames=8, patches=16
):
    """A state dict; `module` is put in where several GPUs do; `w_cls` is the width of W_cls, None to leave it out."""
    width = WIDTHS[name]
    state = {f"resnet.{module}{key}": value for key, value in trunk(name).state_dict().items()}
    encoding = 0.1 * torch.from_numpy(reference.positional_encoding(int(1.5 * patches), width))[None]

    def linear(key, outputs, inputs):
        state[f"{key}.weight"] = torch.randn(outputs, inputs) / inputs**0.5
        state[f"{key}.bias"] = 0.1 * torch.randn(outputs)

    for i, w in enumerate(cardinalities):
        state[f"transformers.{i}.pe.pe"] = encoding[:, : int(1.5 * frames)]
        linear(f"transformers.{i}.k_linear", dim, w * width)
        linear(f"transformers.{i}.v_linear", dim, w * width)
        for norm in ("norm_k", "norm_v"):
            state[f"transformers.{i}.{norm}.weight"] = torch.rand(dim) + 0.5
            state[f"transformers.{i}.{norm}.bias"] = torch.randn(dim)
        if w_cls is not None:
            linear(f"query_class.{i}.clsW", w_cls, w * width)
    if enrichment:
        ple, fle = f"attn_pat.{module}", f"fr_enrich.{module}"
        for key in ("key_proj", "query_proj", "value_conv"):
            linear(ple + key, width, width)
        state[f"{ple}gamma"] = torch.tensor([0.5])
        linear(f"{ple}Bot_MLP.inp_fc", width // 2, width)
        linear(f"{ple}Bot_MLP.hid_fc", width // 2, width // 2)
        linear(f"{ple}Bot_MLP.out_fc", width, width // 2)
        state[f"{ple}pe.pe"] = encoding
        for key, size in (("Tok_MLP", frames), ("Bot_MLP", width)):
            linear(f"{fle}{key}.inp_fc", size, size)
            linear(f"{fle}{key}.out_fc", size, size)
        state[f"{fle}pe.pe"] = encoding[:, : int(1.5 * frames)]
    return state


def checkpoint(state):
    """The dict around it, with what SGD and a schedule leave in it."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=1e-3)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1_000_000])
    return {
        "iteration": 75000,
        "model_state_dict": state,
        "optimizer_state_dict": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
    }


NAMES = {  # released name -> ours, of the layers behind the backbone
    "attn_pat.query_proj": "patch_enrichment.query",
    "attn_pat.key_proj": "patch_enrichment.key",
    "attn_pat.value_conv": "patch_enrichment.value",
    "attn_pat.Bot_MLP.inp_fc": "patch_enrichment.psi.0",
    "attn_pat.Bot_MLP.hid_fc": "patch_enrichment.psi.2",
    "attn_pat.Bot_MLP.out_fc": "patch_enrichment.psi.4",
    "fr_enrich.Tok_MLP.inp_fc": "frame_enrichment.token_mixing.0",
    "fr_enrich.Tok_MLP.out_fc": "frame_enrichment.token_mixing.2",
    "fr_enrich.Bot_MLP.inp_fc": "frame_enrichment.channel_mixing.0",
    "fr_enrich.Bot_MLP.out_fc": "frame_enrichment.channel_mixing.2",
}


def logits(state, name, cardinalities, episode):
    """The released code's TRM and query-class logits in plain loops (float64)."""
    support, labels, queries = episode
    names = dict(NAMES)
    for i, w in enumerate(cardinalities):
        for theirs, ours in (("k_linear", "key"), ("v_linear", "value"), ("norm_k", "key_norm")):
            names[f"transformers.{i}.{theirs}"] = f"temporal_relations.relations.{w}.{ours}"
        names[f"query_class.{i}.clsW"] = f"query_class.similarities.{w}.project"
    weights = {}
    for key, value in state.items():
        layer, _, kind = key.replace("module.", "").rpartition(".")
        ours = "patch_enrichment.gate" if kind == "gamma" else f"{names.get(layer)}.{kind}"
        weights[ours] = value.double().numpy()
    enriched = "patch_enrichment.gate" in weights
    settings = {"patches": 4, "patch_enrichment": enriched, "frame_enrichment": enriched, "distance": "squared"}
    settings |= {"cardinalities": cardinalities, "deviations": list(DEVIATIONS)}
    network = trunk(name).double().eval()
    with torch.no_grad():
        shots, clips = ([network(clip).numpy() for clip in part] for part in (support, queries))
    return reference.strm(weights, settings, by_label(shots, labels), clips)
