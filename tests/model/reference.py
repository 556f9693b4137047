"""The paper's equations in plain loops over frames, patches, tuples, queries and classes: slow, and written apart.

Nothing here is shared with `strmctl.model`; weights arrive as arrays under the names of a state dict. An episode is
`{label: [clip, clip, …]}` for the support, each clip's frames an array `(L, D)`, and a list of clips for the queries.
"""

import functools
import math

import numpy as np
import torch


def weights_of(module):
    return {name: value.detach().double().numpy() for name, value in module.state_dict().items()}


def part(weights, prefix):
    return {name[len(prefix) + 1 :]: value for name, value in weights.items() if name.startswith(prefix + ".")}


def relative_error(actual, expected):
    actual, expected = np.asarray(torch.as_tensor(actual).detach()), np.asarray(expected)
    assert actual.shape == expected.shape
    return np.abs(actual - expected).max() / np.abs(expected).max()


def linear(weights, name, x):
    """Of a vector, or of each row of a matrix."""
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def relu(x):
    return np.maximum(x, 0)


def softmax(scores):
    powers = [math.exp(score - max(scores)) for score in scores]
    return [power / sum(powers) for power in powers]


def patch_enrichment(weights, patches, scaled=True, gated=False, encoded=False):
    """One frame's patches, (P, D): equations 2 and 3, and the three departures of the released code."""
    if encoded:
        patches = patches + 0.1 * positional_encoding(*patches.shape)
    gate = weights["gate"].item() if gated else 1.0
    queries, keys, values = (linear(weights, name, patches) for name in ("query", "key", "value"))
    alpha = np.empty_like(patches)
    for i, x in enumerate(patches):
        attention = softmax([float(queries[i] @ key) / (math.sqrt(len(x)) if scaled else 1.0) for key in keys])
        alpha[i] = x + gate * sum(share * value for share, value in zip(attention, values, strict=True))
    hidden = relu(linear(weights, "psi.2", relu(linear(weights, "psi.0", alpha))))
    return linear(weights, "psi.4", hidden) + alpha


def frame_enrichment(weights, frames, encoded=False):
    """One clip's frames, (L, D): equations 4 and 5; `encoded` as in the released code."""
    if encoded:
        frames = frames + 0.1 * positional_encoding(*frames.shape)
    mixed = linear(weights, "token_mixing.2", relu(linear(weights, "token_mixing.0", frames.T))).T + frames
    return linear(weights, "channel_mixing.2", relu(linear(weights, "channel_mixing.0", mixed))) + mixed


@functools.cache
def positional_encoding(frames, channels):
    table = np.zeros((frames, channels))
    for position in range(frames):
        for channel in range(channels):
            angle = position / 10000 ** (2 * (channel // 2) / channels)
            table[position, channel] = math.sin(angle) if channel % 2 == 0 else math.cos(angle)
    return table


def concatenated_tuples(frames, cardinality):
    """Every choice of `cardinality` frames, in the order of time, as one long vector."""
    chosen = [bits for bits in range(2 ** len(frames)) if bin(bits).count("1") == cardinality]
    return np.array([np.concatenate([frame for i, frame in enumerate(frames) if bits >> i & 1]) for bits in chosen])


def layer_norm(weights, name, x):
    spread = math.sqrt(((x - x.mean()) ** 2).mean() + 1e-5)
    return (x - x.mean()) / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def temporal_relations(weights, cardinality, distance, support, queries):
    """One cardinality; frames already carry their positional encoding. Logits (Q, C), classes in sorted order."""

    def keys_and_values(clip):
        tuples = concatenated_tuples(clip, cardinality)
        keys = [layer_norm(weights, "key_norm", key) for key in linear(weights, "key", tuples)]
        return keys, list(linear(weights, "value", tuples))

    logits = np.zeros((len(queries), len(support)))
    for column, label in enumerate(sorted(support)):
        class_keys, class_values = [], []
        for clip in support[label]:
            keys, values = keys_and_values(clip)
            class_keys += keys
            class_values += values
        for row, clip in enumerate(queries):
            distances = []
            for key, value in zip(*keys_and_values(clip), strict=True):
                attention = softmax([float(key @ other) / math.sqrt(len(key)) for other in class_keys])
                prototype = sum(share * other for share, other in zip(attention, class_values, strict=True))
                squared = ((value - prototype) ** 2).sum()
                distances.append(squared if distance == "squared" else math.sqrt(squared))
            logits[row, column] = -sum(distances) / len(distances)
    return logits


def query_class(weights, cardinality, support, queries):
    """One cardinality: equations 7 to 9. Logits (Q, C), classes in sorted order."""

    def embed(clip):
        return relu(linear(weights, "project", concatenated_tuples(clip, cardinality)))

    logits = np.zeros((len(queries), len(support)))
    for column, label in enumerate(sorted(support)):
        class_tuples = [z for clip in support[label] for z in embed(clip)]
        for row, clip in enumerate(queries):
            similarities = [max(-math.dist(z, other) for other in class_tuples) for z in embed(clip)]
            logits[row, column] = sum(similarities) / len(similarities)
    return logits


def pooled_patches(feature_map, grid):
    """A map (D, h, w) to the largest value in each cell of a grid, (grid², D), row by row; cells may overlap."""
    _, height, width = feature_map.shape
    patches = []
    for i in range(grid):
        for j in range(grid):
            rows = slice(i * height // grid, math.ceil((i + 1) * height / grid))
            columns = slice(j * width // grid, math.ceil((j + 1) * width / grid))
            patches.append(feature_map[:, rows, columns].max(axis=(1, 2)))
    return np.array(patches)


def strm(weights, settings, support_maps, query_maps):
    """The whole model behind the backbone; a clip is its maps, (L, D, h, w). Returns the logits of TRM and of QC.

    `settings["deviations"]` names what is done as in the released code.
    """
    deviations = settings.get("deviations", ())
    released = {
        "scaled": "unscaled_scores" not in deviations,
        "gated": "gate" in deviations,
        "encoded": "patch_encoding" in deviations,
    }
    share = 1 / len(settings["cardinalities"]) if "mean_over_cardinalities" in deviations else 1.0

    def enrich(maps):
        if settings["patch_enrichment"]:
            ple = part(weights, "patch_enrichment")
            patches = [pooled_patches(m, settings["patches"]) for m in maps]
            frames = np.array([patch_enrichment(ple, x, **released).mean(axis=0) for x in patches])
        else:
            frames = np.array([[channel.mean() for channel in m] for m in maps])
        if settings["frame_enrichment"]:
            fle = part(weights, "frame_enrichment")
            return frames, frame_enrichment(fle, frames, encoded="frame_encoding" in deviations)
        return frames, frames

    support = {label: [enrich(maps) for maps in clips] for label, clips in support_maps.items()}
    queries = [enrich(maps) for maps in query_maps]
    encoding = 0.1 * positional_encoding(*queries[0][0].shape)
    plain = {label: [h for h, _ in clips] for label, clips in support.items()}, [h for h, _ in queries]
    encoded = {label: [e + encoding for _, e in clips] for label, clips in support.items()}
    encoded = encoded, [e + encoding for _, e in queries]
    trm = sum(
        temporal_relations(part(weights, f"temporal_relations.relations.{w}"), w, settings["distance"], *encoded)
        for w in settings["cardinalities"]
    )
    parts = {w: part(weights, f"query_class.similarities.{w}") for w in settings["cardinalities"]}
    qc = sum(query_class(own, w, *plain) for w, own in parts.items() if own)  # 0 without W_cls
    return share * trm, share * qc
