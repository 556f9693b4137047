"""The episodes of a test, drawn or read from a file, and what its result says about them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from strmctl.episodes.files import read_episodes
from strmctl.episodes.sampler import Episode, shared_source_share
from strmctl.errors import UsageError
from strmctl.evaluation.match import Protocol
from strmctl.provenance import sha256_of


@dataclass(frozen=True)
class Drawn:
    """Episodes to test on.

    Attributes:
        episodes: all episodes, with the most shots.
        protocol: settings that they were drawn with.
        notes: entries for the provenance of a result. `distinct_groups`: whether support and query come from different
            source videos; `shared_sources`, where they need not: shot -> share of the episodes in which they share one;
            `episodes_sha256`: shot -> hash; `episodes_from`, `episodes_file_sha256`: the file that was read, if any.
    """

    episodes: Sequence[Episode]
    protocol: Protocol
    notes: Mapping[str, Any]


def draw_episodes(clips: Mapping[str, Sequence[str]], groups: Mapping[str, str], protocol: Protocol) -> Drawn:
    """Draws the episodes of a protocol from clips (class -> ids), given their source videos (id -> name).

    Raises:
        UsageError: the classes have too few clips, or too few from different sources.
    """
    episodes = protocol.draw(clips, groups)
    return Drawn(episodes, protocol, _notes(episodes, groups, protocol))


def episodes_of_file(
    path: Path, clips: Mapping[str, Sequence[str]], groups: Mapping[str, str], protocol: Protocol
) -> Drawn:
    """The episodes of a file that `write_episodes` wrote; way, queries and their number are the file's.

    Raises:
        DataError: the file is missing or damaged, or names other clips.
        UsageError: it has fewer shots, or support and query share a source although they were to be kept apart.
    """
    saved = read_episodes(path, clips)
    if max(protocol.shots) > saved.shot:
        raise UsageError(
            f"the episodes of {path} have {saved.shot} support clips per class",
            f"`--shots {saved.shot}` takes all of them",
        )
    protocol = replace(protocol, way=saved.way, queries=saved.queries, episodes=len(saved))
    episodes = [saved.episode(index) for index in range(len(saved))]
    if protocol.distinct_groups and (share := shared_source_share(episodes, groups, saved.shot)) > 0:
        raise UsageError(
            f"support and query share a source in {100 * share:.1f} % of the episodes of {path}",
            "leave `--distinct-groups` out, or leave `--episodes-from` out, which draws others",
        )
    notes = {"episodes_from": str(path), "episodes_file_sha256": sha256_of(path)}
    return Drawn(episodes, protocol, {**_notes(episodes, groups, protocol), **notes})


def _notes(episodes: Sequence[Episode], groups: Mapping[str, str], protocol: Protocol) -> dict[str, Any]:
    shots = sorted(protocol.shots)
    notes: dict[str, Any] = {
        "distinct_groups": protocol.distinct_groups,
        "episodes_sha256": {str(shot): episodes_sha256(episodes, shot) for shot in shots},
    }
    if not protocol.distinct_groups:
        notes["shared_sources"] = {str(shot): shared_source_share(episodes, groups, shot) for shot in shots}
    return notes


def episodes_sha256(episodes: Sequence[Episode], shot: int) -> str:
    """A hash that is the same for two tests with the same support and queries, wherever their episodes come from."""
    digest = hashlib.sha256()
    for episode in episodes:
        digest.update(repr((episode.classes, episode.query, [clips[:shot] for clips in episode.support])).encode())
    return digest.hexdigest()
