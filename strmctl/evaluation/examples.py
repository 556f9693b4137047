"""Queries that a test keeps as examples: the most confident errors and hits, with their episodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from strmctl.episodes.sampler import Episode
from strmctl.errors import DataError
from strmctl.forms import misfit
from strmctl.paths import read_json, write_json
from strmctl.results import EXAMPLES, EvalResult

SCHEMA = 1
KINDS = ("error", "hit")
EXAMPLE = {"kind": str, "shot": int, "episode": int, "query": str, "true": str, "predicted": str}
FORM = {
    "schema": int,
    **dict.fromkeys(("run", "weights_file", "weights_sha256", "store", "frame_order"), str),
    "examples": [EXAMPLE | {"probabilities": dict, "support": dict}],
}


class ConfidentExamples:
    """Keeps the most confident errors and hits of a test, for each number of shots.

    The order is by the logit of the predicted class less the log-sum-exp of the others: the log odds of its
    probability, which still differ where probabilities are rounded to 1.

    Args:
        most: number of errors, and of hits, that are kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: dict[tuple[int, str], list[tuple[float, dict[str, Any]]]] = {}

    def see(self, shot: int, block: Sequence[Episode], logits: Tensor) -> None:
        """Looks at the logits, `(B, Q, C)` or with more episodes, of a block of episodes with so many shots."""
        total = logits[: len(block)].double().cpu()  # (B, Q, C)
        best, predicted = total.max(dim=-1)
        odds = best - total.scatter(2, predicted[..., None], -torch.inf).logsumexp(dim=-1)  # (B, Q)
        classes = total.shape[2]
        truth = torch.arange(classes).repeat_interleave(total.shape[1] // classes)  # (Q)
        for kind in KINDS:
            wanted = (predicted == truth) == (kind == "hit")
            places = torch.where(wanted, odds, -torch.inf).flatten().argsort(descending=True, stable=True)
            some = places[: min(self.most, int(wanted.sum()))].tolist()
            new = [(odds.flatten()[place].item(), *divmod(place, total.shape[1])) for place in some]
            found = [(value, _example(kind, shot, block[b], q, total[b, q])) for value, b, q in new]
            kept = self._kept.get((shot, kind), []) + found
            self._kept[shot, kind] = sorted(kept, key=lambda one: -one[0])[: self.most]

    @property
    def examples(self) -> list[dict[str, Any]]:
        """All that are kept, by shots, errors before hits, the most confident first."""
        return [example for _, kept in sorted(self._kept.items()) for _, example in kept]

    def write(self, stem: Path, result: EvalResult) -> Path:
        """Writes the examples beside a result, given by its path without suffix; returns the path."""
        path = stem.with_name(f"{EXAMPLES}{stem.name}.json")
        source = {key: result.provenance[key] for key in ("weights_file", "weights_sha256", "store", "frame_order")}
        write_json(path, {"schema": SCHEMA, "run": result.run, **source, "examples": self.examples})
        return path


def _example(kind: str, shot: int, episode: Episode, query: int, logits: Tensor) -> dict[str, Any]:
    per_class = len(episode.query[0])
    pairs = zip(episode.classes, episode.support, strict=True)
    return {
        "kind": kind,
        "shot": shot,
        "episode": episode.index,
        "query": episode.query_clips[query],
        "true": episode.classes[query // per_class],
        "predicted": episode.classes[int(logits.argmax())],
        "probabilities": dict(zip(episode.classes, logits.softmax(dim=0).tolist(), strict=True)),
        "support": {name: list(clips[:shot]) for name, clips in pairs},
    }


def read_examples(path: Path) -> dict[str, Any]:
    """What `ConfidentExamples.write` wrote; the path may also be that of the result beside it.

    Raises:
        DataError: there is no such file, or it is not what was written.
    """
    if not path.name.startswith(EXAMPLES):
        path = path.with_name(f"{EXAMPLES}{path.name}").with_suffix(".json")
    hint = "`strmctl eval --save-examples 3`, with the options of that test, writes it"
    document = read_json(path, hint)
    problem = misfit(document, FORM)
    for example in () if problem else document["examples"]:
        problem = problem or misfit(list(example["support"].values()), [[str]], "support")
    if problem:
        raise DataError(f"{path} holds no examples of a test: {problem}", hint)
    return document
