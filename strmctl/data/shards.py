"""Shards: the part of a data set that one of several jobs prepares, and where each job does its work."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from strmctl.data.manifest import MANIFEST
from strmctl.errors import UsageError
from strmctl.paths import alone

SHARDS = "shards"  # folder of the shards in a store, until they are merged
JOURNAL = "manifest.journal.jsonl"
PARTIAL = ".partial"  # folder of what is being written
SLURM_ARRAY = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT")


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count`, counted from 1.

    Attributes:
        index: 1 to `count`.
        count: of all shards.
        origin: what said so, for people.
    """

    index: int
    count: int
    origin: str = "--shard"

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def has(self, clip: str) -> bool:
        """Whether a clip belongs to it; that depends on the clip's id alone, not on which others there are."""
        return int.from_bytes(hashlib.sha256(clip.encode()).digest()[:8], "big") % self.count == self.index - 1


def parse_shard(text: str) -> Shard | None:
    """`3/8` as a shard; `1/1` is no shard but the whole.

    Raises:
        UsageError: it is none.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"{text!r} is not a shard", "write i/n with i from 1 to n, such as 1/8 … 8/8")
    return Shard(int(match[1]), int(match[2])) if match[2] != "1" else None


def shard_of_environment(environment: Mapping[str, str] = os.environ) -> Shard | None:
    """The shard of a process that `torchrun`, `srun` or a Slurm job array started; None of one that runs alone."""

    def number(name: str, default: int) -> int:
        text = environment.get(name, "")
        return int(text) if text.isdecimal() else default

    candidates = [
        ("RANK", number("RANK", 0), number("WORLD_SIZE", 1)),
        # the number of tasks of the step: a batch script without srun is one process, whatever it has reserved
        ("SLURM_PROCID", number("SLURM_PROCID", 0), number("SLURM_STEP_NUM_TASKS", 1)),
    ]
    if SLURM_ARRAY[0] in environment:
        task, first, step, count = map(number, SLURM_ARRAY, (0, 0, 1, 1))
        candidates.append((SLURM_ARRAY[0], (task - first) // max(1, step), count))
    for name, rank, count in candidates:
        if count > 1 and 0 <= rank < count:
            return Shard(rank + 1, count, name)
    return None


@dataclass(frozen=True)
class Workplace:
    """Where a run of `prepare` writes: the store's own files, or those of its shard. Frames lie in one tree for all.

    Attributes:
        store: folder of the store.
        shard: None for the whole.
    """

    store: Path
    shard: Shard | None

    @property
    def folder(self) -> Path:
        """Of settings, manifest and journal."""
        return self.store if self.shard is None else self.store / SHARDS / f"{self.shard.index}-of-{self.shard.count}"

    @property
    def journal(self) -> Path:
        """A line per finished clip, until the manifest is written."""
        return self.folder / JOURNAL

    @property
    def partial(self) -> Path:
        """Folder of the files that are being written."""
        return self.folder / PARTIAL

    @contextlib.contextmanager
    def occupied(self) -> Iterator[None]:
        """Keeps a second run out, and removes what a killed one was writing.

        Raises:
            UsageError: another run is at work here.
        """
        try:
            with alone(self.partial / "lock", wait=False):
                try:
                    yield
                finally:
                    shutil.rmtree(self.partial, ignore_errors=True)
        except BlockingIOError as error:
            message = f"another `prepare` is at work on {self.folder}"
            raise UsageError(message, "wait for it to end, or give each its own `--shard i/n`") from error


def shards_in(store: Path) -> list[Path]:
    """Folders of the shards of a store, those that are not finished included."""
    found = [path for path in (store / SHARDS).glob("*-of-*") if re.fullmatch(r"\d+-of-\d+", path.name)]
    return sorted(found, key=lambda path: int(path.name.split("-")[0]))


def check_no_other_shards(store: Path, shard: Shard | None) -> None:
    """Makes sure that a run does not mix with shards that were cut in another way.

    Raises:
        UsageError: it would.
    """
    counts = sorted({int(path.name.split("-")[2]) for path in shards_in(store)})
    others = [count for count in counts if shard is None or count != shard.count]
    if others:
        asked = f"shard {shard}" if shard else "the whole data set"
        hint = (
            f"finish them with `--shard i/{others[0]}` and join them with `--merge`; or remove {store / SHARDS}: "
            "frames that are stored stay, but are extracted again"
        )
        raise UsageError(f"{store} holds shards of {others[0]}, and {asked} is asked for", hint)


def unfinished(store: Path) -> list[str]:
    """Shards that are still to be prepared before all can be merged, as `i/n`.

    Raises:
        UsageError: there is no shard.
    """
    folders = shards_in(store)
    if not folders:
        raise UsageError(f"{store} holds no shards to merge", "prepare them with `--shard 1/n` … `--shard n/n`")
    count = int(folders[0].name.split("-")[2])
    done = {int(path.name.split("-")[0]) for path in folders if (path / MANIFEST).is_file()}
    return [f"{index}/{count}" for index in range(1, count + 1) if index not in done]
