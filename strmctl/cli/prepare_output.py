"""What `strmctl prepare` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from strmctl.cli import console
from strmctl.datasets.names import first_of
from strmctl.disk import RESERVE, megabytes

if TYPE_CHECKING:
    from strmctl.datasets.download import ToFetch
    from strmctl.frames.prepare.summary import PrepareResult, SubsetCount

NAMED = 5  # how many missing or ignored things are named before "and so on"
LINES = 20  # clips that have a line of their own, failed ones and odd ones


def print_fetch(planned: ToFetch, *, as_json: bool) -> None:
    """What a dry run says when the videos are still to be downloaded: what they hold is not known yet."""
    if as_json:
        places = {"url": planned.url, "archive": str(planned.archive), "videos": str(planned.videos)}
        console.print_json({"dry_run": True, "download": places})
        return
    there = planned.archive.is_file()
    steps = "is there already and would be" if there else f"would be downloaded from {planned.url} and"
    console.say(
        f"{planned.archive} {steps} unpacked into {planned.videos}; what it holds is known only then. "
        "Nothing was written."
    )


def print_left_out(members: Sequence[str]) -> None:
    """Members of an archive that were not unpacked."""
    for member in members[:LINES]:
        console.say(f"left out of the archive: {member}")
    if len(members) > LINES:
        console.say(f"left out of the archive: {len(members) - LINES} more")


def print_summary(result: PrepareResult) -> None:
    """Counts per subset as a table on stdout; what failed, is odd or missing on stderr."""
    part = f", shard {result.shard}" if result.shard else ""
    title = f"{result.display_name}: {_counted(result.clips, 'clip')}{part}" + (", dry run" if result.dry_run else "")
    columns = ("subset", "classes", "clips", "published", "short", "failed", "frames")
    console.print_table(title, columns, [_subset_line(count) for count in result.subsets])
    if result.dry_run:
        _print_plan(result)
    else:
        size = f"{megabytes(result.bytes)}, " if result.bytes else ""  # frames that lie elsewhere take none
        console.say(
            f"{result.store}: {result.done} of {_counted(result.clips, 'clip')} stored "
            f"({result.skipped} {'was' if result.skipped == 1 else 'were'} there before), "
            f"{len(result.failed)} failed, {size}{console.duration(result.seconds)}"
        )
    for kind, clips in (("failed", result.failed), ("note", result.odd)):
        for clip, reason in clips[:LINES]:
            console.say(f"{kind}: {clip}: {reason}")
        if len(clips) > LINES:
            console.say(f"{kind}: {len(clips) - LINES} more; the manifest names them all")
    if result.split_drawn:
        held = ", ".join(f"{count.subset} {len(count.expected)}" for count in result.subsets if count.expected)
        would = "would be" if result.dry_run else "was"
        console.say(f"split: {result.split_file} {would} drawn by class: {held}")
    what = f"of no subset: {{}} came after the split was drawn ({result.split_file}; remove it and --redo to draw anew)"
    _say_names(what, "class", result.unsplit_classes)
    _say_names("note: {} of fewer than 8 frames: stored, but never sampled", "clip", result.short)
    for folder in result.unreadable[:LINES]:
        console.say(f"error: {folder}")
    _say_names("error: {} could not be read, so clips may be missing", "folder", result.unreadable)
    for reason, files in result.ignored.items():
        console.say(f"ignored: {result.ignored_counts[reason]} ({reason}): {first_of(files, NAMED)}")
    if not result.shard:  # other shards may hold them
        _say_names("missing: {} of the split", "class", result.missing_classes)
    _say_names("missing: {}", "listed clip", result.missing_clips)
    counts = {cls or "no class": count for cls, count in result.listed.items() if count.missing}
    if counts:
        lacking = [f"{cls} {count.missing} of {count.listed}" for cls, count in counts.items()]
        console.say(f"missing by class: {first_of(lacking, NAMED)} (all with --json)")
    if result.dropped:
        clips = _counted(result.dropped, "clip")
        console.say(f"dropped: {clips}, no longer found; their frames stay on disk until --redo")
    if result.shard and not result.dry_run:
        console.say("when all shards are done: the same command with --merge instead of --shard")


def _print_plan(result: PrepareResult) -> None:
    lines = [(cls, count.subset or "-", clips) for count in result.subsets for cls, clips in count.classes.items()]
    if lines:
        console.print_table("", ("class", "subset", "clips"), lines)
    if result.to_render:
        console.say(f"{result.to_render} videos would be rendered first")
    done, estimates = "read", "no frames would be stored"  # frames stay where they are, or no video is a good one
    if result.bytes:
        done = "extracted"
        estimates = (
            f"about {megabytes(result.bytes)} in all, {megabytes(result.free)} are free; "
            f"about {console.duration(result.expected_seconds)} (both estimated from a sample)"
        )
    console.say(
        f"{result.store}: {_counted(result.clips - result.skipped, 'clip')} would be {done}, "
        f"{result.skipped} {'is' if result.skipped == 1 else 'are'} there; "
        f"{estimates}. Nothing was written."
    )
    needed = result.bytes - result.bytes * result.skipped // max(1, result.clips)
    if needed and needed + RESERVE > result.free:
        console.say("warning: there is too little room; `--frames 8`, a smaller --size or --quality take less")


def _subset_line(count: SubsetCount) -> tuple[object, ...]:
    classes = f"{len(count.classes)}/{len(count.expected)}" if count.expected else len(count.classes)
    known = [clips for clips in count.expected.values() if clips is not None]
    published = sum(known) if known else "-"
    return (count.subset or "-", classes, count.clips, published, count.short, count.failed, count.frames)


def _say_names(message: str, what: str, names: Sequence[str]) -> None:
    """Says how many there are and the first of them; nothing when there are none."""
    if names:
        console.say(f"{message.format(_counted(len(names), what))}: {first_of(names, NAMED)}")


def _counted(number: int, what: str) -> str:
    many = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{number} {what if number == 1 else many}"
