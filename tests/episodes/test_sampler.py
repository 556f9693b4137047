import hashlib
import math
from collections import Counter

import pytest

from strmctl.episodes.sampler import Episode, EpisodeSampler, shared_source_share
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


def test_the_order_of_the_input_does_not_matter():
    data = clips()
    shuffled = {name: data[name][::-1] for name in reversed(list(data))}
    assert sampler(data).episode(3) == sampler(shuffled).episode(3)


@pytest.mark.parametrize("change", [{"seed": 1}, {"split": "val"}, {"queries": 1}, {"way": 4}])
def test_all_else_changes_the_episode(change):
    assert sampler().episode(0) != sampler(**change).episode(0)


def digest(draw, count=200):
    content = "".join(
        repr((e.index, e.classes, tuple(map(tuple, e.support)), tuple(map(tuple, e.query))))
        for e in map(draw.episode, range(count))
    )
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def test_many_episodes_are_pinned():
    assert digest(sampler(clips(24, 120), shot=10, queries=1)) == "48c354446a1bd214"
    assert digest(sampler(clips(7, 12), split="val", way=3, shot=2, queries=4, seed=5)) == "fcdf44165847b641"


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


def in_fives(data):
    """Clips 0 to 4 of a class are of one source, 5 to 9 of the next; the first source is the same for every class."""
    groups = {}
    for name, ids in data.items():
        groups.update({clip: f"{name}/g{i // 5}" if i >= 5 else "common" for i, clip in enumerate(ids)})
    return groups


def one_large_source(data, singles):
    """The last `singles` clips of a class are each of their own source, all others of one source of the class."""
    return {clip: clip if i >= len(ids) - singles else name for name, ids in data.items() for i, clip in enumerate(ids)}


@pytest.mark.parametrize(("way", "queries"), [(5, 1), (3, 2)])
def test_distinct_groups_pass_over_clips_of_the_queries_sources(way, queries):
    data = clips(classes=7, each=60)
    groups = in_fives(data)
    plain = sampler(data, way=way, queries=queries, shot=60 - queries)  # the support is all that is left, in order
    distinct = sampler(data, way=way, queries=queries, shot=10, groups=groups)
    changed = 0
    for index in range(200):
        everything, episode = plain.episode(index), distinct.episode(index)
        assert (episode.classes, episode.query) == (everything.classes, everything.query)
        sources = [groups[clip] for clip in everything.query_clips]
        for ordered, support in zip(everything.support, episode.support, strict=True):
            assert list(support) == [clip for clip in ordered if groups[clip] not in sources][:10]
            changed += support != ordered[:10]
    assert changed > 200


def test_queries_leave_other_sources_where_they_can():
    """Nine of ten clips are of one source: a query from there would leave 6 clips, fewer than 10."""
    data = clips(classes=6, each=60)
    groups = one_large_source(data, singles=6)
    draw = sampler(data, shot=5, queries=2, groups=groups)
    queries, first = Counter(), Counter()
    for index in range(1500):
        episode = draw.episode(index)
        for name, query, support in zip(episode.classes, episode.query, episode.support, strict=True):
            assert not {groups[clip] for clip in query} & {name}
            queries.update(query)
            first[groups[support[0]] == name] += 1
    # 7,500 times two of the six single clips; of the 58 others 54 are of the large source
    assert len(queries) == 36
    assert all(abs(count - 15000 / 36) < 5 * math.sqrt(15000 / 36) for count in queries.values())
    assert abs(first[True] - 7500 * 54 / 58) < 5 * math.sqrt(7500 * 54 / 58 * 4 / 58)


def test_a_source_of_another_class_counts():
    """Class 0 has one large source, of which class 1 has a clip: that clip as a query would leave class 0 too few."""
    data = clips(classes=2, each=20)
    groups = {clip: clip for ids in data.values() for clip in ids}
    groups |= dict.fromkeys(data["class 0"][:15] + data["class 1"][:1], "shared")
    draw = sampler(data, way=2, shot=8, queries=1, groups=groups)
    seen = Counter(draw.episode(index).query for index in range(600))
    zero, one = ({query[c][0] for query in seen} for c in range(2))
    assert zero == set(data["class 0"][15:])  # one of the 15 would leave 5
    assert one == set(data["class 1"][1:])


def test_episodes_with_distinct_groups_are_pinned():
    data = clips(classes=7, each=60)
    assert digest(sampler(data, groups=in_fives(data))) == "890c1537b19ac4ee"
    assert digest(sampler(data, groups=one_large_source(data, singles=6))) == "31812acb991ed2d3"


def test_a_class_that_never_has_enough_sources_is_named():
    data = clips() | {"solo": [f"solo/{i}" for i in range(30)], "duo": [f"duo/{i}" for i in range(30)]}
    groups = one_large_source(data, singles=12) | {f"solo/{i}": "solo" for i in range(30)}
    groups |= {f"duo/{i}": f"duo {i > 3}" for i in range(30)}
    with pytest.raises(UsageError, match=r"distinct groups need 5 clips.*at best: solo \(0\)$") as caught:
        sampler(data, groups=groups)
    assert "--distinct-groups" in caught.value.hint
    with pytest.raises(UsageError, match=r"at best: duo \(4\), solo \(0\)$"):  # five queries need the larger source
        sampler(data, queries=5, groups=groups)


def test_an_episode_that_cannot_be_is_named():
    """Each class could keep 8 clips by itself, but then the other keeps none; with one source for both, one keeps 4."""
    data = clips(classes=2, each=12)
    groups = {clip: f"g{(i < 8) ^ (name == 'class 0')}" for name, ids in data.items() for i, clip in enumerate(ids)}
    settings = {"way": 2, "queries": 1, "groups": groups}
    for index in range(50):
        fits = sampler(data, shot=4, **settings).episode(index)
        assert len({groups[clip] for clip in fits.query_clips}) == 1
    with pytest.raises(UsageError, match=r"in episode 3 .* too few .*: class [01] \(4\)$") as caught:
        sampler(data, shot=5, **settings).episode(3)
    assert "`--distinct-groups`" in caught.value.hint


def test_the_shared_source_share_is_counted_by_hand():
    groups = dict(zip("abcdefgh", "12341567", strict=True))
    apart = Episode(0, ("x", "y"), (("a", "b"), ("c", "d")), (("f",), ("g",)))
    across = Episode(1, ("x", "y"), (("b", "a"), ("c", "d")), (("f",), ("e",)))  # e and a are of source 1
    assert [shared_source_share([apart, across], groups, shot) for shot in (1, 2)] == [0.0, 0.5]


def test_the_shared_source_share_of_even_sources_is_as_calculated():
    """UCF101: about 25 sources of 5 clips; a query's source is free of 5 shots in C(120, 5) of C(124, 5) draws."""
    data = clips(classes=8, each=125)
    groups = {clip: f"{name}/g{i // 5}" for name, ids in data.items() for i, clip in enumerate(ids)}
    plain = [sampler(data, queries=1).episode(index) for index in range(2000)]
    for shot in (1, 5):
        free = (math.comb(120, shot) / math.comb(124, shot)) ** 5
        assert abs(shared_source_share(plain, groups, shot) - (1 - free)) < 4 * math.sqrt(free * (1 - free) / 2000)
    distinct = sampler(data, queries=1, groups=groups)
    assert shared_source_share([distinct.episode(index) for index in range(200)], groups, 5) == 0
