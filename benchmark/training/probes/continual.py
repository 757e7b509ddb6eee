"""Accuracy on all tasks met while the networks are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from benchmark.training.probe import Probe, View
from methods.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

MOST = 300_000
"""Accuracies of a run at most: some 2 MB of its record, and 10 MB of memory where it is read."""


class Continual(Probe):
    """Accuracy on a fixed sample of the test set of every task met, every k steps and at the end of each phase.

    accuracy[n][i]: of measurement n on task i, a fraction. Each seed has its own sample, the same all through the run.
    Source: De Lange, van de Ven and Tuytelaars, Continual evaluation for lifelong learning: Identifying the stability
    gap, ICLR 2023, who evaluate on a sample of each task's test set after every step.
    """

    name = "continual"

    class Options(Probe.Options):
        """every: steps from one measurement to the next; examples: of each task, 0 takes its whole test set."""

        every: int = Field(10, ge=0, le=10**9)
        examples: int = Field(100, ge=0, le=10**9)

    def __init__(self, options: Options, view: View) -> None:
        super().__init__(options, view)
        _check_size(options.every, view)
        self.samples = [
            [_sample(len(test), options.examples, generator) for test in stream.test]
            for stream, generator in zip(view.streams, view.generators("continual"), strict=True)
        ]

    def measure(self, view: View) -> dict[str, list[list[float]]]:
        """See Probe.measure; accuracy is [S][tasks met]."""
        tasks = range(view.met)
        return {
            "accuracy": [
                [view.accuracy(index, task, rows[task]) for task in tasks] for index, rows in enumerate(self.samples)
            ]
        }


def _sample(length: int, count: int, generator) -> Tensor | None:
    """`count` of `length` rows in rising order, drawn without replacement; None for all of them."""
    import torch

    if count == 0 or count >= length:
        return None
    return torch.randperm(length, generator=generator)[:count].sort().values


def _check_size(every: int, view: View) -> None:
    """Raises InputError where a record would hold too many accuracies: better told before training than after."""
    count, met = 0, 0
    for tasks, steps in zip(view.phases, view.steps, strict=True):
        met += len(tasks)
        count += met * (-(-steps // every) if every else 1)
    if count > MOST:
        raise InputError(
            f"--measure continual: every={every} would record {count:,} accuracies a run, and {MOST:,} is the most; "
            f"choose every={-(-every * count // MOST)} or more"
        )
