"""Attention, the transformer layer and HyRSM's positional encoding against loops over elements, heads and channels."""

import math

import pytest
import torch
from torch import nn

from strmctl.model.layers.attention import MultiHeadAttention, TransformerLayer
from strmctl.model.layers.scaled_positions import ScaledPositions
from tests.model.reference import relative_error


def sequences(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def linear(vector, weight, bias=None):
    rows = [sum(w * x for w, x in zip(row, vector, strict=True)) for row in weight]
    return rows if bias is None else [value + shift for value, shift in zip(rows, bias, strict=True)]


def attended(layer, sequence):
    """What each element of one sequence, a list of lists, takes from it."""
    weight, width, heads = layer.inputs.weight.tolist(), layer.width, layer.heads
    projected = [linear(element, weight) for element in sequence]

    def part(element, which, head):
        first = (which * heads + head) * width
        return element[first : first + width]

    results = []
    for one in projected:
        side_by_side = []
        for head in range(heads):
            scores = [
                sum(q * k for q, k in zip(part(one, 0, head), part(other, 1, head), strict=True)) / math.sqrt(width)
                for other in projected
            ]
            shares = [math.exp(score) for score in scores]
            for channel in range(width):
                values = [share * part(other, 2, head)[channel] for share, other in zip(shares, projected, strict=True)]
                side_by_side.append(sum(values) / sum(shares))
        results.append(linear(side_by_side, layer.output.weight.tolist(), layer.output.bias.tolist()))
    return results


def normalised(vector, norm):
    mean = sum(vector) / len(vector)
    deviation = math.sqrt(sum((x - mean) ** 2 for x in vector) / len(vector) + 1e-5)
    return [
        w * (x - mean) / deviation + b for x, w, b in zip(vector, norm.weight.tolist(), norm.bias.tolist(), strict=True)
    ]


def transformed(layer, sequence):
    mixed = attended(layer.attention, [normalised(element, layer.norm) for element in sequence])
    results = [[x + a for x, a in zip(*pair, strict=True)] for pair in zip(sequence, mixed, strict=True)]
    if layer.network is None:
        return results
    first, last = layer.network[0], layer.network[3]
    for row, element in enumerate(results):
        hidden = linear(element, first.weight.tolist(), first.bias.tolist())
        hidden = [0.5 * x * (1 + math.erf(x / math.sqrt(2))) for x in hidden]
        own = linear(hidden, last.weight.tolist(), last.bias.tolist())
        results[row] = [x + y for x, y in zip(element, own, strict=True)]
    return results


@pytest.mark.parametrize(("channels", "heads", "hidden"), [(6, 2, None), (6, 4, 5), (5, 3, 7), (4, 1, None), (3, 8, 2)])
def test_a_layer_equals_the_loops_whatever_the_number_of_heads(channels, heads, hidden):
    torch.manual_seed(0)
    layer = TransformerLayer(channels=channels, heads=heads, hidden=hidden).double().eval()
    nn.init.normal_(layer.norm.weight)
    nn.init.normal_(layer.norm.bias)
    many = sequences(2, 3, 4, channels)
    expected = [[transformed(layer, sequence) for sequence in some] for some in many.tolist()]
    assert relative_error(layer(many), expected) < 1e-12


@torch.no_grad()
def test_the_parts_of_attention_and_its_dropout():
    torch.manual_seed(0)
    layer = MultiHeadAttention(channels=6, heads=2, dropout=0.5, attention_dropout=0.5).double()
    many = sequences(2, 4, 6)
    assert torch.equal(layer.eval()(many), layer.mix(layer.project(many)))
    assert relative_error(layer.project(2 * many), 2 * layer.project(many)) < 1e-12, "linear"
    dropped = layer.train()(many)
    assert 0 < int((dropped == 0).sum()) < dropped.numel()
    layer.dropout.p = 0.0
    assert relative_error(layer(many), layer.eval()(many)) > 0.01, "weights are dropped as well"


@pytest.mark.parametrize(("channels", "a", "b"), [(6, 10.0, 1.0), (7, 2048.0, 0.01)])
def test_positions_equal_the_loops(channels, a, b):
    layer = ScaledPositions(length=5, channels=channels, a=a, b=b).double().eval()
    many = sequences(2, 4, channels)
    expected = many.tolist()
    for sequence in expected:
        for position, element in enumerate(sequence):
            for channel in range(0, channels, 2):
                angle = position / 10000 ** (2 * channel / channels)
                element[channel] = element[channel] * math.sqrt(channels / a) + b * math.sin(angle)
            for channel in range(1, channels, 2):
                angle = position / 10000 ** (2 * channel / channels)
                element[channel] = element[channel] * math.sqrt(channels / a) + b * math.cos(angle)
    assert relative_error(layer(many), expected) < 1e-12
    assert layer.state_dict() == {}
