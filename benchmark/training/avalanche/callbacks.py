"""What the suite adds to a strategy of Avalanche while it trains: order, progress, divergence, accuracy."""

from __future__ import annotations

import benchmark.common.imports  # noqa: F401  (before avalanche)

from collections.abc import Callable, Sequence
from typing import Any

from avalanche.benchmarks.utils.data_loader import TaskBalancedDataLoader
from avalanche.core import SupervisedPlugin
from torch.utils.data import DataLoader

from benchmark.common.randomness import Randomness


class Diverged(Exception):
    """A parameter is no number any more: at a step of a phase, both from 0."""

    def __init__(self, task: int, step: int) -> None:
        super().__init__(task, step)
        self.task, self.step = task, step


class SameOrder(SupervisedPlugin):
    """Shuffle each epoch as the engine does for the seed, unless the strategy has its own loader, as replay has."""

    def __init__(self, random: Randomness) -> None:
        super().__init__()
        self.random = random

    def before_training_exp(self, strategy: Any, **_: object) -> None:
        """A phase begins."""
        self.random.begin_phase()

    def before_training_epoch(self, strategy: Any, **_: object) -> None:
        """An epoch begins."""
        data = strategy.adapted_dataset
        if type(strategy.dataloader) in (TaskBalancedDataLoader, _Ordered):
            order = self.random.order(len(data))[0].tolist()
            strategy.dataloader = _Ordered(
                data.subset(order), batch_size=strategy.train_mb_size, collate_fn=data.collate_fn
            )


class _Ordered(DataLoader):
    """A loader made by SameOrder."""


class Watch(SupervisedPlugin):
    """Tells how far a run is, and raises Diverged where a parameter is no number any more.

    steps: of each phase.
    """

    def __init__(self, steps: Sequence[int], report: Callable[[int, int, int], None]) -> None:
        super().__init__()
        self.steps, self.report, self.phase, self.step = steps, report, -1, 0

    def before_training_exp(self, strategy: Any, **_: object) -> None:
        """A phase begins."""
        self.phase, self.step = self.phase + 1, 0

    def after_training_iteration(self, strategy: Any, **_: object) -> None:
        """A step is taken."""
        if self.step % 50 == 49:
            self._look(strategy)
        self.step += 1

    def after_training_exp(self, strategy: Any, **_: object) -> None:
        """A phase ends."""
        self.step -= 1
        self._look(strategy)

    def _look(self, strategy: Any) -> None:
        if not all(bool(parameter.isfinite().all()) for parameter in strategy.model.parameters()):
            raise Diverged(self.phase, self.step)
        done = sum(self.steps[: self.phase]) + min(self.step + 1, self.steps[self.phase])
        self.report(done, sum(self.steps), self.phase)


class Counter(SupervisedPlugin):
    """Counts right answers of an evaluation, after the strategy's own plugins have made predictions of its outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.right = self.seen = 0

    def join(self, strategy: Any) -> None:
        """Stand where the library's own metrics stand: behind every plugin of the strategy."""
        strategy.plugins.insert(strategy.plugins.index(strategy.evaluator), self)

    def before_eval(self, strategy: Any, **_: object) -> None:
        """An evaluation begins."""
        self.right = self.seen = 0

    def after_eval_iteration(self, strategy: Any, **_: object) -> None:
        """A batch is evaluated."""
        self.right += int((strategy.mb_output.argmax(1) == strategy.mb_y).sum())
        self.seen += len(strategy.mb_y)

    def share(self) -> float:
        """Of right answers in the last evaluation."""
        return self.right / self.seen
