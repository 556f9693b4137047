"""Tensors of many clips on disk, such as features: written once, memory-mapped afterwards.

A cache is a folder named by a hash of everything that the tensors depend on. It holds one flat file per tensor, and
`features.json` with their shapes. A killed embedding continues with the clips that are missing; a second process that
wants the same tensors waits for the first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import mmap
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from strmctl.errors import DataError, OutputError
from strmctl.evaluation.embed import CLIPS_PER_BATCH, ClipFeatures
from strmctl.forms import misfit
from strmctl.paths import alone, read_json, write_json
from strmctl.provenance import sha256_of

INDEX = "features.json"
LOCK = ".lock"
FORM = {"tensors": dict, "made_of": dict}  # of the index
TENSOR = {"shape": [int], "dtype": str, "sha256?": str}  # the hash when all clips are there
RESERVE = 1 << 30  # bytes of the disk that stay free; less where nine times what is needed is less


class TensorCache:
    """Tensors of some clips, in a folder below one of alike caches.

    Args:
        folder: folder of all caches that may replace each other.
        clips: distinct clip ids, in the order of the rows.
        made_of: everything that the tensors depend on: hashes of weights and manifest, the recipe, the precision, …
        what: name of the tensors in messages.
        replaces: function of what other tensors in `folder` are made of; those for which it holds are removed when
            these have been made.
    """

    def __init__(
        self,
        folder: Path,
        clips: Sequence[str],
        made_of: Mapping[str, Any],
        *,
        what: str = "features",
        replaces: Callable[[Mapping[str, Any]], bool] = lambda other: False,
    ) -> None:
        self._what, self._replaces = what, replaces
        text = json.dumps({**made_of, "clips": list(clips)}, sort_keys=True)
        self.clips = list(clips)
        self.folder = folder / hashlib.sha256(text.encode()).hexdigest()[:16]
        self._partial = self.folder.with_suffix(".part")
        names = hashlib.sha256("\n".join(clips).encode()).hexdigest()
        self._made_of = json.loads(json.dumps({**made_of, "clips_sha256": names}))  # as it is read back

    def read(self, announce: Callable[[str], None] = lambda message: None) -> ClipFeatures | None:
        """The features, memory-mapped; None when they are missing, or not what was written, which is announced."""
        if not self.folder.exists():
            return None
        try:
            return _checked(self.folder, self._tensors(self.folder), self.clips)
        except (DataError, OSError) as error:
            announce(f"note: {error}; its {self._what} are made again")
            return None

    def others(self, rows_of: Callable[[Mapping[str, Any]], Sequence[str]]) -> Iterator[ClipFeatures]:
        """Undamaged tensors of other caches in the folder of all.

        Args:
            rows_of: function of what others are made of; it returns names of their rows, none to pass them by.
        """
        for path in self.folder.parent.glob(f"*/{INDEX}"):
            with contextlib.suppress(DataError, OSError):
                content = _index(path.parent)
                rows = rows_of(content["made_of"]) if path.parent not in (self.folder, self._partial) else ()
                if rows:
                    yield _checked(path.parent, content["tensors"], rows)

    def write(
        self,
        embed: Callable[[Sequence[str]], Iterator[dict[str, Tensor]]],
        progress: Callable[[int], None],
        *,
        further: int = 0,
    ) -> ClipFeatures:
        """Embeds the clips that are missing, writes their tensors, and returns those of all, memory-mapped.

        Args:
            embed: callable that yields the features of clips, `CLIPS_PER_BATCH` at a time.
            progress: callable that receives the number of clips that are done.
            further: number of clips that other caches will hold, for which there must be room as well.

        Raises:
            OutputError: the disk has no room for them; what an earlier embedding wrote stays.
        """
        with alone(self.folder.parent / LOCK), contextlib.ExitStack() as stack:
            if (there := self.read()) is not None:  # another process has made them
                return there
            self._partial.mkdir(exist_ok=True)
            done = self._rows_there()
            progress(done)
            files = {}
            for part in embed(self.clips[done:]):
                if not files:
                    self._begin(part, done, further)
                    files = {name: stack.enter_context((self._partial / name).open("ab")) for name in part}
                for name, value in part.items():
                    files[name].write(value.contiguous().cpu().view(torch.uint8).numpy().data)
                    files[name].flush()
                done += len(value)
                progress(done)
            tensors = self._tensors(self._partial)
            hashes = {name: entry | {"sha256": sha256_of(self._partial / name)} for name, entry in tensors.items()}
            write_json(self._partial / INDEX, {"tensors": hashes, "made_of": self._made_of})
            if self.folder.exists():  # a damaged one
                self.folder.unlink() if self.folder.is_file() else shutil.rmtree(self.folder)
            self._partial.rename(self.folder)
            self._remove_others()
            return _mapped_all(self.folder, hashes, self.clips)

    def _tensors(self, folder: Path) -> dict[str, dict[str, Any]]:
        """Name -> shape and data type of the tensors in a folder.

        Raises:
            DataError: the folder has no index, or not one of these features.
        """
        content = _index(folder)
        if content["made_of"] != self._made_of:
            raise DataError(f"{folder / INDEX} is not that of these {self._what}: they were made of others")
        return content["tensors"]

    def _begin(self, part: Mapping[str, Tensor], done: int, further: int) -> None:
        """Checks the room on the disk, writes the index, and cuts off the unfinished batch that a kill left."""
        row_bytes = {name: value[0].numel() * value.element_size() for name, value in part.items()}
        need = sum(row_bytes.values()) * (len(self.clips) - done + further)
        free = shutil.disk_usage(self._partial).free
        reserve = min(RESERVE, 9 * need)
        if free < need + reserve:
            if done == 0:
                shutil.rmtree(self._partial)
            raise OutputError(
                f"{self._what} need {need / 1e6:,.0f} MB in {self.folder.parent}, where {free / 1e6:,.0f} MB are free "
                f"and {reserve / 1e6:,.0f} MB must stay free"
            )
        for name, size in row_bytes.items():
            with (self._partial / name).open("ab") as file:
                if file.tell() < done * size:
                    raise OutputError(f"{self._partial} holds other {self._what} than these; remove it")
                file.truncate(done * size)
        index = {name: {"shape": list(value.shape[1:]), "dtype": str(value.dtype)[6:]} for name, value in part.items()}
        write_json(self._partial / INDEX, {"tensors": index, "made_of": self._made_of})

    def _rows_there(self) -> int:
        """Number of clips in the whole batches that a killed embedding has written."""
        try:
            tensors = self._tensors(self._partial)
            sizes = {name: (self._partial / name).stat().st_size for name in tensors}
        except (DataError, OSError):
            return 0
        rows = min((sizes[name] // max(1, _row_bytes(**entry)) for name, entry in tensors.items()), default=0)
        return rows - rows % CLIPS_PER_BATCH

    def _remove_others(self) -> None:
        """Deletes what these tensors replace."""
        for path in self.folder.parent.glob(f"*/{INDEX}"):
            with contextlib.suppress(DataError):  # nobody knows whose it is
                content = read_json(path)
                if not misfit(content, FORM) and self._replaces(content["made_of"]):
                    shutil.rmtree(path.parent)


def _index(folder: Path) -> dict[str, Any]:
    """The index of a cache.

    Raises:
        DataError: there is none, or it is damaged.
    """
    content = read_json(folder / INDEX)
    if problem := misfit(content, FORM):
        raise DataError(f"{folder / INDEX} is no index of tensors: {problem}")
    for name, entry in content["tensors"].items():
        problem = misfit(entry, TENSOR)
        if problem or Path(name).name != name or not isinstance(getattr(torch, entry["dtype"], None), torch.dtype):
            raise DataError(f"{folder / INDEX} is damaged: {problem or name}")
    return content


def _checked(folder: Path, tensors: Mapping[str, Mapping[str, Any]], rows: Sequence[str]) -> ClipFeatures:
    """The tensors of a cache, memory-mapped.

    Raises:
        DataError: they are not what was written there.
    """
    for name, entry in tensors.items():
        if sha256_of(folder / name) != entry.get("sha256"):
            raise DataError(f"{folder / name} does not hold what was written there")
    return _mapped_all(folder, tensors, rows)


def _mapped_all(folder: Path, tensors: Mapping[str, Mapping[str, Any]], rows: Sequence[str]) -> ClipFeatures:
    mapped = {name: _mapped(folder / name, len(rows), **entry) for name, entry in tensors.items()}
    return ClipFeatures(mapped, {clip: row for row, clip in enumerate(rows)})


def _mapped(path: Path, rows: int, shape: Sequence[int], dtype: str, **_: str) -> Tensor:
    """A file as a memory-mapped tensor `(rows, *shape)`.

    Raises:
        DataError: the file has another size.
    """
    if path.stat().st_size != rows * _row_bytes(shape, dtype):
        raise DataError(f"{path} has another size than what was written there")
    count = rows * math.prod(shape)
    with path.open("rb") as file:  # by Python, as torch.from_file takes no path that is not UTF-8
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    return torch.frombuffer(content, dtype=getattr(torch, dtype), count=count).view(rows, *shape)


def _row_bytes(shape: Sequence[int], dtype: str, **_: str) -> int:
    return math.prod(shape) * getattr(torch, dtype).itemsize
