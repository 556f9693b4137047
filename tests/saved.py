"""Results of runs that were never trained: right answers are drawn, and written as `strmctl eval` writes them."""

from pathlib import Path

import numpy as np

from strmctl.episodes.sampler import EpisodeSampler
from strmctl.evaluation.statistics.summary import summarise
from strmctl.paths import write_text
from strmctl.provenance import provenance
from strmctl.results import EvalResult, QueryRow

CLIPS = {name: [f"{name}/{number}" for number in range(12)] for name in ("NA", "crawl", "jump", "run", "swim", "walk")}


def rows_of(
    accuracy: float = 0.6, *, clips=CLIPS, shots=(1, 5), way=5, queries=1, episodes=40, seed=0, split="test", answers=0
) -> list[QueryRow]:
    """Rows of the episodes that belong to these settings; answers are right with this probability."""
    sampler = EpisodeSampler(clips, split=split, way=way, shot=max(shots), queries=queries, seed=seed)
    draws, rows = np.random.default_rng(answers), []
    for shot in shots:
        for index in range(episodes):
            episode = sampler.episode(index)
            for name, ids in zip(episode.classes, episode.query, strict=True):
                wrong = next(other for other in episode.classes if other != name)
                rows += [
                    QueryRow(shot, index, clip, name, name if draws.random() < accuracy else wrong) for clip in ids
                ]
    return rows


def result_of(
    run: str, rows, *, recipe=None, way=5, queries=1, episodes=40, seed=0, split="test", **source
) -> EvalResult:
    """A result with these rows; `recipe` changes sections of the recipe, `source` the provenance."""
    own = {"name": run, "data": {"dataset": "mine"}, "trm": {"dim": 8}, "train": {"seed": 0, "episodes": 10}}
    for section, values in (recipe or {}).items():
        own[section] = {**own[section], **values}
    known = {"weights_sha256": "a" * 64, "manifest_sha256": "b" * 64, "selected_by": "val split", "store": "mine"}
    known |= {"classes": sorted(CLIPS), "chosen_classes": False, "frame_order": "natural", "recipe": own}
    shape = {"way": way, "queries": queries, "episodes": episodes, "seed": seed, "split": split}
    figures = summarise(rows)
    return EvalResult(run, "mine", **shape, results=figures, provenance=provenance(**{**known, **source}), rows=rows)


def save(
    runs: Path, run: str, accuracy: float = 0.6, *, stem="test_5way_1q_s0", clips=CLIPS, shots=(1, 5), answers=0, **more
):
    """Writes a result of a run, whose folder is made; `more` are settings of the test, `recipe`, or provenance."""
    shape = {name: more[name] for name in ("way", "queries", "episodes", "seed", "split") if name in more}
    rows = rows_of(accuracy, clips=clips, shots=shots, answers=answers, **shape)
    result = result_of(run, rows, **more)
    write_text(runs / run / "recipe.yaml", "name: of a test\n")
    result.write(runs / run / "eval" / stem)
    return result
