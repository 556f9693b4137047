import torch
from torch import nn

from strmctl.model.seeding import seed_of, seeded


def layer(seed, path):
    with seeded(seed, path):
        return nn.Linear(4, 4).weight


def test_weights_depend_on_seed_and_path_and_on_nothing_else():
    torch.manual_seed(1)
    first = layer(0, "query_class.2")
    torch.manual_seed(2)
    torch.rand(7)
    assert torch.equal(layer(0, "query_class.2"), first)
    assert not torch.equal(layer(0, "query_class.3"), first)
    assert not torch.equal(layer(1, "query_class.2"), first)


def test_the_seed_is_sha256_and_the_same_on_every_machine():
    # printf 0/backbone | sha256sum | cut -c1-16
    assert seed_of(0, "backbone") == 0xF86D6C12935F83E0


def test_the_callers_random_state_is_untouched_even_when_building_fails():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    try:
        with seeded(0, "x"):
            torch.rand(3)
            raise KeyError("broken")
    except KeyError:
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_a_gpu_draws_from_seed_and_path_too_and_its_state_is_untouched(monkeypatch):
    """Generators of the CPU stand for those of two GPUs."""
    gpus = tuple(torch.Generator().manual_seed(number) for number in (5, 6))
    monkeypatch.setattr(torch.cuda, "default_generators", gpus)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)

    def masks(seed, path, device, drawn=0):
        index = int(device.partition(":")[2] or 0)
        generators = torch.default_generator, gpus[index]
        for generator in generators:
            torch.rand(drawn, generator=generator)
        before = [generator.get_state() for generator in generators]
        with seeded(seed, path, torch.device(device)):
            found = [torch.rand(8, generator=generator) for generator in generators]
        assert all(map(torch.equal, before, [generator.get_state() for generator in generators]))
        return found

    for device in ("cuda", "cuda:0", "cuda:1"):
        first = masks(0, "dropout of episode 3", device)
        assert all(map(torch.equal, first, masks(0, "dropout of episode 3", device, drawn=7)))
        for other in ((0, "dropout of episode 4"), (1, "dropout of episode 3")):
            assert not any(map(torch.equal, first, masks(*other, device)))
