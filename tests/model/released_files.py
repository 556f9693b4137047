"""Checkpoints as the released code saves them, made from the names and shapes that it has; weights are random."""

import numpy as np
import torch
from torchvision import models

from tests.model import reference

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


def logits(state, name, cardinalities, episode):
    """The released code's TRM and query-class logits in plain loops (float64): means over the cardinalities."""
    support, labels, queries = episode
    weights = {key.replace("module.", ""): value.double().numpy() for key, value in state.items()}
    network = trunk(name).double().eval()
    enriched = any(key.startswith("attn_pat") for key in weights)

    def named(prefix, names):
        found = {}
        for theirs, ours in names.items():
            for kind in ("weight", "bias"):
                found[f"{ours}.{kind}"] = weights[f"{prefix}.{theirs}.{kind}"]
        return found

    def frames_of(clip):
        with torch.no_grad():
            maps = network(clip).numpy()
        if not enriched:
            return maps.mean(axis=(2, 3)), maps.mean(axis=(2, 3))
        names = {"query_proj": "query", "key_proj": "key", "value_conv": "value"}
        names |= {"Bot_MLP.inp_fc": "psi.0", "Bot_MLP.hid_fc": "psi.2", "Bot_MLP.out_fc": "psi.4"}
        ple = named("attn_pat", names) | {"gate": weights["attn_pat.gamma"]}
        patches = [reference.pooled_patches(m, 4) for m in maps]
        how = {"scaled": False, "gated": True, "encoded": True}
        h = np.array([reference.patch_enrichment(ple, x, **how).mean(axis=0) for x in patches])
        names = {"Tok_MLP.inp_fc": "token_mixing.0", "Tok_MLP.out_fc": "token_mixing.2"}
        names |= {"Bot_MLP.inp_fc": "channel_mixing.0", "Bot_MLP.out_fc": "channel_mixing.2"}
        return h, reference.frame_enrichment(named("fr_enrich", names), h, encoded=True)

    encoding = 0.1 * reference.positional_encoding(8, WIDTHS[name])
    classes = {label: [] for label in labels}
    for label, clip in zip(labels, support, strict=True):
        classes[label].append(frames_of(clip))
    clips = [frames_of(clip) for clip in queries]
    encoded = {label: [e + encoding for _, e in shots] for label, shots in classes.items()}
    plain = {label: [h for h, _ in shots] for label, shots in classes.items()}
    trm = qc = 0
    for i, w in enumerate(cardinalities):
        relation = named(f"transformers.{i}", {"k_linear": "key", "v_linear": "value", "norm_k": "key_norm"})
        queries_encoded = [e + encoding for _, e in clips]
        trm = trm + reference.temporal_relations(relation, w, "squared", encoded, queries_encoded)
        if f"query_class.{i}.clsW.weight" in weights:
            projection = named(f"query_class.{i}", {"clsW": "project"})
            qc = qc + reference.query_class(projection, w, plain, [h for h, _ in clips])
    return trm / len(cardinalities), qc / len(cardinalities)
