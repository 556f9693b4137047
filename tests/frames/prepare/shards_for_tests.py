"""Shards of a small folder of videos, for the tests of cutting and of merging."""

from strmctl.frames.prepare.prepare import prepare
from strmctl.frames.prepare.request import Request
from strmctl.frames.prepare.summary import PrepareResult
from strmctl.frames.store.shards import Shard

THIRDS = [Shard(index, 3) for index in (1, 2, 3)]


def prepare_shards(request: Request, count: int = 3) -> list[PrepareResult]:
    """Prepares one shard after another."""
    return [prepare(request, shard=Shard(index, count)) for index in range(1, count + 1)]
