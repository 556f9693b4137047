import numpy as np

from strmctl.draws import Draws, philox


def test_the_raw_stream_is_pinned():
    """A change of these numbers would silently change every episode and every sprite."""
    assert [int(value) for value in philox("pinned").random_raw(2)] == PINNED


PINNED = [7536308623570232021, 8522199971015639802]


def test_parts_are_kept_apart():
    assert Draws("a", "bc").uniform() != Draws("ab", "c").uniform()
    assert Draws(1, 23).uniform() != Draws(12, 3).uniform()


def test_draws_stay_in_their_range_and_fill_it():
    draws = Draws("range")
    integers = {draws.integer(-2, 2) for _ in range(200)}
    assert integers == {-2, -1, 0, 1, 2}
    values = np.array([draws.uniform(3, 5) for _ in range(4000)])
    assert values.min() >= 3
    assert values.max() < 5
    assert abs(values.mean() - 4) < 0.05
    assert {draws.sign() for _ in range(50)} == {-1, 1}
    assert {draws.choice("xyz") for _ in range(50)} == set("xyz")


def test_noise_is_centred_and_scaled():
    noise = Draws("noise").noise((101, 99, 3), sigma=7.0)
    assert noise.shape == (101, 99, 3)
    assert abs(noise.mean()) < 0.15
    assert abs(noise.std() - 7.0) < 0.1
