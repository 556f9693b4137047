"""What `strmctl prepare` is asked to do, and what that means: which data set, split, folders and settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from strmctl.datasets.catalogue import DATA_SETS, DataSet, is_folder, known_dataset
from strmctl.datasets.draw_split import Shares
from strmctl.datasets.scan import OTHER_CLASS, Scan, scan
from strmctl.datasets.splits import SUBSETS, Split, load_split
from strmctl.datasets.sprites.render import VERSION as SPRITES_VERSION
from strmctl.errors import DataError, UsageError
from strmctl.frames.in_place.extracted import ExtractedFrames
from strmctl.frames.prepare.drawn_split import drawn_file, drawn_split
from strmctl.frames.prepare.options import check_options, own_dataset
from strmctl.frames.store.manifest import MANIFEST
from strmctl.frames.store.settings import DEFAULTS, SETTINGS, prepare_command, read_settings
from strmctl.frames.store.shards import Shard, Workplace
from strmctl.paths import write_text
from strmctl.videos.extract import Size, parse_size

# settings that decide stored bytes
DECIDING = ("dataset", "size", "quality", "frames", "frames_from", "frames_pattern", "seed", "generator_version")


@dataclass(frozen=True)
class Request:
    """What to prepare.

    Attributes:
        what: a data set's name, or a folder of videos.
        data_dir: folder of the frame stores.
        videos: folder of the original videos; None: `<data_dir>/videos/<data set>`.
        annotations: folder of the annotation files of Something-Something; None: looked for near the videos.
        list_file: text file that lists the clips to take; None takes all.
        name: name of the store; None: the name of the data set or of the folder.
        split_file: split to use instead of the data set's own, or for a folder; shares draw one for a folder.
        flat: the folder holds videos without classes.
        size: size in pixels, `256` (shorter side) or `256x256` (width x height); None: the data set's default.
        quality: quality of the JPEG images, 1 to 100.
        frames: number of evenly spaced frames to keep per clip, at least 8; None keeps all.
        frames_from: folder or zip of frames that somebody has extracted; they are used where they lie.
        frames_pattern: pattern as of a shell, such as `img_*.jpg`, which the names of these frames must fit; None: the
            one series of names that each folder has.
        seed: seed of the rendered videos (sprites), or of the drawn split.
    """

    what: str
    data_dir: Path = Path("data")
    videos: Path | None = None
    annotations: Path | None = None
    list_file: Path | None = None
    name: str | None = None
    split_file: Path | Shares | None = None
    flat: bool = False
    size: str | None = None
    quality: int = DEFAULTS["quality"]
    frames: int | None = None
    frames_from: Path | None = None
    frames_pattern: str | None = None
    seed: int | None = None

    def extracted(self) -> ExtractedFrames | None:
        """The frames that are used where they lie; None for videos.

        Raises:
            DataError: there are none, or the pattern fits none of them.
        """
        if self.frames_from is None:
            return None
        frames = ExtractedFrames(self.frames_from, self.frames_pattern or "")
        frames.check_pattern()
        return frames


@dataclass(frozen=True)
class Job:
    """A request with everything looked up.

    Attributes:
        dataset: the data set.
        split: its classes; None for a folder without a split.
        originals: folder of the original videos, or folder or zip of the frames that are used where they lie.
        folder: folder of the frame store.
        settings: content of `store.json` to be.
        size: size of the stored frames, pixels.
        request: the request that all this comes from.
        drawn: text of the split file that is to be written, where the split is drawn now.
    """

    dataset: DataSet
    split: Split | None
    originals: Path
    folder: Path
    settings: dict[str, Any]
    size: Size
    request: Request
    drawn: str = ""

    @property
    def split_file(self) -> Path | None:
        """The file of the split, or where it is to be written; None for that of a data set."""
        shares = isinstance(self.request.split_file, Shares)
        return drawn_file(self.folder) if shares else self.request.split_file

    def unsplit_classes(self, found: Scan) -> list[str]:
        """Class folders that came after the split was drawn."""
        if not isinstance(self.request.split_file, Shares):
            return []
        return sorted({source.split("/")[0] for source in found.ignored.get(OTHER_CLASS, ())})

    def keep_split(self) -> None:
        """Writes the split that is drawn."""
        if self.drawn:
            write_text(self.split_file, self.drawn)

    @property
    def seed(self) -> int | None:
        """Seed of the videos that are to be rendered; None for those that are not."""
        return self.settings.get("seed")

    def scan(self, shard: Shard | None = None) -> Scan:
        """Finds the clips, or those of a shard; see `strmctl.datasets.scan`."""
        request = self.request
        found = scan(
            self.dataset,
            self.split,
            self.originals,
            annotations=request.annotations,
            list_file=request.list_file,
            extracted=request.extracted(),
        )
        if shard is not None:
            found.clips = [clip for clip in found.clips if shard.has(clip.clip)]
        return found

    def check_settings(self, place: Workplace) -> None:
        """Makes sure that what is there already was made with the same settings.

        Raises:
            UsageError: it was not.
            DataError: its settings cannot be read.
        """
        mend = "give the same options" if place.shard else "add `--redo` to make it again"
        for folder in dict.fromkeys((place.store, place.folder)):
            own = place if folder == place.folder else Workplace(place.store, None)
            own.check_files()
            again = own.mend(self.settings)
            if not (there := read_settings(folder, again)):
                if (folder / MANIFEST).exists() and not (folder / SETTINGS).is_symlink():  # a link is replaced
                    raise DataError(f"{folder / SETTINGS} is missing, which says how these frames were made", again)
                continue
            pairs = [(key, there.get(key), self.settings.get(key)) for key in DECIDING]
            changed = [f"{key} {before}, now {now}" for key, before, now in pairs if before != now]
            if changed := changed + self._lost(there):
                made = prepare_command(self.folder, there)
                hint = f"{mend}, or another `--name` to keep both; it was made with `{made}`"
                raise UsageError(f"the frame store {self.folder} was made with {'; '.join(changed)}", hint)

    def _lost(self, there: dict[str, Any]) -> list[str]:
        """What the store would lose: its classes, or the choice of clips. To add what it lacks is no loss."""
        asked, asks = there.get("request", {}), self.settings["request"]
        lists = [Path(request["list"]).name if "list" in request else None for request in (asked, asks)]
        pairs = [("split", there.get("split"), self.settings["split"]), ("list", *lists)]
        if self.request.name is None:  # two folders of one name
            pairs.append(("folder", asked.get("folder"), asks.get("folder")))
        lost = [f"{what} {before}, now {now or 'none'}" for what, before, now in pairs if before not in (None, now)]
        if "request" in there and ("flat" in asked) != ("flat" in asks):
            lost.append("--flat, now without" if "flat" in asked else "class folders, now --flat")
        return lost


def look_up(request: Request) -> Job:
    """Looks up everything that a request names.

    Raises:
        UsageError: an unknown data set, or options that do not go together.
        DataError: the split is not valid, or a file is named where a folder of videos belongs.
    """
    # the clips are the user's own in a folder; and so are extracted frames under a name of the user's choice
    if is_folder(request.what) or (request.frames_from is not None and request.what not in DATA_SETS):
        dataset = own_dataset(request)
    else:
        dataset = known_dataset(request.what)
    own = dataset.name not in DATA_SETS
    check_options(request, dataset, own)
    name = request.name or dataset.name
    originals = Path(request.what) if own else request.data_dir / "videos" / dataset.name
    originals = request.frames_from or originals
    drawn = ""
    if isinstance(request.split_file, Shares):
        classes = partial(_classes_there, request, dataset, originals)
        store = request.data_dir / name
        split, drawn = drawn_split(request.split_file, store, seed=request.seed or 0, classes=classes)
    else:
        split = None if own and request.split_file is None else load_split(request.split_file or dataset.name)
    size = parse_size(request.size or str(dataset.size))
    settings: dict[str, Any] = {
        "dataset": dataset.name,
        "display_name": _display_name(name, dataset, split, request),
        "title": dataset.title,
        "size": str(size) if isinstance(size, int) else f"{size[0]}x{size[1]}",
        "quality": request.quality,
        "frames": request.frames or "all",
        "split": split.name if split else None,
        "classes": {subset: split.classes(subset) for subset in SUBSETS} if split else {},
        "opposites": [list(pair) for pair in split.opposites] if split else [],
        "request": _asked(request, request.data_dir / name, own=own),
    }
    if request.frames_from is not None:
        settings = {key: value for key, value in settings.items() if key not in ("size", "quality", "frames")}
        settings["frames_from"] = str(originals.absolute())
        settings |= {"frames_pattern": request.frames_pattern} if request.frames_pattern is not None else {}
    if dataset.name == "sprites":
        settings |= {"seed": request.seed or 0, "generator_version": SPRITES_VERSION}
        if request.seed:  # so that two seeds do not take turns in one folder
            originals = originals.with_name(f"sprites_seed{request.seed}")
    return Job(dataset, split, request.videos or originals, request.data_dir / name, settings, size, request, drawn)


def _classes_there(request: Request, dataset: DataSet, originals: Path) -> set[str]:
    found = scan(dataset, None, originals, list_file=request.list_file, extracted=request.extracted())
    if found.unreadable:
        raise DataError(
            f"a split is drawn of all classes, and some may be missing: {'; '.join(found.unreadable)}",
            "make all folders readable",
        )
    return {clip.cls for clip in found.clips}


def _asked(request: Request, store: Path, *, own: bool) -> dict[str, Any]:
    """The folders and files that the request names, absolute, so that the command works again from any folder."""
    paths = {
        "folder": Path(request.what) if own and request.frames_from is None else None,
        "videos": request.videos,
        "annotations": request.annotations,
        "list": request.list_file,
        "split": drawn_file(store) if isinstance(request.split_file, Shares) else request.split_file,
        "frames-from": request.frames_from,
    }
    asked: dict[str, Any] = {key: str(path.absolute()) for key, path in paths.items() if path is not None}
    return asked | ({"flat": True} if request.flat else {})


def _display_name(name: str, dataset: DataSet, split: Split | None, request: Request) -> str:
    """The store's name in results: it says when the clips are not those of the benchmark."""
    remarks = []
    if request.split_file is not None and dataset.name in DATA_SETS:
        remarks.append(f"split {split.name}")
    if dataset.listed and request.list_file is None:
        remarks.append("all clips")
    return f"{name} ({', '.join(remarks)})" if remarks else name
