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
from typing import Any

from strmctl.errors import DataError, UsageError
from strmctl.frames.store.manifest import JOURNAL, MANIFEST
from strmctl.frames.store.settings import SETTINGS, known_settings, prepare_command
from strmctl.paths import alone, names_in

SHARDS = "shards"  # folder of the shards in a store, until they are merged
PARTIAL = ".partial"  # folder of what is being written
LOCK = "lock"  # file in it
SLURM_ARRAY = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT")


@dataclass(frozen=True)
class Shard:
    """One part of a data set.

    Attributes:
        index: which part, 1 to `count`.
        count: number of shards.
        origin: the option or the environment variables that named it, for people.
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
    """Turns `3/8` into a shard; `1/1` is no shard but the whole.

    Raises:
        UsageError: the text does not name a shard.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    index, count = map(int, match.groups()) if match else (0, 0)
    if not 1 <= index <= count:
        raise UsageError(f"{text!r} is not a shard", "write i/n with i from 1 to n, such as 1/8 … 8/8")
    return Shard(index, count) if count > 1 else None


def shard_of_environment(environment: Mapping[str, str] = os.environ) -> Shard | None:
    """The shard of a process that `torchrun`, `srun` or a Slurm job array started; None of one that runs alone.

    Raises:
        UsageError: a job array whose indices are not evenly spaced.
    """

    def number(name: str, default: int) -> int:
        text = environment.get(name, "")
        return int(text) if text.isdecimal() else default

    index, parts, origins = 0, 1, []
    task, first, step, tasks = map(number, SLURM_ARRAY, (-1, 0, 1, 1))
    if tasks > 1 and task >= 0:
        index, between = divmod(task - first, max(1, step))
        if between or not 0 <= index < tasks:  # to prepare all of it instead would collide with the other tasks
            hint = f"number the tasks with `--array=1-{tasks}`, or name each part, such as `--shard 1/{tasks}`"
            raise UsageError(f"task {task} of a job array of {tasks} does not tell which shard it is", hint)
        parts, origins = tasks, [SLURM_ARRAY[0]]
    # the number of tasks of the step: a batch script without srun is one process, whatever it has reserved
    for rank_name, count_name in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")):
        rank, count = number(rank_name, -1), number(count_name, 1)
        if count > 1 and 0 <= rank < count:  # each task of an array may start several
            index, parts = index * count + rank, parts * count
            origins.append(rank_name)
            break
    return Shard(index + 1, parts, " and ".join(origins)) if origins else None


@dataclass(frozen=True)
class Workplace:
    """Where a run of `prepare` writes: the store's own files, or those of its shard. All runs share one tree of frames.

    Attributes:
        store: folder of the store.
        shard: the part that the run prepares; None for the whole.
    """

    store: Path
    shard: Shard | None

    @property
    def folder(self) -> Path:
        """Folder of settings, manifest and journal."""
        return self.store if self.shard is None else self.store / SHARDS / f"{self.shard.index}-of-{self.shard.count}"

    @property
    def journal(self) -> Path:
        """File with a line per finished clip, until the manifest is written."""
        return self.folder / JOURNAL

    @property
    def partial(self) -> Path:
        """Folder of the files that are being written."""
        return self.folder / PARTIAL

    def mend(self, settings: dict[str, Any] | None = None) -> str:
        """What to do when a file here is damaged.

        Args:
            settings: those of the store to be; None for those that lie here.
        """
        settings = settings or known_settings(self.folder) or known_settings(self.store)
        command = prepare_command(self.store, settings)
        if self.shard is None:
            return f"run `{command} --redo`"
        return f"remove {self.folder}, then run `{command} --shard {self.shard}`"

    def check_files(self) -> None:
        """Makes sure that no folder lies where a file is to be written.

        Raises:
            DataError: one does.
        """
        for path in (self.folder / MANIFEST, self.folder / SETTINGS, self.journal):
            if path.is_dir() and not path.is_symlink():
                raise DataError(f"{path} is a folder, where a file belongs", "move it away, then run the same command")

    @contextlib.contextmanager
    def occupied(self) -> Iterator[None]:
        """Keeps a second run out, and removes what a killed one was writing; no empty folders are left.

        Shards may be at work together, but not beside a run of the whole.

        Raises:
            UsageError: another run is at work here.
        """
        whole = self.store / PARTIAL / LOCK
        folders = dict.fromkeys((self.folder, self.folder.parent, self.store, self.store.parent))
        new = [folder for folder in folders if not folder.exists()]
        with contextlib.ExitStack() as locks:
            try:
                locks.enter_context(alone(whole, wait=False, shared=self.shard is not None))
                if self.shard is not None:
                    locks.enter_context(alone(self.partial / LOCK, wait=False))
            except BlockingIOError as error:
                message = f"another `prepare` is at work on {self.store}"
                raise UsageError(message, "wait for it to end, or give each its own `--shard i/n`") from error
            try:
                for name in names_in(self.folder):
                    if name.startswith(".") and name.endswith(".part"):  # a manifest or settings, see `replacing`
                        (self.folder / name).unlink(missing_ok=True)
                yield
            finally:
                shutil.rmtree(self.partial, ignore_errors=True)
                locks.close()
                if self.shard is not None:
                    with contextlib.suppress(BlockingIOError), alone(whole, wait=False) as is_last:
                        if is_last:  # no other shard is at work
                            shutil.rmtree(whole.parent, ignore_errors=True)
                for folder in new:
                    with contextlib.suppress(OSError):
                        folder.rmdir()


def shards_in(store: Path) -> list[Workplace]:
    """Where the shards of a store are prepared, including unfinished ones."""
    names = (re.fullmatch(r"(\d+)-of-(\d+)", name) for name in names_in(store / SHARDS))
    found = [Workplace(store, Shard(int(name[1]), int(name[2]))) for name in names if name]
    return sorted(found, key=lambda place: place.shard.index)


def check_no_other_shards(store: Path, shard: Shard | None) -> None:
    """Makes sure that a run does not mix with shards that were cut in another way.

    Raises:
        UsageError: it would.
    """
    counts = sorted({place.shard.count for place in shards_in(store)})
    others = [count for count in counts if shard is None or count != shard.count]
    if others:
        asked = f"shard {shard}" if shard else "the whole data set"
        hint = (
            f"finish them with `--shard 1/{others[0]}` to `--shard {others[0]}/{others[0]}` and join them with "
            f"`--merge`; or remove {store / SHARDS}: frames that are stored stay, but are extracted again"
        )
        raise UsageError(f"{store} holds shards i/{others[0]} that wait to be merged, and {asked} is asked for", hint)


def unfinished(store: Path) -> list[str]:
    """Shards that are still to be prepared before all can be merged, as `i/n`.

    Raises:
        UsageError: there is no shard.
        DataError: they were not cut in the same way.
    """
    places = shards_in(store)
    if not places:
        raise UsageError(
            f"{store} holds no shards to merge", "prepare them first, as `--shard 1/2` and `--shard 2/2` for example"
        )
    count, *others = sorted({place.shard.count for place in places})
    if others:
        cuts = " and ".join(f"i/{cut}" for cut in (count, *others))
        hint = f"remove one kind from {store / SHARDS}"
        raise DataError(f"{store} holds shards {cuts}, which do not fit together", hint)
    # a journal beside the manifest: the shard is being prepared again
    finished = [place for place in places if (place.folder / MANIFEST).is_file() and not place.journal.exists()]
    done = {place.shard.index for place in finished}
    return [f"{index}/{count}" for index in range(1, count + 1) if index not in done]
