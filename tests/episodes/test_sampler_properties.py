"""Episodes of any shape are valid, nested in the shot and independent of when they are drawn."""

from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from strmctl.episodes.files import read_episodes, write_episodes
from strmctl.episodes.sampler import EpisodeSampler, shared_source_share
from strmctl.errors import UsageError

modest = settings(derandomize=True, database=None, deadline=None, max_examples=200)


@st.composite
def tasks(draw):
    """Classes of 3 to 16 clips from up to 9 sources, which may span classes; way, shot, queries, seed."""
    way = draw(st.integers(2, 5))
    sources = draw(st.integers(1, 9))
    sizes = draw(st.lists(st.integers(3, 16), min_size=way, max_size=way + 3))
    clips = {f"class {c}": [f"class {c}/{i}" for i in range(size)] for c, size in enumerate(sizes)}
    # most clips are their own source, so that many tasks can be
    groups = {
        clip: f"source {source}" if (source := draw(st.integers(0, 2 * sources))) < sources else clip
        for ids in clips.values()
        for clip in ids
    }
    settings = {"way": way, "queries": draw(st.integers(1, 3)), "seed": draw(st.integers(0, 3)), "split": "test"}
    return clips, groups, draw(st.integers(1, 5)), settings


def most_left(ids, groups, queries):
    """By trying all queries: how many clips of a class can be of other sources than its queries."""
    return max(
        (
            sum(groups[clip] not in {groups[query] for query in picked} for clip in ids)
            for picked in combinations(ids, queries)
        ),
        default=-1,
    )


def sampler_or_none(clips, groups, shot, settings):
    """The sampler, or None where a class is too small, for which it has to be; `groups` None lets sources be shared."""
    own = groups or {clip: clip for ids in clips.values() for clip in ids}
    possible = all(most_left(ids, own, settings["queries"]) >= shot for ids in clips.values())
    try:
        sampler = EpisodeSampler(clips, groups=groups, shot=shot, **settings)
    except UsageError:
        assert not possible
        return None
    assert possible
    return sampler


def episode_or_none(sampler, index):
    try:
        return sampler.episode(index)
    except UsageError as error:
        assert f"episode {index} " in error.message
        return None


drawn = {False: 0, True: 0}


@modest
@given(tasks(), st.booleans())
def check_episodes(task, distinct):
    clips, groups, shot, settings = task
    sampler = sampler_or_none(clips, groups if distinct else None, shot, settings)
    if sampler is None:
        return
    episodes = [episode_or_none(sampler, index) for index in range(6)]
    assert distinct or None not in episodes
    again = EpisodeSampler(clips, groups=groups if distinct else None, shot=shot, **settings)
    for batch in ([5, 4], [3], [1, 2, 0]):
        assert [episode_or_none(again, index) for index in batch] == [episodes[index] for index in batch]
    for index, episode in enumerate(episodes):
        if episode is None:
            continue
        drawn[distinct] += 1
        assert episode.index == index
        assert len(set(episode.classes)) == settings["way"]
        assert list(episode.classes) == sorted(episode.classes)
        for name, support, query in zip(episode.classes, episode.support, episode.query, strict=True):
            assert (len(support), len(query)) == (shot, settings["queries"])
            assert len({*support, *query}) == shot + settings["queries"]
            assert {*support, *query} <= set(clips[name])
        if distinct:
            query_sources = {groups[clip] for clip in episode.query_clips}
            assert not query_sources & {groups[clip] for clip in episode.support_clips}
            assert shared_source_share([episode], groups, shot) == 0


def test_episodes_are_valid_and_do_not_depend_on_when_they_are_drawn():
    check_episodes()
    assert min(drawn.values()) > 60  # not all tasks were refused


nested = {False: 0, True: 0}


@modest
@given(tasks(), st.booleans())
def check_nesting(task, distinct):
    clips, groups, most, settings = task
    samplers = [sampler_or_none(clips, groups if distinct else None, shot, settings) for shot in range(1, most + 1)]
    for index in range(4):
        episodes = [episode_or_none(sampler, index) for sampler in samplers if sampler]
        for fewer, more in pairwise(episodes):
            if more is None:
                continue
            nested[distinct] += 1
            assert fewer is not None
            assert (fewer.classes, fewer.query) == (more.classes, more.query)
            assert fewer.support == tuple(ids[:-1] for ids in more.support)


def test_fewer_shots_are_the_first_of_more():
    check_nesting()
    assert min(nested.values()) > 60


@settings(modest, max_examples=30)
@given(task=tasks())
def check_files(task, path):
    clips, _, shot, shape = task
    sampler = sampler_or_none(clips, None, shot, shape)
    if sampler is None:
        return
    episodes = [sampler.episode(index) for index in range(5)]
    write_episodes(path, episodes)
    saved = read_episodes(path, clips)
    assert [saved.episode(index) for index in range(len(saved))] == episodes
    assert (saved.way, saved.shot, saved.queries) == (shape["way"], shot, shape["queries"])


def test_files_hold_the_same_episodes(tmp_path):
    check_files(path=tmp_path / "episodes.csv")
    assert (tmp_path / "episodes.csv").is_file()
