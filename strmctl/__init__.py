"""strmctl: few-shot action recognition with spatio-temporal relation modelling (STRM, CVPR 2022).

The names below are the Python interface. Each is imported when it is first used, so that `import strmctl` is instant.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strmctl.classify.classifier import Classifier
    from strmctl.classify.page import write_page
    from strmctl.episodes.clip_loader import ClipLoader
    from strmctl.episodes.sampler import EpisodeSampler
    from strmctl.evaluation.comparison.compare import compare
    from strmctl.evaluation.match import Protocol, evaluate
    from strmctl.evaluation.statistics.summary import summarise
    from strmctl.frames.store.store import FrameStore
    from strmctl.recipe import load_recipe
    from strmctl.runs.build import build_model
    from strmctl.runs.checkpoint import load_run
    from strmctl.videos.read_video import read_video

__version__ = "0.1.0"
__all__ = [
    "Classifier",
    "ClipLoader",
    "EpisodeSampler",
    "FrameStore",
    "Protocol",
    "build_model",
    "compare",
    "evaluate",
    "load_recipe",
    "load_run",
    "read_video",
    "summarise",
    "write_page",
]
_MODULES = {
    "Classifier": "classify.classifier",
    "ClipLoader": "episodes.clip_loader",
    "EpisodeSampler": "episodes.sampler",
    "FrameStore": "frames.store.store",
    "Protocol": "evaluation.match",
    "build_model": "runs.build",
    "compare": "evaluation.comparison.compare",
    "evaluate": "evaluation.match",
    "load_recipe": "recipe",
    "load_run": "runs.checkpoint",
    "read_video": "videos.read_video",
    "summarise": "evaluation.statistics.summary",
    "write_page": "classify.page",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
