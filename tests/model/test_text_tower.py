"""Text towers: names in words, each vector made once, and weights that agree with a whole model of open_clip."""

import sys

import pytest
import torch
from torch import nn

from strmctl.errors import CheckpointError, DataError, RecipeError, UsageError
from strmctl.model import text_tower
from strmctl.model.seeding import seeded
from strmctl.model.text_tower import OWN, TextTower, build_text_tower, readable


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ApplyEyeMakeup", "apply eye makeup"),
        ("brush_hair", "brush hair"),
        ("air drumming", "air drumming"),
        ("TaiChi", "tai chi"),
        ("YoYo", "yo yo"),
        ("DIYCraft", "diy craft"),
        ("playTV", "play tv"),
        ("NA", "na"),
        ("Pushing [something] from left to right", "pushing something from left to right"),
        ("pour__water ", "pour water"),
        ("zigzag left 2", "zigzag left 2"),
        ("Größe", "größe"),
    ],
)
def test_names_become_words(name, words):
    assert readable(name) == words == readable(words)


class Counts(nn.Module):
    """One number for each prompt, its number of letters, and how often it was asked."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.prompts = []

    def forward(self, tokens):
        return tokens * self.weight

    def tokenize(self, prompts):
        self.prompts += prompts
        return torch.tensor([[float(len(prompt))] for prompt in prompts])


def counting():
    network = Counts()
    return network, TextTower(network=network, tokenize=network.tokenize, dim=1)


def test_each_text_is_made_once_until_the_weights_change():
    network, tower = counting()
    assert tower(["hop", "sit", "hop"]).tolist() == [[14.0], [14.0], [14.0]]
    assert tower(["swim", "hop"]).tolist() == [[15.0], [14.0]]
    assert network.prompts == ["a photo of hop", "a photo of sit", "a photo of swim"]
    nn.Sequential(tower).load_state_dict({"0.network.weight": torch.tensor([2.0])})
    assert tower(["hop"]).tolist() == [[28.0]]
    assert tower.double()(["hop"]).dtype == torch.float64


def test_a_tower_is_never_trained_and_its_texts_serve_a_gradient_wherever_they_were_made():
    _, tower = counting()
    assert not nn.Sequential(tower).train()[0].training
    assert not any(own.requires_grad for own in tower.parameters())
    with torch.inference_mode():
        tower(["hop"])
    factor = torch.ones(1, requires_grad=True)
    (tower(["hop"]) * factor).sum().backward()
    assert factor.grad.item() == 14.0


@pytest.fixture(scope="module")
def clip():
    """A whole model of open_clip with a text tower like `tiny`."""
    from open_clip import CLIP

    sizes = OWN["tiny"]
    torch.manual_seed(0)
    vision = {"image_size": 8, "patch_size": 8, "width": 16, "layers": 1, "head_width": 8}
    return CLIP(sizes["embed_dim"], vision, {**sizes["text_cfg"], "vocab_size": 49408}).eval()


def save(path, state):
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file({key: value.contiguous() for key, value in state.items()}, path)
    else:
        torch.save(state, path)
    return str(path)


@pytest.mark.slow  # importing open_clip takes seconds
@torch.no_grad()
@pytest.mark.parametrize("file", ["clip.pt", "clip.safetensors", "text.pt", "ours.pt"])
def test_a_file_of_a_whole_model_gives_its_texts(clip, tmp_path, file):
    from open_clip.tokenizer import SimpleTokenizer

    state = dict(clip.state_dict())
    if file == "text.pt":  # as models with a tower of their own name them
        state = {key if key.startswith("visual.") else f"text.{key}": value for key, value in state.items()}
    if file == "ours.pt":
        state = {f"text_tower.network.{key}": value for key, value in state.items() if not key.startswith("visual.")}
    tower = build_text_tower("tiny", weights=save(tmp_path / file, state))
    wanted = clip.encode_text(SimpleTokenizer(context_length=32)(["a photo of apply eye makeup", "a photo of hop"]))
    torch.testing.assert_close(tower(["ApplyEyeMakeup", "hop"]), wanted)
    assert tower.dim == wanted.shape[1] == 128


@pytest.mark.slow  # importing open_clip takes seconds
@torch.no_grad()
def test_random_weights_come_from_the_seed_and_tell_names_apart():
    def tower(seed):
        with seeded(seed, "text_tower"):
            return build_text_tower("tiny", weights="none")

    one, again, other = tower(0), tower(0), tower(1)
    found = one(["move up", "up move", "move down"])
    assert torch.equal(found, again(["move up", "up move", "move down"]))
    assert not torch.equal(found, other(["move up", "up move", "move down"]))
    assert len({tuple(row) for row in found.tolist()}) == 3


@pytest.mark.slow  # importing open_clip takes seconds
@pytest.mark.parametrize(("weights", "quick"), [("openai", True), ("laion2b_s34b_b88k", False), ("none", False)])
def test_a_tower_of_open_clip_has_the_activation_that_its_weights_were_trained_with(weights, quick):
    with torch.device("meta"):
        tower = build_text_tower("ViT-B-16", weights=weights, pretrained=False)
    assert tower.dim == 512 and len(tower.network.transformer.resblocks) == 12
    assert (type(tower.network.transformer.resblocks[0].mlp.gelu).__name__ == "QuickGELU") == quick


@pytest.mark.slow  # importing open_clip takes seconds
def test_weights_that_open_clip_knows_come_from_the_hub(monkeypatch, clip):
    import open_clip

    asked = []
    monkeypatch.setattr(text_tower, "fetch_hub", lambda *words: asked.append(words) or dict(clip.state_dict()))
    known = {("tiny", "openai"): {"hf_hub": "someone/something/", "quick_gelu": False}}
    monkeypatch.setattr(open_clip, "get_pretrained_cfg", lambda name, tag: known.get((name, tag), {}))
    tower = build_text_tower("tiny", weights="openai", announce=print)
    assert torch.equal(tower.network.token_embedding.weight, clip.token_embedding.weight)
    ((name, repository, announce, files, ways_out),) = asked
    assert (name, repository, announce) == ("the text tower tiny", "someone/something", print)
    assert (
        files == ("open_clip_model.safetensors", "open_clip_pytorch_model.bin") and "clip_fsar.text_weights" in ways_out
    )
    build_text_tower("tiny", weights="openai", pretrained=False)
    assert len(asked) == 1, "a checkpoint replaces them"
    known["tiny", "openai"]["hf_hub"] = "someone/something/file.bin"
    build_text_tower("tiny", weights="openai")
    assert asked[1][1] == "someone/something" and asked[1][3] == ("file.bin", "file.bin")


@pytest.mark.slow  # importing open_clip takes seconds
@pytest.mark.parametrize(
    ("name", "weights", "kind", "words"),
    [
        ("ViT-B16", "none", RecipeError, ["is no model of open_clip", "ViT-B-16", "tiny"]),
        ("roberta-ViT-B-32", "none", RecipeError, ["has no text tower as CLIP has it"]),
        ("tiny", "nowhere.pt", DataError, ["'nowhere.pt'", "no such file", "clip_fsar.text_weights=none"]),
        ("tiny", "~no_such_user/x.pt", UsageError, ["no_such_user"]),
        ("RN50", "openia", DataError, ["'openia'", "did you mean openai?", "yfcc15m"]),
    ],
)
def test_what_is_no_tower_or_no_weights_is_said(name, weights, kind, words):
    with torch.device("meta"), pytest.raises(kind) as caught:
        build_text_tower(name, weights=weights)
    for word in words:
        assert word in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.slow  # importing open_clip takes seconds
def test_weights_of_another_tower_are_refused(clip, tmp_path):
    state = dict(clip.state_dict())
    del state["ln_final.weight"]
    with pytest.raises(CheckpointError, match=r"ln_final\.weight is missing"):
        build_text_tower("tiny", weights=save(tmp_path / "a.pt", state))
    state["ln_final.weight"] = torch.ones(3)
    with pytest.raises(CheckpointError, match=r"ln_final\.weight is \(3,\), not \(64,\)"):
        build_text_tower("tiny", weights=save(tmp_path / "b.pt", state))
    (tmp_path / "c.pt").write_text("text")
    with pytest.raises(CheckpointError, match="not a file of weights"):
        build_text_tower("tiny", weights=str(tmp_path / "c.pt"))


def test_without_open_clip_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(UsageError) as caught:
        build_text_tower("tiny", weights="none")
    assert caught.value.hint == "install it with `pip install 'strmctl[clip]'`"
