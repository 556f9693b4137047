import pytest

from strmctl.data.episodes import EpisodeSampler
from strmctl.errors import UsageError


class Unreadable(str):
    """A clip id whose use as a path would be noticed: sampling must never open anything."""

    def __fspath__(self):
        raise AssertionError("sampling read a file")


def clips(classes=7, each=12):
    return {f"class {c}": [Unreadable(f"class {c}/{i:02d}") for i in range(each)] for c in range(classes)}


def sampler(data=None, **changes):
    settings = {"split": "test", "way": 5, "shot": 5, "queries": 2, "seed": 0} | changes
    return EpisodeSampler(data or clips(), **settings)


def test_episodes_are_valid():
    draw = sampler()
    for index in range(300):
        episode = draw.episode(index)
        assert episode.index == index
        assert list(episode.classes) == sorted(set(episode.classes))
        assert len(episode.classes) == 5
        for name, support, query in zip(episode.classes, episode.support, episode.query, strict=True):
            assert len(set(support)) == 5
            assert len(set(query)) == 2
            assert not set(support) & set(query)
            assert {clip.split("/")[0] for clip in support + query} == {name}


def test_an_episode_is_a_function_of_its_number():
    forwards = [sampler().episode(index) for index in range(20)]
    draw = sampler()
    backwards = [draw.episode(index) for index in reversed(range(20))]
    assert forwards == backwards[::-1]
    assert len({episode.support for episode in forwards}) == 20


def test_the_order_of_the_input_does_not_matter():
    data = clips()
    shuffled = {name: data[name][::-1] for name in reversed(list(data))}
    assert sampler(data).episode(3) == sampler(shuffled).episode(3)


@pytest.mark.parametrize("change", [{"seed": 1}, {"split": "val"}, {"queries": 1}, {"way": 4}])
def test_all_else_changes_the_episode(change):
    assert sampler().episode(0) != sampler(**change).episode(0)


def test_fewer_shots_are_a_part_of_more():
    one, five = sampler(shot=1).episode(9), sampler(shot=5).episode(9)
    assert one.classes == five.classes
    assert one.query == five.query
    assert [ids[0] for ids in one.support] == [ids[0] for ids in five.support]


def test_the_first_episode_is_pinned():
    """Published results name episodes by seed and number: they must never change."""
    data = {f"c{c}": [f"c{c}/{i}" for i in range(6)] for c in range(4)}
    episode = EpisodeSampler(data, split="test", way=2, shot=2, queries=1, seed=0).episode(0)
    assert (episode.classes, episode.support, episode.query) == PINNED


PINNED = (("c0", "c2"), (("c0/5", "c0/3"), ("c2/0", "c2/2")), (("c0/4",), ("c2/5",)))


def test_every_clip_and_class_is_drawn_about_equally_often():
    draw = sampler(clips(classes=6, each=8), shot=3, queries=1)
    classes, queries = {}, {}
    for index in range(1200):
        episode = draw.episode(index)
        for name, query in zip(episode.classes, episode.query, strict=True):
            classes[name] = classes.get(name, 0) + 1
            queries[query[0]] = queries.get(query[0], 0) + 1
    assert all(abs(count - 1000) < 75 for count in classes.values())
    assert len(queries) == 48
    assert all(abs(count - 125) < 55 for count in queries.values())


def test_too_many_ways_are_refused():
    with pytest.raises(UsageError, match="20-way episodes need 20 classes, but the test split has 7") as caught:
        sampler(way=20)
    assert "--way 7" in caught.value.hint


def test_a_class_with_too_few_clips_is_named():
    data = clips() | {"tiny": ["tiny/0", "tiny/1"]}
    with pytest.raises(UsageError, match=r"need 7 clips of a class.*tiny \(2\)"):
        sampler(data)
