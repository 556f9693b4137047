"""What a check of a frame store found: counts per class, what is wrong, and what is worth knowing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from strmctl.frames.store.manifest import ClipRow


def counted(number: int, one: str) -> str:
    """A number and what it counts: `1 clip`, `1,520 clips`, `2 classes`."""
    many = f"{one}es" if one.endswith("s") else f"{one}s"
    return f"{number:,} {one if number == 1 else many}"


@dataclass(frozen=True)
class ClassCount:
    """The clips of one class in one subset.

    Attributes:
        subset: `train`, `val`, `test`, or empty for clips without one.
        cls: class; empty for clips without one.
        expected: number of clips in the published lists; None: not known.
        found: number of clips in the manifest.
        failed: number of these without frames.
        short: number of these with fewer than 8 frames.
        damaged: number of these whose frames are not there, not those of the manifest, or cannot be decoded.
        usable: number of these that can be sampled.
    """

    subset: str
    cls: str
    expected: int | None
    found: int
    failed: int
    short: int
    damaged: int
    usable: int

    @property
    def remarkable(self) -> bool:
        """Whether there is more to say than that all clips are there."""
        return self.usable != self.found or not self.found or self.expected not in (None, self.found)

    def __str__(self) -> str:
        return f"{self.subset}: {self.cls}" if self.subset else self.cls


@dataclass(frozen=True)
class Finding:
    """One kind of problem or remark.

    Attributes:
        kind: one word for scripts, such as `damaged`.
        count: number of things that it concerns; of 0, nobody hears.
        message: text for people, with the number.
        items: these things, each with what there is to say about it.
        mend: what to do about it; empty when there is nothing to do.
    """

    kind: str
    count: int
    message: str
    items: list[str]
    mend: str = ""


def finding(kind: str, items: list[str], message: str, mend: str = "") -> Finding:
    """A finding that concerns as many things as it lists."""
    return Finding(kind, len(items), message, items, mend)


@dataclass(frozen=True)
class SharedSources:
    """Source videos that several clips were cut from.

    Attributes:
        total: number of source videos of all clips with a subset.
        shared: source video -> subset -> number of clips, for those with clips in more than one subset.
    """

    total: int
    shared: dict[str, dict[str, int]]


@dataclass(frozen=True)
class CheckResult:
    """What `check` found.

    Attributes:
        name: name of the store.
        display_name: name of the store in results.
        store: folder of the store.
        quick: whether frames were neither hashed nor decoded.
        clips: number of rows of the manifest.
        stored: number of these with frames.
        classes: counts per subset and class, in the order of subsets and classes.
        duplicates: groups of clips whose frames are the same, pixel by pixel; None when none were looked for.
        sources: source videos; None when the store knows of none.
        problems: findings that make the store wrong or incomplete.
        notes: findings that are worth knowing.
    """

    name: str
    display_name: str
    store: Path
    quick: bool
    clips: int
    stored: int
    classes: list[ClassCount]
    duplicates: list[list[ClipRow]] | None
    sources: SharedSources | None
    problems: list[Finding]
    notes: list[Finding]

    def to_json(self) -> dict[str, Any]:
        """The same for machines, everything named."""
        classes = [
            {"class" if key == "cls" else key: value for key, value in asdict(count).items()} for count in self.classes
        ]
        groups = self.duplicates and [
            [{"clip": row.clip, "class": row.cls, "subset": row.subset} for row in group] for group in self.duplicates
        ]
        return asdict(self) | {"store": str(self.store), "classes": classes, "duplicates": groups}
