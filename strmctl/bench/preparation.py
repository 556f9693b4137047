"""The speed of preparation on this machine: `prepare` against one ffmpeg process after another, as other code does it.

Both work on the same files, at the same output size and similar quality. They take turns, and the median counts,
because a machine has other things to do as well.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from strmctl.bench.prepare_ways import PEER_QUALITY, STORE, Outcome, Preparing, Way, ffmpeg_version
from strmctl.errors import DataError, UsageError
from strmctl.frames.prepare.request import Request, look_up
from strmctl.progress import Progress, silent
from strmctl.threads import available_cpus


def bench_prepare(
    videos: Path,
    *,
    size: int = 256,
    quality: int = 90,
    peer_quality: int = PEER_QUALITY,
    workers: Sequence[int] = (),
    frames: int | None = 8,
    repeats: int = 3,
    peers: bool = True,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Measures preparation of the videos below a folder.

    Each video is first prepared once in both ways without being timed: the files are then in memory, and those on which
    either way fails are left out of both. Frames go to a temporary folder (`TMPDIR`), which is removed.

    Args:
        videos: folder of videos, at any depth.
        size: shorter side of the stored frames, in pixels.
        quality: JPEG quality of `prepare`, 1 to 100.
        peer_quality: `-q:v` of ffmpeg, 2 (best) to 31; see `PEER_QUALITY` for how the default was found.
        workers: numbers of processes to measure; empty for 1 and the number of CPUs. Starting them counts.
        frames: number of evenly spaced frames, measured besides all frames; None leaves this out.
        repeats: repetitions of each measurement.
        peers: whether to measure ffmpeg too, with its own choice of threads; without it there are no ratios.
        progress: callable that receives (steps done, steps in all, next step).

    Returns:
        The videos (`clips`, `frames`, `summary`: kind of video -> clips, `left_out`), the settings, and under `ways`
        for each way: `seconds` (median), `seconds_min`, `seconds_max`, `clips_per_second`,
        `frames_per_second` (of the originals), `stored_frames`, `bytes_per_stored_frame` (with `prepare` about
        110 of them are the zip's), and `ratio`, clips per second over those of ffmpeg. `clips_of_other_length`: clips
        of which ffmpeg stores another number of frames, such as with a variable frame rate.

    Raises:
        DataError: there are no videos, none that both can decode, or no ffmpeg.
        UsageError: `prepare` refuses the settings.
        OSError: the disk is full.
    """
    cpus = available_cpus()
    counts = list(dict.fromkeys(workers or (1, cpus)))
    if repeats < 1 or min(counts) < 1:
        raise UsageError("at least one repetition and one worker are needed")
    ffmpeg = ffmpeg_version() if peers else None
    kept = [None] if frames is None else [None, frames]
    ways = ([Way(None, None)] if peers else []) + [Way(count, keep) for keep in kept for count in counts]
    total = 1 + repeats * len(ways)
    with tempfile.TemporaryDirectory(prefix="strmctl-bench-") as name:
        bench = Preparing(Path(name), size, quality, peer_quality)
        for way in ways:
            bench.check(way)
        progress(0, total, "reading every video once")
        originals, left_out = _link(videos, bench.links)
        for way in ([Way(None, None)] if peers else []) + [Way(max(counts), None)]:
            if not originals:
                break
            once = bench.run(way)
            for link, reason in once.failed.items():
                (bench.links / link).unlink()
                left_out[originals.pop(link)] = reason
        if not originals:
            video, reason = min(left_out.items())
            raise DataError(f"none of the videos below {videos} can be prepared; {video}: {reason}")
        times: dict[Way, list[float]] = {way: [] for way in ways}
        last: dict[Way, Outcome] = {}
        for turn in range(repeats):
            for number, way in enumerate(ways):
                progress(1 + turn * len(ways) + number, total, way.name)
                last[way] = outcome = bench.run(way)
                if outcome.failed:
                    link, reason = next(iter(outcome.failed.items()))
                    raise DataError(f"{originals[link]} was prepared once; now {way.name} fails on it: {reason}")
                times[way].append(outcome.seconds)
    progress(total, total, "")
    whole = once.frames  # those of our decoder, which came last
    return {
        "videos": str(videos),
        "clips": len(originals),
        "frames": sum(whole.values()),
        "summary": dict(Counter(once.kinds.values())),
        "left_out": [{"video": video, "reason": reason} for video, reason in sorted(left_out.items())],
        "clips_of_other_length": sum(last[ways[0]].frames[link] != whole[link] for link in whole) if peers else None,
        "size": size,
        "quality": quality,
        "peer_quality": peer_quality if peers else None,
        "repeats": repeats,
        "cpus": cpus,
        "ffmpeg": ffmpeg,
        "decoder": ", ".join(sorted(once.decoders)),
        "ways": _ways(times, last, whole),
    }


def ratios(seconds: Mapping[Way, Sequence[float]]) -> dict[Way, float | None]:
    """Speed of each way over that of ffmpeg, by the medians; None when ffmpeg was not measured."""
    peers = next((statistics.median(times) for way, times in seconds.items() if way.workers is None), None)
    return {way: None if peers is None else peers / statistics.median(times) for way, times in seconds.items()}


def _ways(
    times: Mapping[Way, Sequence[float]], last: Mapping[Way, Outcome], whole: dict[str, int]
) -> list[dict[str, Any]]:
    """The numbers of each way; `whole`: video -> frames that it has."""
    ratio, lines = ratios(times), []
    for way, own in times.items():
        median, stored = statistics.median(own), sum(last[way].frames.values())
        lines.append(
            {
                "way": way.name,
                "workers": way.workers,
                "frames": way.frames or "all",
                "seconds": median,
                "seconds_min": min(own),
                "seconds_max": max(own),
                "clips_per_second": len(whole) / median,
                "frames_per_second": sum(whole.values()) / median,
                "stored_frames": stored,
                "bytes_per_stored_frame": last[way].size / stored,
                "ratio": ratio[way],
            }
        )
    return lines


def videos_below(folder: Path) -> list[str]:
    """Paths of the videos below a folder, `/`-separated and sorted, with class folders or without.

    Raises:
        DataError: there are none.
    """
    found: set[str] = set()
    for flat in (True, False):
        request = Request(what=f"{folder}{os.sep}", name=STORE, flat=flat)
        with contextlib.suppress(DataError):  # one layout may be empty
            found.update(clip.source for clip in look_up(request).scan().clips)
    if not found:
        what = "no videos" if folder.is_dir() else "no folder of videos"
        raise DataError(f"{what} at {folder}", "name the folder that they lie in with `--videos DIR`")
    return sorted(found)


def _link(videos: Path, folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Links all videos into one folder under plain names: link -> video, and what is not a file -> why."""
    folder.mkdir()
    originals, odd = {}, {}
    for number, source in enumerate(videos_below(videos), start=1):
        path = videos.absolute() / source
        if not path.is_file():
            odd[source] = "not a regular file"
            continue
        link = f"{number:06d}{path.suffix.lower()}"
        (folder / link).symlink_to(path)
        originals[link] = source
    return originals, odd
