"""Running averages of batch norm on several ranks, as one process would leave them.

After each of its T updates with statistics s_t, a layer's running average is r <- (1 - m) r + m s_t: a linear
recurrence, in which s_t ends with the weight m (1 - m)^(T - t) wherever it was computed. So each rank notes what its
own episodes add, with their places in the order of episodes, and the sum over all ranks is the average.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from strmctl.evaluation.ranks import Ranks


class RunningAverages:
    """The running averages of a model's layers of batch norm while ranks share out a stretch of episodes.

    Args:
        model: model in training mode.
        ranks: the processes that train it; alone, nothing is changed.
        done: number of episodes before the first stretch.
    """

    def __init__(self, model: nn.Module, ranks: Ranks, done: int) -> None:
        kinds = nn.modules.batchnorm._BatchNorm
        layers = [module for module in model.modules() if isinstance(module, kinds) and module.track_running_stats]
        self._layers = [_Layer(layer) for layer in layers if layer.training] if ranks.count > 1 else []
        self._ranks, self._first = ranks, done

    def before_episode(self) -> None:
        """Empties the averages, so that they will hold what the next episode adds."""
        for layer in self._layers:
            layer.write(torch.zeros_like(layer.start))

    def after_episode(self, index: int) -> None:
        """Notes what the episode of this index has added."""
        for layer in self._layers:
            layer.note(index - self._first)

    def merge(self, done: int) -> None:
        """Ends a stretch, after `done` episodes in all: all ranks get the averages that one process would have."""
        for layer in self._layers:
            layer.end(done - self._first, first=self._ranks.first)
        self._first = done
        self._ranks.add_up([tensor for layer in self._layers for tensor in (layer.added, layer.updates)])
        for layer in self._layers:
            layer.write(layer.added)
            layer.module.num_batches_tracked.copy_(layer.count + layer.updates)
            layer.begin()


class _Layer:
    """One layer: its averages `(2, channels)`, of means and of variances, and what this rank's episodes add to them."""

    def __init__(self, module: nn.modules.batchnorm._BatchNorm) -> None:
        self.module = module
        self.begin()

    def begin(self) -> None:
        self.start, self.count = self._averages(), self.module.num_batches_tracked.clone()
        self.added, self.updates = torch.zeros_like(self.start), torch.zeros_like(self.count)
        self.place = self.episodes = 0  # the place that `added` is weighted for; own episodes so far

    def write(self, averages: Tensor) -> None:
        self.module.running_mean.copy_(averages[0])
        self.module.running_var.copy_(averages[1])

    def note(self, place: int) -> None:
        self.episodes += 1
        self.updates = self.module.num_batches_tracked - self.count
        self._weight_for(place)
        self.added += self._averages()

    def end(self, episodes: int, *, first: bool) -> None:
        self._weight_for(episodes - 1)
        if first:  # it has had an episode, the first one, and so knows how many updates one makes
            self.added += self.start * self._decay(episodes)

    def _averages(self) -> Tensor:
        return torch.stack([self.module.running_mean, self.module.running_var])

    def _weight_for(self, place: int) -> None:
        self.added *= self._decay(place - self.place)
        self.place = place

    def _decay(self, episodes: int) -> float:
        """What is left of an average after so many episodes, each of which makes as many updates as another."""
        return (1 - self.module.momentum) ** (int(self.updates) * episodes / max(1, self.episodes))
