"""What a check of a frame store found: counts per class, what is wrong, and what is worth knowing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from strmctl.frames.store.manifest import ClipRow


def counted(number: int, one: str, many: str = "") -> str:
    """A number and what it counts: `1 clip`, `1,520 clips`."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


@dataclass(frozen=True)
class ClassCount:
    """The clips of one class in one subset.

    Attributes:
        subset: `train`, `val`, `test`, or empty for clips without one.
        cls: class; empty for clips without one.
        expected: clips in the published lists; None: not known.
        found: clips in the manifest.
        failed: of these, without frames.
        short: of these, with fewer than 8 frames.
        damaged: of these, with frames that are not there, not those of the manifest, or cannot be decoded.
        usable: of these, clips that can be sampled.
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
        """Whether there is more to say than that all is there."""
        return self.usable != self.found or not self.found or self.expected not in (None, self.found)


@dataclass(frozen=True)
class Finding:
    """One kind of problem or remark.

    Attributes:
        kind: one word for scripts, such as `damaged`.
        count: how many things it concerns.
        message: for people, with the number.
        items: each of them, with what there is to say about it.
        mend: what to do about it; empty when there is nothing to do.
    """

    kind: str
    count: int
    message: str
    items: list[str]
    mend: str = ""


@dataclass(frozen=True)
class SharedSources:
    """Source videos that several clips were cut from.

    Attributes:
        total: source videos of all clips with a subset.
        shared: source video -> subset -> clips, of those with clips in more than one subset.
    """

    total: int
    shared: dict[str, dict[str, int]]


@dataclass(frozen=True)
class CheckResult:
    """What `check` found.

    Attributes:
        name: of the store.
        display_name: what results call it.
        store: its folder.
        quick: frames were neither hashed nor decoded.
        clips: rows of the manifest.
        stored: of these, with frames.
        classes: counts per subset and class, in the order of subsets and classes.
        duplicates: groups of clips whose frames are the same, pixel by pixel; None when none were looked for.
        sources: source videos; None when the store knows of none.
        problems: what makes the store wrong or incomplete.
        notes: what is worth knowing.
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
        groups = None
        if self.duplicates is not None:
            groups = [
                [{"clip": row.clip, "class": row.cls, "subset": row.subset} for row in group]
                for group in self.duplicates
            ]
        return {
            "name": self.name,
            "display_name": self.display_name,
            "store": str(self.store),
            "quick": self.quick,
            "clips": self.clips,
            "stored": self.stored,
            "classes": classes,
            "duplicates": groups,
            "sources": asdict(self.sources) if self.sources else None,
            "problems": list(map(asdict, self.problems)),
            "notes": list(map(asdict, self.notes)),
        }
