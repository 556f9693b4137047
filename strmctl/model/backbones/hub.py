"""Weights from the Hugging Face hub, by way of its cache. The one file that imports huggingface_hub."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from strmctl.errors import DataError, in_one_line
from strmctl.model.backbones.weights import WAYS_OUT
from strmctl.model.weight_files import read_state_dict

FILES = ("model.safetensors", "pytorch_model.bin")  # the first that is there holds the weights


def fetch_hub(
    name: str,
    repository: str,
    announce: Callable[[str], None],
    files: Sequence[str] = FILES,
    ways_out: str = WAYS_OUT,
) -> Mapping[str, Tensor]:
    """The weights in a repository, from the cache or else from the net.

    Args:
        name: name of the backbone, for messages.
        repository: name of the repository on the hub.
        announce: receives a message before anything is downloaded.
        files: names of two files, of which the first that is there holds the weights.
        ways_out: what to do without these weights.

    Raises:
        DataError: they cannot be fetched.
        CheckpointError: the cache holds a damaged file.
    """
    import huggingface_hub as hub
    from huggingface_hub.errors import EntryNotFoundError

    def address(file: str) -> str:
        return hub.hf_hub_url(repository, file)

    cached = [hub.try_to_load_from_cache(repository, file) for file in files]
    found = next((path for path in cached if isinstance(path, str)), None)
    if found is None:
        if not sys.stderr.isatty():
            hub.utils.disable_progress_bars()
        try:
            file = files[0]
            try:
                size = hub.get_hf_file_metadata(address(file)).size
            except EntryNotFoundError:
                file = files[1]
                size = hub.get_hf_file_metadata(address(file)).size
            cache = hub.constants.HF_HUB_CACHE
            announce(f"downloading the weights of {name}: {size / 2**20:.0f} MB from {address(file)} to {cache}")
            found = hub.hf_hub_download(repository, file)
        except Exception as error:  # no net, no space, HF_HUB_OFFLINE, no such repository any more
            raise DataError(
                f"the weights of {name} cannot be fetched from {address(files[0])}: {in_one_line(error)}",
                f"fetch them where there is a net, with `hf download {repository}`, and copy the folder "
                f"{hub.constants.HF_HUB_CACHE} here, or let HF_HOME name the folder that it lies in; or {ways_out}",
            ) from error
    return read_state_dict(Path(found), f"delete it to fetch it again, or {ways_out}")
