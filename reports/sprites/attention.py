"""Whether attention maps follow the object that moves, as a table: `python reports/sprites/attention.py OUT.md RUN…`.

The renderer of sprites knows where the object is. Frames are those of the test split of `data/sprites`, and runs lie in
`runs`. The first one of STRM is held against all others, of which one is TRX.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strmctl.cli import console
from strmctl.datasets.sprites.objects import SIDE
from strmctl.datasets.sprites.render import VERSION, moving_boxes
from strmctl.errors import DataError
from strmctl.evaluation.statistics.intervals import t_interval
from strmctl.explain.attention import WORDS, attention_maps
from strmctl.explain.subjects import clip_subject
from strmctl.explain.viewers import Viewer, load_viewers
from strmctl.frames.store.store import FrameStore
from strmctl.paths import write_text
from strmctl.recipe import Input
from strmctl.report.pictures.overlay import upsample

UNIFORM, CENTRE, BEST = "uniform map", "centre of the frame", "the boxes in 4×4 places"
MEASURES = ("pointing", "energy")
TITLES = {"pointing": "pointing game, %", "energy": "energy inside, %"}
SPOKEN = {"pointing": "pointing game", "energy": "energy inside"}

TEXT = """# Sprites: do attention maps follow the object that moves?

```
{command}
```

{clips} clips of the {classes} test classes, the {frames} frames of each that a model sees. A box stands around each
object that moves; the renderer gives it. Frames in which the object is invisible are left out. Maps are interpolated
over the frame as `viz` draws them. ± is the half-width of the 95 % interval over clips (Student's t), given these
weights: another training seed is not in it.

- **Pointing game**: the share of frames in which the largest value of the map lies inside a box; of equal ones, the
  share that does.
- **Energy inside**: the share of the sum of the map's values that lies inside the boxes.

The uniform map has the share of the boxes' area in both. The centre is a Gaussian in the middle of the frame (standard
deviation: a quarter of its side). The boxes in 4×4 places are a map that holds the share of each place that they cover:
about what there is to reach at the resolution of these models.

{table}

## What it says
{verdicts}
"""


@dataclass(frozen=True)
class Row:
    """A map, and its measures for each clip.

    Attributes:
        run: label of the method and name of the run; of a baseline, its name.
        stage: key of `WORDS`; empty for a baseline.
        values: measure -> (clips,), fractions.
    """

    run: str
    stage: str
    values: Mapping[str, np.ndarray]


def inside(boxes: np.ndarray, shape: Input) -> np.ndarray:
    """Whether the centre of each pixel of what a model sees lies in one of M boxes: (L, M, 4) to (L, S, S)."""
    offset = (shape.size - shape.crop) // 2
    edges = boxes * shape.size / SIDE - offset  # of boxes, in pixels of the crop
    centres = np.arange(shape.crop) + 0.5
    left, top, right, bottom = (edges[..., side, None] for side in range(4))  # (L, M, 1); nothing is within NaN
    wide = (left <= centres) & (centres <= right)  # (L, M, S)
    high = (top <= centres) & (centres <= bottom)
    return (high[..., :, None] & wide[..., None, :]).any(axis=1)


def measured(maps: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """The measures of one clip's maps (L, h, w), not below 0; `mask`: (L, S, S), without a pixel a frame counts not."""
    large = upsample(maps, *mask.shape[1:])
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    for values, box in zip(large, mask, strict=True):
        if box.any():
            greatest = values >= values.max() * (1 - 1e-9)
            found["pointing"].append(float(box[greatest].mean()))
            found["energy"].append(float(values[box].sum() / values.sum() if values.sum() else box.mean()))
    return {name: float(np.mean(own)) for name, own in found.items()}


