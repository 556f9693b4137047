import random
from itertools import product

from strmctl.episodes.distinct_groups import ClassClips, enough, sparing_queries
from strmctl.episodes.sampler import EpisodeSampler
from strmctl.errors import UsageError


def entry_of(sources, queries):
    """A class whose clips are of these sources; `.` stands for a source of its own."""
    ids = [f"{i:02d}" for i in range(len(sources))]
    groups = {clip: f"own {clip}" if s == "." else s for clip, s in zip(ids, sources, strict=True)}
    return ClassClips.from_clips("c", ids, groups, queries)


def test_at_best_is_what_the_smallest_sources_leave():
    assert [entry_of("xxxxxyyyzz", queries).at_best for queries in (1, 2, 3, 4, 6, 9)] == [8, 8, 7, 5, 3, 0]
    assert enough([entry_of("x" * 30 + "y" * 20, 1), entry_of("." * 40, 1)]) == 10
    assert enough([entry_of("x" * 4 + "y" * 9, 1), entry_of("." * 40, 1)]) == 9


def test_a_source_is_lost_once_however_many_of_its_clips_are_queries():
    entry = entry_of("xxxx............", 3)
    picked, used = sparing_queries([entry], [[[0, 1, 4, 2, *range(5, 16), 3]]], [0], 3)
    assert picked == [[0, 1, 4]]  # of 16 clips, 11 are left
    assert used == {"x", entry.groups[4]}


def test_a_clip_whose_source_is_too_large_is_passed_over():
    picked, _ = sparing_queries([entry_of("xxxxxxx.........", 1)], [[[3, 1, 9, *range(3), *range(4, 9)]]], [0], 1)
    assert picked == [[9]]


def test_the_first_to_choose_decides_where_both_cannot():
    classes = [entry_of("xxxxxxxxyyyy", 1), entry_of("yyyyyyyyxxxx", 1)]  # x and y together would leave nothing
    orders = [[8, *range(8), 9, 10, 11], [8, *range(8), 9, 10, 11]]
    assert sparing_queries(classes, [orders], [0, 1], 1) == ([[8], [0]], {"y"})
    assert sparing_queries(classes, [orders], [1, 0], 1) == ([[0], [8]], {"x"})


def test_the_first_attempt_that_leaves_enough_counts_else_the_best():
    entry = entry_of("wwwwwxxxyyz.........", 5)  # 20 clips
    first = [0, 5, 8, 1, 2, *[i for i in range(20) if i not in (0, 5, 8, 1, 2)]]  # wxyww: 10 left
    second = [0, 1, 2, 3, 4, *range(5, 20)]  # wwwww: 15 left
    assert sparing_queries([entry], [[first], [second]], [0], 5)[0] == [[0, 5, 8, 1, 2]]
    hard = entry_of("wwwwwxxxyyy", 5)  # at best w, which leaves 6
    poor, best = [5, 0, 6, 7, 8, 9, 10, 1, 2, 3, 4], [0, 1, 2, 3, 4, *range(5, 11)]
    assert hard.left(sparing_queries([hard], [[poor]], [0], 5)[1]) == 5
    assert sparing_queries([hard], [[poor], [best], [poor]], [0], 5)[1] == {"w"}


def possible(clips, groups, queries, shot):
    """Whether some choice of the sources that queries may come from serves every class, by trying all."""
    sources = sorted(set(groups.values()))
    for choice in product([True, False], repeat=len(sources)):
        chosen = {source for source, taken in zip(sources, choice, strict=True) if taken}
        of_queries = [sum(groups[clip] in chosen for clip in ids) for ids in clips.values()]
        if all(
            count >= queries and len(ids) - count >= shot for count, ids in zip(of_queries, clips.values(), strict=True)
        ):
            return True
    return False


def test_hardly_an_episode_is_refused_that_could_be():
    """Tiny classes whose sources all span classes: far harder than any benchmark."""
    draw, refused, impossible, drawn = random.Random(0), 0, 0, 0
    for _ in range(600):
        clips = {f"c{c}": [f"c{c}/{i}" for i in range(draw.randint(4, 10))] for c in range(draw.randint(2, 3))}
        sources = draw.randint(2, 7)
        groups = {clip: f"s{draw.randint(0, sources)}" for ids in clips.values() for clip in ids}
        shape = {"queries": draw.randint(1, 2), "shot": draw.randint(1, 5)}
        try:
            sampler = EpisodeSampler(clips, split="test", way=len(clips), seed=0, groups=groups, **shape)
        except UsageError:
            continue
        can_be = possible(clips, groups, **shape)
        for index in range(3):
            drawn += 1
            try:
                sampler.episode(index)
                assert can_be
            except UsageError:
                refused += can_be
                impossible += not can_be
    assert drawn > 1000
    assert impossible > 10
    assert refused < 0.01 * drawn