def baselines(mask: np.ndarray) -> dict[str, np.ndarray]:
    """The maps that look at no model's features."""
    count, side = mask.shape[:2]
    away = (np.arange(side) + 0.5) / side - 0.5
    bell = np.exp(-(away[:, None] ** 2 + away**2) / (2 * 0.25**2))
    covered = mask.reshape(count, 4, side // 4, 4, side // 4).mean(axis=(2, 4))
    return {UNIFORM: np.ones((count, 1, 1)), CENTRE: np.repeat(bell[None], count, axis=0), BEST: covered}


def rows_of(viewers: Sequence[Viewer], store: FrameStore, clips: Sequence[str]) -> Iterator[Row]:
    """The measures of every map of every run, after those of the baselines."""
    shape = viewers[0].run.recipe.input
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with console.progress("maps", "clips") as progress:
        for done, clip in enumerate(clips, 1):
            subject = clip_subject(store, clip, shape)
            name, _, number = clip.partition("/")
            boxes = moving_boxes(name, int(number), seed=store.settings.get("seed", 0))[list(subject.positions)]
            mask = inside(boxes, shape)
            for key, maps in baselines(mask).items():
                found.setdefault((key, ""), []).append(measured(maps, mask))
            for viewer in viewers:
                for stage, maps in attention_maps(viewer.run.model, subject.pixels).items():
                    found.setdefault((f"{viewer.label} ({viewer.run.name})", stage), []).append(measured(maps, mask))
            progress(done, len(clips), "")
    for (run, stage), own in found.items():
        yield Row(run, stage, {name: np.array([one[name] for one in own]) for name in MEASURES})


def table(rows: Sequence[Row]) -> str:
    """All rows as Markdown."""
    lines = ["| map | | " + " | ".join(TITLES.values()) + " |", "| --- | --- | ---: | ---: |"]
    for row in rows:
        numbers = [f"{100 * mean:.1f} ± {100 * half:.1f}" for mean, half in map(t_interval, row.values.values())]
        lines.append(f"| {row.run} | {' | '.join([WORDS[row.stage][0] if row.stage else '', *numbers])} |")
    return "\n".join(lines)


def lead(one: Row, other: Row, measure: str) -> tuple[str, float, float]:
    """Whether a map is `better`, `worse` or `no better` than another, the mean lead over clips, and its half-width."""
    mean, half = t_interval(one.values[measure] - other.values[measure])
    return "better" if mean > half else "worse" if mean < -half else "no better", mean, half


def verdicts(rows: Sequence[Row]) -> str:
    """What the last map of STRM is against that of each other run, and which last maps are above the baselines.

    Raises:
        DataError: no run is of STRM, or none of TRX.
    """
    lasts = {row.run: row for row in rows if row.stage}  # the last stage of each run
    found = {
        label: next((row for run, row in lasts.items() if _label(run) == label), None) for label in ("STRM", "TRX")
    }
    for label, row in found.items():
        if row is None:
            raise DataError(f"none of the runs is of {label}", f"name one, such as sprites-{label.lower()}-s0")
    strm, trx = found["STRM"], found["TRX"]
    hows = {name: lead(strm, trx, name)[0] for name in MEASURES}
    whole = "better" if set(hows.values()) == {"better"} else "no better"
    parts = " and ".join(f"{how} in the {SPOKEN[name]}" for name, how in hows.items())
    lines = [f"**STRM's maps follow the object {whole} than TRX's**: {parts}. STRM's last map against that of", ""]
    for row in lasts.values():
        if row is not strm:
            leads = [(name, *lead(strm, row, name)) for name in MEASURES]
            told = [
                f"{SPOKEN[name]} {100 * mean:+.1f} ± {100 * half:.1f} points ({how})" for name, how, mean, half in leads
            ]
            lines.append(f"- {_label(row.run)}: {', '.join(told)}")
    for base in (row for row in rows if row.run in (UNIFORM, CENTRE)):
        lines += ["", f"Last maps that are better than the {base.run}:"]
        for name in MEASURES:
            above = [_label(row.run) for row in lasts.values() if lead(row, base, name)[0] == "better"]
            lines.append(f"{SPOKEN[name]}: {', '.join(above) or 'none'}{';' if name == MEASURES[0] else '.'}")
    return "\n".join(lines)


def _label(run: str) -> str:
    return run.partition(" (")[0]


def main(out: Path, names: Sequence[str], *, data: Path = Path("data"), runs: Path = Path("runs")) -> None:
    """Measures runs and writes the report."""
    viewers = load_viewers(runs, names, device="cpu", announce=console.say)
    store = FrameStore.open(data, "sprites")
    if store.settings.get("generator_version") != VERSION:
        raise DataError(
            f"the sprites in {data} are of another version of the generator", f"`{store.prepare_command} --redo`"
        )
    by_class = store.clips("test")
    clips = [clip for ids in by_class.values() for clip in ids]
    rows = list(rows_of(viewers, store, clips))
    command = f"python reports/sprites/attention.py {out} {' '.join(names)}"
    about = {"command": command, "clips": len(clips), "classes": len(by_class)}
    about["frames"] = viewers[0].run.recipe.input.frames
    write_text(out, TEXT.format(**about, table=table(rows), verdicts=verdicts(rows)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
